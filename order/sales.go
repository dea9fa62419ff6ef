package order

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// SalesOfDay is the sum of the orders confirmed on one day in one currency.
type SalesOfDay struct {
	Day    string       `json:"day" example:"2026-01-31" format:"date"` // UTC
	Orders int64        `json:"orders" example:"12"`
	Total  money.Amount `json:"total"`
}

type salesKey struct {
	day      time.Time
	currency string
}

type salesSum struct{ orders, total int64 }

// salesProjection maintains daily_sales. Queries read the generation that salesNow selects.
var salesProjection = eventstore.Projection{Name: "daily_sales", Project: projectSales, Truncate: truncate("daily_sales", "day, currency")}

// salesNow belongs in the query that reads the rows, since a rebuild may swap the generation between two queries.
const salesNow = "generation = (select generation from orders.subscriptions where name = 'daily_sales')"

// projectSales adds the confirmations among events to a generation of daily_sales. The day is the event's day in UTC.
func projectSales(ctx context.Context, tx pgx.Tx, generation int, events []eventstore.Recorded) error {
	sums := map[salesKey]salesSum{}
	for _, e := range events {
		if e.Type != eventstore.TypeOf(Confirmed{}) {
			continue
		}
		event, err := orders.Event(e)
		if err != nil {
			return fmt.Errorf("event %d: %w", e.Position, err)
		}
		c, ok := event.(Confirmed)
		if !ok {
			return fmt.Errorf("event %d decodes as %T", e.Position, event)
		}
		key := salesKey{e.At.UTC().Truncate(24 * time.Hour), c.Currency}
		sums[key] = salesSum{sums[key].orders + 1, sums[key].total + c.Total}
	}
	return addSales(ctx, tx, generation, sums)
}

func addSales(ctx context.Context, tx pgx.Tx, generation int, sums map[salesKey]salesSum) error {
	if len(sums) == 0 {
		return nil
	}
	var days []time.Time
	var currencies []string
	var counts, totals []int64
	for k, s := range sums {
		days, currencies = append(days, k.day), append(currencies, k.currency)
		counts, totals = append(counts, s.orders), append(totals, s.total)
	}
	_, err := tx.Exec(ctx, `insert into orders.daily_sales as s (generation, day, currency, orders, total)
		select $1, d, c, n, t from unnest($2::date[], $3::text[], $4::int8[], $5::int8[]) u(d, c, n, t)
		on conflict (generation, day, currency) do update set orders = s.orders + excluded.orders, total = s.total + excluded.total`,
		generation, days, currencies, counts, totals)
	if err != nil {
		return fmt.Errorf("add to the sales per day: %w", err)
	}
	return nil
}

// sales returns the days from first to last, both included, newest first.
func (m *Module) sales(ctx context.Context, first, last time.Time) ([]SalesOfDay, error) {
	var rows []struct {
		Day      time.Time
		Currency string
		Orders   int64
		Total    int64
	}
	err := m.Views.WithContext(ctx).Table("orders.daily_sales").Where(salesNow).
		Where("day between ? and ?", first.Format(time.DateOnly), last.Format(time.DateOnly)).
		Order("day desc, currency").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("read the sales per day: %w", err)
	}
	days := make([]SalesOfDay, len(rows))
	for i, r := range rows {
		days[i] = SalesOfDay{Day: r.Day.Format(time.DateOnly), Orders: r.Orders, Total: money.Of(r.Total, r.Currency)}
	}
	return days, nil
}
