package saga

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"gorm.io/gorm"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// search is what a list of sagas asks for. Zero values narrow nothing.
type search struct {
	status     Status
	kind       string
	unfinished bool
	customer   string
	number     string // of an order
	olderThan  time.Duration
	created    web.Created
}

// search returns a page of sagas, newest first.
func (m *Module) search(ctx context.Context, q search, p web.PageRequest) (web.Page[View], error) {
	if q.number != "" {
		return m.ofOrder(ctx, q)
	}
	return web.ListNewest("sagas", q.rows(m.Views.WithContext(ctx), p), p, func(ids []uuid.UUID) ([]View, int, error) {
		found, covered, err := sagas.LoadPage(ctx, m.store, ids, web.MaxPageBytes)
		return web.Map(found, operatorsViewOf), covered, err
	})
}

// ofOrder returns the checkout, the cancellation and the refunds of one order on one page.
func (m *Module) ofOrder(ctx context.Context, q search) (web.Page[View], error) {
	page := web.Page[View]{Data: []View{}}
	trail, found, err := m.Orders.FindByNumber(ctx, q.number)
	if err != nil || !found {
		return page, err
	}
	ids, err := m.Payments.RefundsOf(ctx, trail.PaymentID)
	if err != nil {
		return page, err
	}
	all, err := sagas.LoadKnown(ctx, m.store, append(ids, trail.CheckoutID, trail.CancellationID))
	if err != nil {
		return page, err
	}
	now, err := m.store.Clock(ctx)
	for _, saga := range all {
		if q.holds(saga, now) {
			page.Data = append(page.Data, operatorsViewOf(saga))
		}
	}
	slices.SortFunc(page.Data, func(a, b View) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return page, err
}

// holds reports whether a saga is among those that are asked for, as the query of newest has it.
func (q search) holds(saga eventstore.Stream[State], now time.Time) bool {
	s := saga.State
	return (q.status == "" || s.Status == q.status) && (q.kind == "" || s.Type == q.kind) && (!q.unfinished || !s.Status.Ended()) &&
		(q.customer == "" || s.CustomerID == q.customer) && now.Sub(saga.CreatedAt) >= q.olderThan &&
		q.created.Holds(saga.CreatedAt)
}

// unfinishedOnes goes by the indexes of timers and of those that need a person. It comes as an array, made once: as a condition of its
// own, the planner may read all sagas, newest first, to find a few.
const unfinishedOnes = `id = any(array(select id from saga.streams where wake_at is not null
	union all select id from saga.streams where kind = 'saga' and status = 'needs_attention'))`

// narrow adds the conditions, with one that leads to an index for each that alone leads to none: what is under way has a timer.
func (q search) narrow(query *gorm.DB) *gorm.DB {
	const unsuccessful = "status in ('failed', 'cancelled')"
	switch q.status {
	case "":
	case Running, RequiresAction, Compensating:
		query = query.Where("status = ? and wake_at is not null", string(q.status))
	case NeedsAttention:
		query = query.Where("status = 'needs_attention'")
	case Failed, Cancelled:
		query = query.Where("status = ? and "+unsuccessful, string(q.status))
	case Completed:
		query = query.Where("status = ?", string(q.status))
	}
	if q.unfinished {
		query = query.Where(unfinishedOnes)
	}
	switch q.kind {
	case "":
	case checkout.Type:
		query = query.Where("key is null")
	default:
		query = query.Where("key like ?", q.kind+"/%")
	}
	if q.customer != "" {
		query = query.Where("customer = ?", q.customer)
	}
	if q.olderThan > 0 {
		query = query.Where("created_at <= now() - ? * interval '1 second'", int64(q.olderThan/time.Second))
	}
	bounds, moments := q.created.Where("created_at")
	return query.Where(bounds, moments...)
}

// rows selects a page of sagas, newest first, and one more.
func (q search) rows(db *gorm.DB, p web.PageRequest) *gorm.DB {
	return p.Newest(q.narrow(db.Table("saga.streams").Where("kind = 'saga'")), "streams")
}

// Types are the types of sagas.
func Types() []string {
	var types []string
	for _, d := range definitions {
		types = append(types, d.Type)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// OldestUnfinished is the age of the oldest saga of a type that has not ended; zero when there is none.
func (m *Module) OldestUnfinished(kind string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var seconds float64
	if err := m.Control.QueryRow(ctx, oldest, m.timer.From(), kind).Scan(&seconds); err != nil {
		return 0, fmt.Errorf("find the oldest unfinished %s: %w", kind, err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// oldest looks at sagas that wait for something through the index of timers; those in needs_attention have no timer, and
// are few.
const oldest = `select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from (
	select created_at, key from saga.streams where wake_at >= $1
	union all select created_at, key from saga.streams where kind = 'saga' and status = 'needs_attention') unfinished
	where coalesce(split_part(key, '/', 1), 'checkout') = $2`

// Begun counts the checkouts that began in one minute and stand alike.
type Begun struct {
	Minute int64 // Unix time / 60
	Status Status
	Bucket int // of the time that completed ones took: see CountBegun
	Count  int
}

// CountBegun counts the checkouts that began in the minutes from first to last. A completed one that took t milliseconds is in the bucket
// bucketsPerDecade × log₁₀ t, rounded up.
func (m *Module) CountBegun(ctx context.Context, first, last int64, bucketsPerDecade int) ([]Begun, error) {
	return collect[Begun](ctx, m.Query, "count checkouts", begunByMinute, time.Unix(first*60, 0), time.Unix((last+1)*60, 0), bucketsPerDecade)
}

// begunByMinute counts by the index of the newest sagas. Those that are no checkouts have a key.
const begunByMinute = `select floor(extract(epoch from created_at) / 60)::int8, status,
		case when status = 'completed' then ceil(log(greatest(extract(epoch from updated_at - created_at)::numeric * 1000, 1)) * $3)::int4 else 0 end,
		count(*)
	from saga.streams where kind = 'saga' and key is null and created_at >= $1 and created_at < $2 group by 1, 2, 3`

// Unfinished counts the sagas of a type and a status that have not ended.
type Unfinished struct {
	Type             string
	Status           Status
	Count            int
	OldestAgeSeconds float64
}

// CountUnfinished counts the sagas that have not ended.
func (m *Module) CountUnfinished(ctx context.Context) ([]Unfinished, error) {
	return collect[Unfinished](ctx, m.Query, "count unfinished sagas", unfinishedNow, m.timer.From())
}

// unfinishedNow looks where [oldest] does: sagas that wait for something have a timer, those that need a person are few.
const unfinishedNow = `select coalesce(split_part(key, '/', 1), 'checkout'), status, count(*), extract(epoch from now() - min(created_at))::float8
	from (select created_at, key, status from saga.streams where wake_at >= $1
		union all select created_at, key, status from saga.streams where kind = 'saga' and status = 'needs_attention') unfinished
	group by 1, 2`

func collect[T any](ctx context.Context, pool *pgxpool.Pool, what, sql string, args ...any) ([]T, error) {
	var found []T
	rows, err := pool.Query(ctx, sql, args...)
	if err == nil {
		found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[T])
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return found, nil
}

// Held is a saga of a customer, with ids as they stand in its state. They may be empty.
type Held struct {
	ID                            uuid.UUID
	ContactID, OrderID, PaymentID string
}

// held finds sagas by the index of customers.
var held = `select id, coalesce(` + inState("checkout", "contact_id") + `, ''),
		coalesce(` + inState("checkout", "order_id") + `, ` + inState("refund", "order_id") + `, ` + inState("cancellation", "order_id") + `, ''),
		coalesce(` + inState("checkout", "payment_id") + `, ` + inState("refund", "payment_id") + `, ` + inState("cancellation", "payment_id") + `, '')
	from saga.streams where customer = any($1)`

func inState(path ...string) string { return eventstore.TextOf("state", path...) }

// HeldOf returns all sagas of customers.
func (m *Module) HeldOf(ctx context.Context, customers []string) ([]Held, error) {
	return collect[Held](ctx, m.Query, "find the sagas of customers", held, customers)
}
