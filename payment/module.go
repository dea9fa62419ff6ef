// Package payment moves money exactly once.
//
// A payment is a stream of events. Before every call to a provider its intent is in the stream; afterwards the result
// is a command like any other. In between the process may die, freeze, or never hear the answer:
//
//	Charge ─► requested ─► authorize ─► authorized + capture requested ─► capture ─► captured
//	                          │                                              │
//	                          ├─► declined                                   ├─► capture refused
//	                          ├─► action required ─► (bank) ─► look up       │
//	                          └──────────── outcome unknown ◄────────────────┘
//	                                  look up, else the same call with the same key
//
//	Undo, Cancel ─► undo requested: the tombstone ─► void (or refund, where it was captured)
//
// What to ask next is a pure function of the state ([next]), and so is what an answer adds to it ([answered]); drive.go
// does nothing but call, and record. Who repeats a Charge or an Undo, or does so twice at once, changes nothing: the
// provider's keys follow from the intents, and a result is decided on the newest state.
//
// After the tombstone no authorization and no capture begins here; one that a frozen process still sends is refused at
// the provider, where Undo voided the payment.
//
// A webhook says no more than that there is news. It is verified, stored and answered; then it wakes the payment's saga.
package payment

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"shopping-cart/eventstore"
)

// Config is what a Module needs. Zero durations have the defaults named.
type Config struct {
	Committer *eventstore.Committer
	Query     *pgxpool.Pool
	Control   *pgxpool.Pool // sweeps; nil: Query
	Alone     bool          // no other process uses the store
	Log       *slog.Logger  // nil: slog.Default
	Providers []Provider    // the first takes new payments; the others finish what was begun with them
	Timeout   time.Duration // of one call to a provider; 3 s
	ActionTTL time.Duration // how long a shopper has to act at their bank; 15 min

	ReceiptRetention time.Duration // 0: for good
	WebhookRetention time.Duration // of webhooks that are handled; 0: for good
}

// Module is the payments of one database.
type Module struct {
	store     *eventstore.Store
	query     *pgxpool.Pool
	run       eventstore.RunConfig
	webhooks  eventstore.Retention
	due       *eventstore.LowWater // of webhooks
	log       *slog.Logger
	providers []Provider
	timeout   time.Duration
	actionTTL time.Duration
	now       func() time.Time
	arrived   chan struct{} // a webhook was stored
}

// New makes the module. There must be a provider.
func New(c Config) *Module {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Control == nil {
		c.Control = c.Query
	}
	if c.Timeout <= 0 {
		c.Timeout = 3 * time.Second
	}
	if c.ActionTTL <= 0 {
		c.ActionTTL = 15 * time.Minute
	}
	return &Module{
		store: eventstore.Open(c.Committer, c.Query, "payment", payments),
		query: c.Query, log: c.Log, due: eventstore.NewLowWater(webhookSlack, webhookAgain),
		run: eventstore.RunConfig{Alone: c.Alone, Control: c.Control, ReceiptRetention: c.ReceiptRetention, Failed: func(err error) {
			c.Log.Error("payments in the background", slog.Any("error", err))
		}},
		webhooks: eventstore.Retention{
			Table: "payment.webhooks", Old: "handled_at < now() - $3::interval", After: c.WebhookRetention, Pool: c.Control,
		},
		providers: c.Providers,
		timeout:   c.Timeout, actionTTL: c.ActionTTL, now: time.Now, arrived: make(chan struct{}, 1),
	}
}

// Store is where the payments are.
func (m *Module) Store() *eventstore.Store { return m.store }

// Run does what goes on in the background, until ctx is done: it hands out what lies in the outbox, and wakes the
// payments of webhooks that came.
func (m *Module) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.store.Run(ctx, m.run) })
	g.Go(func() error { return m.wakeAll(ctx, m.run.Failed) })
	if m.webhooks.After > 0 {
		g.Go(func() error { m.webhooks.Run(ctx, m.run.Failed); return nil })
	}
	return g.Wait()
}

func (m *Module) provider(name string) (Provider, error) {
	for _, p := range m.providers {
		if p.Name() == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("the payment provider %q is not configured", name)
}
