package order

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"shopping-cart/eventstore"
)

// refundedPart is the refunded part of an order.
type refundedPart string

const (
	refundedNone   refundedPart = "none"
	refundedPartly refundedPart = "part"
	refundedFully  refundedPart = "full"
)

// refundedProjection maintains refunded_orders, a row for each order with a refund, so that lists find these few. With an index on
// the state, every change of an order would update all its indexes.
var refundedProjection = eventstore.Projection{Name: "refunded_orders", Project: projectRefunded, Truncate: truncate("refunded_orders", "id")}

// refundedNow selects the live generation of refunded_orders. It belongs in the query that reads the rows.
const refundedNow = "r.generation = (select generation from orders.subscriptions where name = 'refunded_orders')"

var (
	refundedOf = eventstore.TextOf("state", "refunded") + "::int8"
	totalOf    = eventstore.TextOf("state", "total") + "::int8"
)

// projectRefunded copies the refunded amount from the state of each order that the events may have refunded. The state is at
// least as new as the event, so a repeated copy is correct too.
func projectRefunded(ctx context.Context, tx pgx.Tx, generation int, events []eventstore.Recorded) error {
	var touched []uuid.UUID
	for _, e := range events {
		if e.Type == eventstore.TypeOf(Refunded{}) || e.Type == eventstore.TypeOf(Cancelled{}) {
			touched = append(touched, e.Stream)
		}
	}
	if len(touched) == 0 {
		return nil
	}
	slices.SortFunc(touched, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	_, err := tx.Exec(ctx, `insert into orders.refunded_orders as r (generation, id, created_at, whole)
		select $1, id, created_at, `+refundedOf+` >= `+totalOf+` from orders.streams
		where id = any($2) and kind = 'order' and customer is not null and `+refundedOf+` > 0
		on conflict (generation, id) do update set whole = excluded.whole where r.whole <> excluded.whole`,
		generation, slices.Compact(touched))
	if err != nil {
		return fmt.Errorf("record refunded orders: %w", err)
	}
	return nil
}

// truncate returns a function that deletes up to limit rows of a generation of a table. key names the rest of its primary key.
func truncate(table, key string) func(ctx context.Context, tx pgx.Tx, generation, limit int) (int64, error) {
	sql := fmt.Sprintf(`delete from orders.%[1]s where (generation, %[2]s) in (select generation, %[2]s from orders.%[1]s where generation = $1 limit $2)`, table, key)
	return func(ctx context.Context, tx pgx.Tx, generation, limit int) (int64, error) {
		tag, err := tx.Exec(ctx, sql, generation, limit)
		if err != nil {
			return 0, fmt.Errorf("truncate generation %d of %s: %w", generation, table, err)
		}
		return tag.RowsAffected(), nil
	}
}

// narrow keeps the orders of o with this refunded part. It reads those with a refund by way of r.
func (p refundedPart) narrow(db *gorm.DB) *gorm.DB {
	switch p {
	case refundedNone:
		return db.Where("not exists (select from orders.refunded_orders r where r.id = o.id and " + refundedNow + ")")
	case refundedPartly, refundedFully:
		return db.Joins("join orders.refunded_orders r on r.id = o.id and "+refundedNow).Where("r.whole = ?", p == refundedFully)
	}
	return db
}

// ordered returns the table whose index has the order of the list.
func (p refundedPart) ordered() string {
	if p == refundedPartly || p == refundedFully {
		return "r"
	}
	return "o"
}
