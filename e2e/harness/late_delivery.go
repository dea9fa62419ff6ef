//go:build !windows

package harness

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// late finds late work that took effect: a frozen process or a delayed message must be refused. Each query returns sentences.
var late = map[string]string{
	"orders": follows("orders", "order.cancelled", "order.placed", "order.confirmed", "order.fulfilled"),
	// A payment with a tombstone begins no authorization and no capture.
	"payment":   follows("payment", "payment.undo_requested", "payment.requested", "payment.capture_requested"),
	"saga":      follows("saga", "saga.ended"),
	"simulator": ledgerOutOfOrder,
}

// follows finds events after last in a stream, of any type if none is named.
func follows(schema, last string, kinds ...string) string {
	query := `select 'stream ' || e.stream || ' went on with ' || e.type || ' after its ' || l.type
		from ` + schema + `.events l join ` + schema + `.events e on e.stream = l.stream and e.version > l.version where l.type = '` + last + `'`
	if len(kinds) > 0 {
		query += ` and e.type in ('` + strings.Join(kinds, `', '`) + `')`
	}
	return query
}

// ledgerOutOfOrder finds payments in a wrong order: a payment is authorized once, then captured or voided once, and refunded only
// after a capture.
const ledgerOutOfOrder = `select 'payment ' || reference || ' went ' || string_agg(operation, ', ' order by id) from simulator.ledger
	group by reference having string_agg(operation, ' ' order by id) !~ '^authorize( capture( refund)*| void)?$'`

func (b *Books) readLate(ctx context.Context, q Querier, schema string) error {
	rows, err := q.Query(ctx, late[schema])
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, f := range found {
		b.Faults = append(b.Faults, schema+": "+f)
	}
	return err
}
