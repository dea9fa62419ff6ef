// Package audit records the requests of operators: what they changed, which personal data they read, and their sign-ins.
//
// The web server records a request before it carries it out ([Module.Record]), and refuses it if it cannot be recorded. An entry is a
// stream of one event in a schema of its own. So an entry is never changed, and the hash chain of the log covers it. The events that a
// request causes have the same correlation as its entry.
package audit

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// Module is the audit.
type Module struct {
	eventstore.Database
	store *eventstore.Store
}

// New makes the module.
func New(db eventstore.Database) *Module {
	return &Module{Database: db, store: eventstore.Open(db, "audit", entries)}
}

// Store holds the entries.
func (m *Module) Store() *eventstore.Store { return m.store }

// Run does the background work of the store until ctx is done.
func (m *Module) Run(ctx context.Context) error { return m.store.Run(ctx) }

// Record writes an entry.
func (m *Module) Record(ctx context.Context, r web.Audited) error {
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	entry := Recorded{ID: id, Action: r.Action, Actor: r.Caller.Subject, Route: r.Route, Object: r.Object, RequestID: r.RequestID}
	if r.Caller.Address.IsValid() {
		entry.Address = r.Caller.Address.String()
	}
	command := eventstore.Command{
		ID: id, Named: "record", Meta: eventstore.Meta{Actor: r.Caller.Subject, Correlation: r.Correlation},
		Subject: r.Caller.Subject, Operator: r.Caller.Operator(),
	}
	_, err = entries.Handle(ctx, m.store, id, command, func(tx *eventstore.Tx, _ eventstore.Stream[Recorded]) ([]Event, error) {
		if r.Reason != "" {
			tx.Exec(`insert into audit.reasons (entry, object, text) values ($1, $2, $3)`, id, r.Object, r.Reason)
		}
		return []Event{entry}, nil
	})
	if err != nil {
		return fmt.Errorf("record the request of an operator: %w", err)
	}
	return nil
}

// Forget erases the reasons of the entries about objects, and those that match one of the regular expressions in lower case.
func (m *Module) Forget(ctx context.Context, objects, mentions []string) (erased int64, err error) {
	tag, err := m.Control.Exec(ctx, `delete from audit.reasons where object = any($1)
		or exists (select from unnest($2::text[]) mention where lower(text) ~ mention)`, objects, mentions)
	if err != nil {
		return 0, fmt.Errorf("erase reasons from the audit: %w", err)
	}
	return tag.RowsAffected(), nil
}

// About returns the ids of the entries about objects until a time. The index of objects finds the keys that begin with one of them.
func (m *Module) About(ctx context.Context, objects []string, until time.Time) ([]uuid.UUID, error) {
	rows, _ := m.Query.Query(ctx, `select s.id from unnest($1::text[]) o(object) join audit.streams s
		on s.kind = 'audit' and s.key ~>=~ (object || '/') and s.key ~<~ (object || '0') and s.created_at <= $2`, objects, until) // '0' follows '/'
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("find the entries about %d objects: %w", len(objects), err)
	}
	return ids, nil
}

// documents selects the action, the route, the object and the reason of entries. It leaves out the actor.
var documents = `select s.id, s.created_at, s.updated_at, json_build_object('action', ` + eventstore.TextOf("s.state", "action") + `,
		'route', ` + eventstore.TextOf("s.state", "route") + `, 'object', ` + eventstore.TextOf("s.state", "object") + `, 'reason', r.text)
	from @.streams s left join @.reasons r on r.entry = s.id where s.id = any($1)`

// ReadEntries returns entries as {action, route, object, reason}.
func (m *Module) ReadEntries(ctx context.Context, ids []uuid.UUID) ([]eventstore.Document, error) {
	return m.store.Documents(ctx, documents, ids)
}
