// Package reconcile checks all invariants over all data, against the seals of the logs, and against the providers' ledgers. It repairs the
// certain cases by the commands that checkouts use.
package reconcile

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"shopping-cart/admin"
	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// Config is what the module needs.
type Config struct {
	Sources
	Signer     Signer // of the heads of the logs
	Log        *slog.Logger
	MinAge     time.Duration // more recent changes are not checked; 1 minute by default
	TimeBudget time.Duration // for the passes of one answer; 20 seconds by default
}

// Sources are the modules whose data is compared.
type Sources struct {
	Stores   []admin.Store // of all modules
	Carts    Carts
	Orders   Orders
	Payments Payments
	Sagas    *saga.Module
}

// Carts is the cart module.
type Carts interface {
	Records() eventstore.Query[cart.Record]
	Handle(ctx context.Context, id, correlation uuid.UUID, cmd cart.Command) error
}

// Orders is the order module.
type Orders interface {
	Records() eventstore.Query[order.Record]
	StockLevels(ctx context.Context, each func(order.StockLevel)) error
	HolderLevels(ctx context.Context, each func(order.HolderLevel)) error
	Handle(ctx context.Context, id, correlation uuid.UUID, cmd order.Command) error
}

// Payments is the payment module, with the ledgers of the providers.
type Payments interface {
	Records() eventstore.Query[payment.Record]
	Balances(ctx context.Context, of []payment.Record) (map[uuid.UUID]payment.Balance, error)
	LedgerPage(ctx context.Context, after string, limit int) (found []payment.Balance, next string, err error)
	Undo(ctx context.Context, correlation uuid.UUID, u payment.Undo) (payment.Outcome, error)
	Refund(ctx context.Context, correlation uuid.UUID, r payment.Refund) (payment.Outcome, error)
	Observe(ctx context.Context, correlation uuid.UUID, o payment.Observe) error
	// RefundUnknown refunds what a provider captured for a payment that nobody here asked for.
	RefundUnknown(ctx context.Context, payment uuid.UUID, by string) error
}

// Module checks all invariants.
type Module struct{ Config }

// New makes the module.
func New(c Config) *Module {
	if c.MinAge == 0 {
		c.MinAge = time.Minute
	}
	if c.TimeBudget == 0 {
		c.TimeBudget = 20 * time.Second
	}
	return &Module{c}
}

// Routes adds the routes of the reconciliation.
func (m *Module) Routes(s *web.Server) {
	readers, admin := s.Scoped(web.ScopeSagasOperate), s.Scoped(web.ScopeAdmin)
	readers.GET("/v1/admin/reconciliation", m.showReconciliation, web.Query("cursor"))
	admin.POST("/v1/admin/reconciliation", m.repairReconciliation, web.Query("cursor", "refund_lost"))
	readers.GET("/v1/admin/log-heads", m.showLogHeads)
	readers.POST("/v1/admin/log-heads", m.checkLogHeads)
}
