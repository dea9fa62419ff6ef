package payment

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shopping-cart/eventstore"
)

// takings counts the amounts captured and refunded today (UTC). It follows the log and reads each event once, so that a request stays cheap
// however long the log is.
type takings struct {
	query *pgxpool.Pool

	mu                 sync.Mutex
	day                time.Time
	position           int64 // of the last counted event
	captured, refunded map[string]int64
}

// The database's clock decides the day, as it does the times of the events.
const (
	// It searches from the end, and reads no more than today's events.
	dayBegins = `select date_trunc('day', now() at time zone 'utc') at time zone 'utc', coalesce((select position from payment.events
		where at < date_trunc('day', now() at time zone 'utc') at time zone 'utc' order by position desc limit 1), 0)`
	today = `select date_trunc('day', now() at time zone 'utc') at time zone 'utc'`
	head  = `select coalesce((select position from payment.events order by position desc limit 1), 0)`
)

// counted reads amounts and currencies. A capture holds no currency and a refund no amount: both are read from the intent before them. A
// refund made elsewhere holds its own amount. Refunds that an operator recorded are left out, since the provider may report the same money
// later.
var counted = `select e.position, case when e.type = 'payment.captured' then ` + eventstore.TextOf("e.data", "amount") + `::bigint end,
		coalesce((select case when r.type = 'payment.refund_ordered' then ` + eventstore.TextOf("r.data", "amount", "amount") + `::bigint
				else ` + eventstore.TextOf("r.data", "amount") + `::bigint end
			from payment.events r where r.stream = e.stream and e.type = 'payment.refunded'
			and r.type in ('payment.refund_ordered', 'payment.refund_requested')
			and ` + eventstore.TextOf("r.data", "id") + ` = ` + eventstore.TextOf("e.data", "id") + `
			order by r.version limit 1),
		case when e.type = 'payment.refunded_elsewhere' and ` + eventstore.TextOf("e.data", "kind") + ` <> 'by_hand'
			then ` + eventstore.TextOf("e.data", "amount", "amount") + `::bigint end),
		(select ` + eventstore.TextOf("q.data", "amount", "currency") + ` from payment.events q where q.stream = e.stream
			and q.type = 'payment.requested' order by q.version limit 1)
	from payment.events e where e.position > $1 and e.position <= $2 and e.type in ('payment.captured', 'payment.refunded', 'payment.refunded_elsewhere')`

// Takings returns the minor units captured and refunded today (UTC), by currency.
func (m *Module) Takings(ctx context.Context) (captured, refunded map[string]int64, err error) {
	t := &m.takings
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.follow(ctx); err != nil {
		return nil, nil, fmt.Errorf("count the payments of today: %w", err)
	}
	return maps.Clone(t.captured), maps.Clone(t.refunded), nil
}

// follow counts the events since the last call.
func (t *takings) follow(ctx context.Context) error {
	var now time.Time
	var end int64
	if err := t.query.QueryRow(ctx, today).Scan(&now); err != nil {
		return err
	}
	if !now.Equal(t.day) {
		if err := t.query.QueryRow(ctx, dayBegins).Scan(&now, &t.position); err != nil {
			return err
		}
		t.day, t.captured, t.refunded = now, map[string]int64{}, map[string]int64{}
	}
	if err := t.query.QueryRow(ctx, head).Scan(&end); err != nil || end <= t.position {
		return err
	}
	rows, err := t.query.Query(ctx, counted, t.position, end)
	if err != nil {
		return err
	}
	captured, refunded := map[string]int64{}, map[string]int64{}
	var position int64
	var in, out *int64
	var currency *string
	if _, err = pgx.ForEachRow(rows, []any{&position, &in, &out, &currency}, func() error {
		if in != nil && currency != nil {
			captured[*currency] += *in
		}
		if out != nil && currency != nil {
			refunded[*currency] += *out
		}
		return nil
	}); err != nil {
		return err
	}
	for currency, n := range captured {
		t.captured[currency] += n
	}
	for currency, n := range refunded {
		t.refunded[currency] += n
	}
	t.position = end
	return nil
}
