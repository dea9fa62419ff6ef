// Package admin serves the operators' API across the modules: events and streams ([Module.listEvents]), subscriptions and parked
// messages, the overview, and the timeline of an order.
//
// Each module may have a database of its own, so no query spans two of them. [AskEach] asks the modules side by side. The answer names a
// module that does not answer, and omits its data.
package admin

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// Config is what the module needs.
type Config struct {
	Stores   []Store // of all modules, by name
	Orders   Orders
	Payments Payments
	Sagas    *saga.Module
	Tokens   Tokens
	Log      *slog.Logger
	Warnings []string // about the settings, in the overview
}

// Orders is the order module.
type Orders interface {
	References(ctx context.Context, caller web.Caller, id uuid.UUID) (order.References, error)
}

// Payments is the payment module.
type Payments interface {
	Records() eventstore.Query[payment.Record]
	// DailyTotals returns the amounts captured and refunded today, by currency.
	DailyTotals(ctx context.Context) (captured, refunded map[string]int64, err error)
	WebhooksOf(ctx context.Context, paymentID uuid.UUID, last payment.ReceivedWebhook, limit int) ([]payment.ReceivedWebhook, error)
}

// Tokens revokes tokens.
type Tokens interface {
	Revoke(ctx context.Context, tokenOrID, by string) (id string, until time.Time, err error)
}

// Module serves the operators' API across modules.
type Module struct {
	Config
	overviews overview
}

// New makes the module.
func New(c Config) *Module {
	return &Module{Config: c, overviews: overview{minutes: minutes{sagas: c.Sagas}}}
}

// Routes adds the routes of operators, and the timeline of an order.
func (m *Module) Routes(s *web.Server) {
	events, operators := s.Scoped(web.ScopeEventsRead), s.Scoped(web.ScopeSagasOperate)
	s.Owned(web.ScopeOrdersRead).GET("/v1/orders/:id/timeline", m.showTimeline, web.Paged)
	s.Scoped(web.ScopeOrdersRead, web.ScopeSagasOperate).GET("/v1/admin/overview", m.showOverview)
	events.GET("/v1/admin/events", m.listEvents, web.Query("module", "stream", "type"), web.Logged, web.Costly)
	events.GET("/v1/admin/streams/:module/:id", m.showStream, web.Logged, web.Costly)
	operators.GET("/v1/admin/subscriptions", m.listSubscriptions)
	operators.GET("/v1/admin/parked", m.listParked, web.Query("module", "reader"), web.Paged)
	operators.POST("/v1/admin/parked/:id/replay", m.replayParked)
	operators.POST("/v1/admin/parked/:id/discard", m.discardParked)
	operators.POST("/v1/admin/projections/:name/rebuild", m.rebuildProjection)
	s.Scoped(web.ScopeAdmin).POST("/v1/admin/tokens/revoke", m.revokeToken)
}

// store returns the store of a module.
func (m *Module) store(module string) (of Store, known bool) {
	i := slices.IndexFunc(m.Stores, func(s Store) bool { return s.Name == module })
	if i < 0 {
		return Store{}, false
	}
	return m.Stores[i], true
}
