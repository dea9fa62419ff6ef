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

// dailyTotals sums the amounts captured and refunded today (UTC). It reads each event once, so that a request stays cheap however long the
// log is.
type dailyTotals struct {
	query *pgxpool.Pool

	mu                 sync.Mutex
	day                time.Time
	position           int64 // of the last event
	captured, refunded map[string]int64
}

// The database's clock decides the day, as it does the times of the events.
const (
	todayAndEnd = `select date_trunc('day', now() at time zone 'utc') at time zone 'utc',
		coalesce((select position from payment.events order by position desc limit 1), 0)`
	// It searches from the end, and reads no more than today's events.
	startOfDay = `select date_trunc('day', now() at time zone 'utc') at time zone 'utc', coalesce((select position from payment.events
		where at < date_trunc('day', now() at time zone 'utc') at time zone 'utc' order by position desc limit 1), 0)`
)

// newAmount is the amount of an event that captured or refunded money.
type newAmount struct {
	Captured, Refunded *int64
	Currency           *string
}

// newAmounts reads amounts and currencies. A capture holds no currency and a refund no amount: both are read from the intent before them. A
// refund made elsewhere holds its own amount. Refunds that an operator recorded are left out, since the provider may report the same money
// later.
var newAmounts = `select case when e.type = 'payment.captured' then ` + eventstore.TextOf("e.data", "amount") + `::bigint end,
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

// DailyTotals returns the minor units captured and refunded today (UTC), by currency.
func (m *Module) DailyTotals(ctx context.Context) (captured, refunded map[string]int64, err error) {
	t := &m.daily
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.update(ctx); err != nil {
		return nil, nil, fmt.Errorf("sum the payments of today: %w", err)
	}
	return maps.Clone(t.captured), maps.Clone(t.refunded), nil
}

// update adds the events since the last call.
func (t *dailyTotals) update(ctx context.Context) error {
	var day time.Time
	var end int64
	if err := t.query.QueryRow(ctx, todayAndEnd).Scan(&day, &end); err != nil {
		return err
	}
	if !day.Equal(t.day) {
		if err := t.query.QueryRow(ctx, startOfDay).Scan(&t.day, &t.position); err != nil {
			return err
		}
		t.captured, t.refunded = map[string]int64{}, map[string]int64{}
	}
	if end <= t.position {
		return nil
	}
	rows, err := t.query.Query(ctx, newAmounts, t.position, end)
	if err != nil {
		return err
	}
	amounts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[newAmount])
	if err != nil {
		return err
	}
	for _, a := range amounts {
		switch {
		case a.Currency == nil:
		case a.Captured != nil:
			t.captured[*a.Currency] += *a.Captured
		case a.Refunded != nil:
			t.refunded[*a.Currency] += *a.Refunded
		}
	}
	t.position = end
	return nil
}
