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
//	RequestRefund ─► refund ordered ─► Refund ─► refund ─► refunded, or refund failed: its amount is free again
//
// What to ask next is a pure function of the state ([nextOfCharge], [nextOfUndo], [nextOfRefund]), and so is what an answer
// adds to it ([answered]); drive.go does nothing but call, and record. Who repeats a Charge, an Undo or a Refund, or does so
// twice at once, changes nothing: the provider's keys follow from the intents, and a result is decided on the newest state.
//
// A refund is kept apart from the moment it is ordered: those done and those under way never pass what was captured. An undo
// gives back all that is left.
//
// After the tombstone no authorization and no capture begins here; one that a frozen process still sends is refused at
// the provider, where Undo voided the payment.
//
// A provider that hangs or fails is left alone for a while ([guard]): what was not asked surely did nothing.
//
// A webhook says no more than that there is news. It is verified, stored and answered; then it wakes the payment's saga.
package payment

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
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
	InFlight  int           // calls to one provider at once; 100
	ActionTTL time.Duration // how long a shopper has to act at their bank; 15 min

	ReceiptRetention time.Duration // 0: for good
	WebhookRetention time.Duration // of webhooks that are handled; 0: for good

	Called func(provider, operation, outcome string, took time.Duration) // told of every call, made or held back; may be nil
	// Resume is told the correlation of a Charge or an Undo that was held back, when it's worth trying again; may be nil.
	Resume func(correlation uuid.UUID)
}

// Module is the payments of one database.
type Module struct {
	store     *eventstore.Store
	query     *pgxpool.Pool
	run       eventstore.RunConfig
	webhooks  eventstore.Retention
	due       *eventstore.Watermark // of webhooks
	log       *slog.Logger
	providers []*guard
	actionTTL time.Duration
	now       func() time.Time
	arrived   chan struct{} // a webhook was stored
	takings   takings
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
	if c.InFlight <= 0 {
		c.InFlight = 100
	}
	if c.Called == nil {
		c.Called = func(string, string, string, time.Duration) {}
	}
	if c.Resume == nil {
		c.Resume = func(uuid.UUID) {}
	}
	m := &Module{
		store: eventstore.Open(c.Committer, c.Query, "payment", payments),
		query: c.Query, log: c.Log, due: eventstore.NewWatermark(webhookSlack, webhookAgain),
		run: eventstore.RunConfig{SingleProcess: c.Alone, Control: c.Control, ReceiptRetention: c.ReceiptRetention, Failed: func(err error) {
			c.Log.Error("payments in the background", slog.Any("error", err))
		}},
		webhooks: eventstore.Retention{
			Table: "payment.webhooks", Old: "handled_at < now() - $3::interval", After: c.WebhookRetention, Pool: c.Control,
		},
		actionTTL: c.ActionTTL, arrived: make(chan struct{}, 1),
		takings: takings{query: c.Query},
	}
	m.now = m.store.Now
	for _, p := range c.Providers {
		m.providers = append(m.providers, newGuard(p, guarding{c.Timeout, c.InFlight, c.Called, c.Resume, c.Log}))
	}
	return m
}

// Store is where the payments are.
func (m *Module) Store() *eventstore.Store { return m.store }

// Run does what goes on in the background, until ctx is done: it hands out what lies in the outbox, and wakes the
// payments of webhooks that came.
func (m *Module) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.store.Run(ctx, m.run) })
	g.Go(func() error { return m.wakeAll(ctx, m.run.Failed) })
	for _, p := range m.providers {
		g.Go(func() error { p.Run(ctx); return nil })
	}
	if m.webhooks.After > 0 {
		g.Go(func() error { m.webhooks.Run(ctx, m.run.Failed); return nil })
	}
	return g.Wait()
}

func (m *Module) provider(name string) (*guard, error) {
	for _, p := range m.providers {
		if p.Name() == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("the payment provider %q is not configured", name)
}

// TakesMethod reports whether the provider of new payments takes a token of that form.
func (m *Module) TakesMethod(token string) bool { return m.providers[0].TakesMethod(token) }
