//go:build !windows

package harness

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// What came late, and took effect all the same: a process that froze, or a message that was held up, must find the door
// shut. Each answers in sentences.
var late = map[string]string{
	"orders": follows("orders", "order.cancelled", "order.placed", "order.confirmed", "order.fulfilled"),
	// A payment that has a tombstone begins no authorization and no capture.
	"payment":   follows("payment", "payment.undo_requested", "payment.requested", "payment.capture_requested"),
	"saga":      follows("saga", "saga.ended"),
	"simulator": ledgerOutOfOrder,
}

// follows finds the events that come after last in a stream; of any kind when none is named.
func follows(schema, last string, kinds ...string) string {
	query := `select 'stream ' || e.stream || ' went on with ' || e.type || ' after its ' || l.type
		from ` + schema + `.events l join ` + schema + `.events e on e.stream = l.stream and e.version > l.version where l.type = '` + last + `'`
	if len(kinds) > 0 {
		query += ` and e.type in ('` + strings.Join(kinds, `', '`) + `')`
	}
	return query
}

// ledgerOutOfOrder: a payment is authorized once, then captured or voided once, and given back at most after a capture.
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
