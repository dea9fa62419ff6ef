// Package order keeps orders and the stock that they hold.
//
// A checkout places an order, which reserves stock. The order is confirmed when it is paid, and fulfilled when the goods are
// shipped. Before its shipment it can be cancelled, and its stock is released. A checkout cancels an order when it has taken no
// money. Later a saga refunds the money first. Fulfil and cancel change the same stream, so one of them wins.
//
//	          ┌─ Confirm ─► confirmed ─ fulfil ─► fulfilled                          on_hand and reserved fall
//	Place ─► pending           └────── cancel ──► cancelling ─ EndCancellation ─┐
//	reserved  └─ Cancel ────────────────────────────────────────────────────────┴─► cancelled    reserved falls
//	rises
//
// The stock of each SKU is a stream with two counters, on_hand and reserved. An adjustment may remove more than the free units.
// The missing reserved units are then short, until they are found or an order is cancelled. One command changes the stock and the
// order, so stock is reserved, released and fulfilled once. reserved always equals the units that the pending, confirmed and
// cancelling orders hold. A SKU without a count is not tracked. Each line records whether its stock was tracked, so the first
// count of a SKU does not affect older orders.
//
// A Cancel that overtakes its Place leaves a tombstone: an invisible cancelled order that refuses the Place.
//
// An order whose payment does not end at once is entered at its holders, which bounds what one customer or address may hold (holders.go).
//
// The number of an order is for people: digits with a check digit (numbers.go). No event holds personal data: orders refer to a
// contact, which can be erased (contacts.go). Sales per day follow the log (sales.go).
package order

import (
	"context"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// Schema is the database schema of the module.
const Schema = "orders"

// Config holds the settings and dependencies of the module.
type Config struct {
	eventstore.Database
	Payments         Payments
	ContactRetention time.Duration // of contacts; 0: until their erasure
	// DrawNumber draws the number of an order, without its check digit; nil: at random.
	DrawNumber func() int64
	Limits     Limits
	Limited    func(what, by string) // counts refusals because of Limits; nil: not counted
}

// Payments is the payment module.
type Payments interface {
	// Refunding returns the sum of the refunds of a payment in minor units, with those in progress.
	Refunding(ctx context.Context, payment uuid.UUID) (int64, error)
}

// Module is the order module.
type Module struct {
	Config
	store *eventstore.Store
}

// New makes the module. Its store commits once the committer runs.
func New(c Config) *Module {
	store := eventstore.Open(c.Database, Schema, orders, stocks, holders)
	store.AddProjection(salesProjection)
	store.AddProjection(refundedProjection)
	if c.Limited == nil {
		c.Limited = func(string, string) {}
	}
	if c.DrawNumber == nil {
		c.DrawNumber = drawNumber
	}
	return &Module{Config: c, store: store}
}

// Store returns the store of orders and stock.
func (m *Module) Store() *eventstore.Store { return m.store }

// Routes adds the routes of shoppers and operators.
func (m *Module) Routes(s *web.Server) {
	reads, counts, changes := s.Scoped(web.ScopeOrdersRead), s.Scoped(web.ScopeStockWrite, web.ScopeOrdersRead), s.Scoped(web.ScopeStockWrite)
	s.Customer.GET("/v1/orders", m.listMine, web.Personal, web.Query("include", "refunded"), web.Dated, web.Paged)
	s.Owned(web.ScopeOrdersRead).GET("/v1/orders/:id", m.show, web.Personal)
	s.Scoped(web.ScopeOrdersFulfil).POST("/v1/orders/:id/fulfil", m.postFulfil)
	reads.GET("/v1/admin/orders", m.listAll, web.Personal, web.Query("number", "email", "status", "refunded"), web.Dated, web.Paged, web.Costly)
	reads.GET("/v1/admin/sales", m.showSales, web.Query("from", "to"))
	counts.GET("/v1/stock/:sku", m.showStock)
	counts.GET("/v1/stock", m.listStock, web.Query("short"), web.Paged)
	changes.PUT("/v1/stock/:sku", m.putStock)
	changes.POST("/v1/stock/:sku/adjustments", m.postAdjustment)
}

// Run runs the store's background work and projections, folds the addresses of contacts and deletes old ones until ctx is done.
func (m *Module) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.store.Run(ctx) })
	g.Go(func() error {
		m.foldContacts(ctx, foldEvery)
		return nil
	})
	if m.ContactRetention > 0 {
		g.Go(func() error {
			eventstore.Retention{Table: "orders.contacts", Old: oldContact, After: m.ContactRetention, Pool: m.Control}.Run(ctx, m.store.Failed)
			return nil
		})
	}
	return g.Wait()
}
