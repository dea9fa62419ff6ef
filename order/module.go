// Package order keeps orders, and the stock that they hold.
//
// An order is placed by a checkout, which reserves its stock; it is confirmed once it is paid, and fulfilled when the
// goods leave the house. Or it is cancelled before, and the stock is free again: by its checkout, which has taken nothing, or
// later by a saga that gives the money back first. Fulfil and cancel meet in the order's stream, and one of them wins.
//
//	          ┌─ Confirm ─► confirmed ─ fulfil ─► fulfilled                          on_hand and reserved fall
//	Place ─► pending           └────── cancel ──► cancelling ─ EndCancellation ─┐
//	reserved  └─ Cancel ────────────────────────────────────────────────────────┴─► cancelled    reserved falls
//	rises
//
// The stock of a SKU is a stream of its own with two counters, on_hand and reserved. An adjustment may take more than was free:
// then so many of those reserved are short, until they are found or an order is cancelled. The stock changes in the same command
// as the order, so it is reserved, released and fulfilled once, and reserved is always what the pending, confirmed and
// cancelling orders hold. A SKU that nobody counted is not tracked; each line remembers whether its stock was, so that counting
// a SKU later moves nothing for the orders before.
//
// A Cancel that overtakes its Place leaves a tombstone: a cancelled order that nobody sees, and that refuses the Place.
//
// The number of an order is for people: digits with a check digit (numbers.go). What is personal stands in no event:
// orders point at a contact, which can be erased (contacts.go). Sales per day follow the log (sales.go).
package order

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
	"gorm.io/gorm"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// Schema is where the module keeps its data.
const Schema = "orders"

// Config is what the module is made of.
type Config struct {
	Committer *eventstore.Committer
	Query     *pgxpool.Pool
	Control   *pgxpool.Pool // sweeps, and the folding of contacts; nil: Query
	Views     *gorm.DB
	Alone     bool // no other process uses the database
	Log       *slog.Logger

	ReceiptRetention time.Duration // 0: for good

	// CheckoutEnded reports whether a checkout does nothing more; nil: all have ended.
	CheckoutEnded func(ctx context.Context, checkout uuid.UUID) (bool, error)
	// Refunding counts the refunds of a payment in minor units, those under way included; nil: there are none.
	Refunding func(ctx context.Context, payment uuid.UUID) (int64, error)
	// Erase drops what else is kept of the people who made payments; nil: nothing is.
	Erase func(ctx context.Context, payments []uuid.UUID) error
	// DrawNumber draws the number of an order, without its check digit; nil: at random.
	DrawNumber func() int64
}

// Module is the order module.
type Module struct {
	store      *eventstore.Store
	control    *pgxpool.Pool
	views      *gorm.DB
	drawNumber func() int64
	run        eventstore.RunConfig
	log        *slog.Logger

	checkoutEnded func(ctx context.Context, checkout uuid.UUID) (bool, error)
	refunding     func(ctx context.Context, payment uuid.UUID) (int64, error)
	erase         func(ctx context.Context, payments []uuid.UUID) error
}

// New makes the module. Its store commits once the committer runs.
func New(c Config) *Module {
	store := eventstore.Open(c.Committer, c.Query, Schema, orders, stocks)
	store.AddProjection(salesReader)
	store.AddProjection(refundedReader)
	if c.CheckoutEnded == nil {
		c.CheckoutEnded = func(context.Context, uuid.UUID) (bool, error) { return true, nil }
	}
	if c.Refunding == nil {
		c.Refunding = func(context.Context, uuid.UUID) (int64, error) { return 0, nil }
	}
	if c.DrawNumber == nil {
		c.DrawNumber = drawNumber
	}
	if c.Erase == nil {
		c.Erase = func(context.Context, []uuid.UUID) error { return nil }
	}
	return &Module{
		store:      store,
		control:    cmp.Or(c.Control, c.Query),
		views:      c.Views,
		drawNumber: c.DrawNumber,
		run: eventstore.RunConfig{SingleProcess: c.Alone, Control: c.Control, ReceiptRetention: c.ReceiptRetention, Failed: func(err error) {
			c.Log.Error("the order module will try again", slog.Any("error", err))
		}},
		log: c.Log, checkoutEnded: c.CheckoutEnded, refunding: c.Refunding, erase: c.Erase,
	}
}

// Store is where its events can be subscribed to and read.
func (m *Module) Store() *eventstore.Store { return m.store }

// Routes adds what shoppers and operators may ask for.
func (m *Module) Routes(s *web.Server) {
	admin := s.Scoped(web.ScopeAdmin)
	s.Customer.GET("/v1/orders", m.listMine, web.Query("include", "refunded"), web.Dated, web.Paged)
	s.Customer.GET("/v1/orders/:id", m.show)
	s.Customer.POST("/v1/orders/:id/cancel", m.postCancel)
	admin.POST("/v1/orders/:id/fulfil", m.postFulfil)
	admin.DELETE("/v1/customers/:id/contacts", m.deleteContacts)
	admin.GET("/v1/admin/orders", m.listAll, web.Query("number", "email", "status", "refunded"), web.Dated, web.Paged)
	admin.GET("/v1/admin/sales", m.showSales, web.Query("from", "to"))
	admin.PUT("/v1/stock/:sku", m.putStock)
	admin.GET("/v1/stock/:sku", m.showStock)
	admin.GET("/v1/stock", m.listStock, web.Query("short"), web.Paged)
	admin.POST("/v1/stock/:sku/adjustments", m.postAdjustment)
}

// Run does the work of the store in the background, the readers of its log included, and folds the addresses of contacts, until
// ctx is done.
func (m *Module) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.store.Run(ctx, m.run) })
	g.Go(func() error {
		m.foldContacts(ctx, foldEvery)
		return nil
	})
	return g.Wait()
}
