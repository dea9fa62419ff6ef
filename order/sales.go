package order

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// SalesOfDay is what was confirmed on one day in one currency.
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

// projectSales adds the confirmations among events to sales_per_day. The day is that of the event, in UTC.
func projectSales(ctx context.Context, tx pgx.Tx, events []eventstore.Recorded) error {
	sums := map[salesKey]salesSum{}
	for _, e := range events {
		if e.Kind != (Confirmed{}).Kind() {
			continue
		}
		c, err := eventstore.As[Confirmed](e.Data)
		if err != nil {
			return fmt.Errorf("event %d: %w", e.Position, err)
		}
		key := salesKey{e.At.UTC().Truncate(24 * time.Hour), c.Currency}
		sums[key] = salesSum{sums[key].orders + 1, sums[key].total + c.Total}
	}
	return addSales(ctx, tx, sums)
}

func addSales(ctx context.Context, tx pgx.Tx, sums map[salesKey]salesSum) error {
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
	_, err := tx.Exec(ctx, `insert into orders.sales_per_day as s (day, currency, orders, total)
		select d, c, n, t from unnest($1::date[], $2::text[], $3::int8[], $4::int8[]) u(d, c, n, t)
		on conflict (day, currency) do update set orders = s.orders + excluded.orders, total = s.total + excluded.total`,
		days, currencies, counts, totals)
	if err != nil {
		return fmt.Errorf("add to the sales per day: %w", err)
	}
	return nil
}

// sales are the days from first to last, both included, newest first.
func (m *Module) sales(ctx context.Context, first, last time.Time) ([]SalesOfDay, error) {
	var rows []struct {
		Day      time.Time
		Currency string
		Orders   int64
		Total    int64
	}
	err := m.views.WithContext(ctx).Table("orders.sales_per_day").
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
