// Package privacy finds, erases and exports what the modules hold about a person.
//
// Personal data lies outside the events: contacts, notes, reasons in the audit, and the bodies of webhooks. Events and states hold ids.
package privacy

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// Config is what the module needs.
type Config struct {
	Carts    Stored
	Orders   Orders
	Payments Payments
	Sagas    Sagas
	Audit    Audit
	Log      *slog.Logger
}

// Stored is a module with a store.
type Stored interface{ Store() *eventstore.Store }

// Orders is the order module.
type Orders interface {
	Stored
	ContactsOf(ctx context.Context, customers []string) ([]order.ContactRef, error)
	ContactsByEmail(ctx context.Context, address string) ([]order.ContactRef, error)
	EraseContacts(ctx context.Context, w web.Write, ids []uuid.UUID) (replayed bool, err error)
	HeldOf(ctx context.Context, customers []string) ([]order.Held, error)
	ReadContacts(ctx context.Context, ids []uuid.UUID) ([]eventstore.Document, error)
}

// Payments is the payment module.
type Payments interface {
	Stored
	// Erase deletes the bodies of the webhooks of payments, and returns their number.
	Erase(ctx context.Context, payments []uuid.UUID) (int64, error)
	// ReadPayments returns payments as their customers see them.
	ReadPayments(ctx context.Context, ids []uuid.UUID) ([]eventstore.Document, error)
}

// Sagas is the saga module.
type Sagas interface {
	Stored
	HeldOf(ctx context.Context, customers []string) ([]saga.Held, error)
}

// Audit is the audit of operators' requests.
type Audit interface {
	Stored
	// Forget erases the reasons of requests about objects, and those that mention one of the texts.
	Forget(ctx context.Context, objects, mentions []string) (int64, error)
	About(ctx context.Context, objects []string, until time.Time) ([]uuid.UUID, error)
	ReadEntries(ctx context.Context, ids []uuid.UUID) ([]eventstore.Document, error)
}

// Module erases and exports personal data.
type Module struct{ Config }

// New makes the module.
func New(c Config) *Module { return &Module{c} }

// Routes adds the routes of operators, and the export for customers.
func (m *Module) Routes(s *web.Server) {
	erasers := s.Scoped(web.ScopePrivacyErase)
	erasers.POST("/v1/admin/erasures", m.postErasure)
	s.Owned(web.ScopePrivacyErase).GET("/v1/customers/:id/export", m.exportCustomer, web.Personal, web.Paged, web.Limit(web.Searches))
	erasers.DELETE("/v1/customers/:id/contacts", m.deleteContacts)
}
