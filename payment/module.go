// Package payment moves money exactly once.
//
// A payment is a stream of events. The intent of each call to a provider is in the stream before the call is made. Its result is then
// recorded by a command. The process may die, freeze, or never receive the answer in between:
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
// The next call is a pure function of the state (see [nextChargeCall], [nextUndoCall] and [nextRefundCall]), and so are the events that an answer
// adds (see [onAnswer]). advance.go only calls and records. A Charge, an Undo or a Refund may be repeated, also concurrently: the provider's
// keys are derived from the intents, and a result is decided on the newest state.
//
// The amount of a refund is reserved from its order on, so that all refunds together never exceed the captured amount. An Undo refunds
// all that is left.
//
// After the tombstone no authorization and no capture begins here. If a frozen process still sends one, the provider refuses it, since
// Undo voided the payment there.
//
// A provider that hangs or fails gets no calls for a while (see [guardedProvider]). A call that was not made had no effect.
//
// A webhook only says that something happened to a payment. It is verified, stored and answered. Then it wakes the payment's saga.
package payment

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"shopping-cart/eventstore"
)

// Config configures a Module. Zero durations have the defaults named.
type Config struct {
	eventstore.Database
	Providers []Provider    // the first takes new payments; the others finish the payments begun with them
	Retired   []Provider    // finish the payments begun with them, and send no webhooks any more
	Timeout   time.Duration // of one call to a provider; 3 s
	InFlight  int           // concurrent calls to one provider; 100
	Rate      Rate          // of the calls of each operation to the first provider; one caller gets a quarter of it
	Declines  DeclineLimits // of a customer or an address
	ActionTTL time.Duration // time of the shopper to act at their bank; 15 min
	GuestTTL  time.Duration // the same of a guest; ActionTTL

	OneDecline bool // guests see CodeDeclined for every declined card, whatever the reason

	WebhookRetention time.Duration // of handled webhooks; 0: forever

	Limited func(what, by string) // counts each payment that too many declines refuse; may be nil

	Called func(ctx context.Context, provider, operation, outcome string, took time.Duration) // measures each call, made or not; may be nil
}

// Module manages the payments of one database.
type Module struct {
	store      *eventstore.Store
	query      *pgxpool.Pool
	webhooks   eventstore.Retention
	due        *eventstore.Watermark // of webhooks
	log        *slog.Logger
	providers  []*guardedProvider
	notifying  int // the providers before this index send webhooks
	actionTTL  time.Duration
	guestTTL   time.Duration
	declines   DeclineLimits
	attempts   *attempts
	oneDecline bool
	limited    func(what, by string)
	now        func() time.Time
	arrived    chan struct{} // a webhook was stored
	resumable  chan uuid.UUID
	daily      dailyTotals
	actions    actions
}

// ttl returns the time of the payment's customer to act at their bank.
func (m *Module) ttl(s State) time.Duration {
	if s.Guest {
		return m.guestTTL
	}
	return m.actionTTL
}

// New returns a module. It needs a provider.
func New(c Config) *Module {
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	c.ActionTTL = cmp.Or(c.ActionTTL, 15*time.Minute)
	c.GuestTTL = cmp.Or(c.GuestTTL, c.ActionTTL)
	c.InFlight = cmp.Or(c.InFlight, 100)
	if c.Limited == nil {
		c.Limited = func(string, string) {}
	}
	if c.Called == nil {
		c.Called = func(context.Context, string, string, string, time.Duration) {}
	}
	m := &Module{
		store: eventstore.Open(c.Database, "payment", payments, declineCounters),
		query: c.Query, log: c.Log, due: eventstore.NewWatermark(webhookSlack, webhookAgain),
		webhooks: eventstore.Retention{
			Table: "payment.webhooks", Old: "handled_at < now() - $3::interval", After: c.WebhookRetention, Pool: c.Control,
		},
		actionTTL: c.ActionTTL, guestTTL: c.GuestTTL, declines: c.Declines, attempts: &attempts{by: map[uuid.UUID]attempt{}},
		oneDecline: c.OneDecline, limited: c.Limited, arrived: make(chan struct{}, 1), resumable: make(chan uuid.UUID),
		daily: dailyTotals{query: c.Query},
	}
	m.now = m.store.Now
	m.notifying = len(c.Providers)
	for i, p := range slices.Concat(c.Providers, c.Retired) {
		guard := resilience{
			timeout: c.Timeout, maxInFlight: c.InFlight, called: c.Called, resume: m.resumable, log: c.Log, tracer: m.store.Tracer(),
		}
		if i == 0 {
			guard.rate = c.Rate
		}
		m.providers = append(m.providers, newGuardedProvider(p, guard))
	}
	return m
}

// Store returns the store of the payments.
func (m *Module) Store() *eventstore.Store { return m.store }

// Resumable receives the correlation of each deferred Charge, Undo or Refund as soon as the provider can be called again. Nobody needs to
// listen: deferred callers also try again by themselves, only later.
func (m *Module) Resumable() <-chan uuid.UUID { return m.resumable }

// Run dispatches the outbox, processes webhooks and resumes deferred callers, until ctx is done.
func (m *Module) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.store.Run(ctx) })
	g.Go(func() error { return m.process(ctx) })
	for _, p := range m.providers {
		g.Go(func() error { p.Run(ctx); return nil })
	}
	if m.webhooks.After > 0 {
		g.Go(func() error { m.webhooks.Run(ctx, m.store.Failed); return nil })
	}
	return g.Wait()
}

func (m *Module) provider(name string) (*guardedProvider, error) { return named(name, m.providers) }

// webhookProvider returns a provider that sends webhooks.
func (m *Module) webhookProvider(name string) (*guardedProvider, error) {
	return named(name, m.providers[:m.notifying])
}

func named(name string, providers []*guardedProvider) (*guardedProvider, error) {
	for _, p := range providers {
		if p.Name() == name {
			return p, nil
		}
	}
	return nil, fmt.Errorf("the payment provider %q is not configured", name)
}

// AcceptsPaymentMethod reports whether a token has the form that the provider of new payments accepts.
func (m *Module) AcceptsPaymentMethod(token string) bool {
	return m.providers[0].AcceptsPaymentMethod(token)
}
