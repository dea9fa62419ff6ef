package replay

import (
	"encoding/json"
	"io"
	"time"

	"shopping-cart/internal/stats"
)

// encode writes the report as JSON. Money is pence, times are seconds.
func (r *report) encode(out io.Writer) error {
	seconds := map[string]float64{}
	for name, took := range map[string]time.Duration{
		"products": r.phases[0], "baskets": r.phases[1], "reading_back": r.phases[2],
		"checkout_p50": stats.Percentile(r.took, 50), "checkout_p95": stats.Percentile(r.took, 95), "checkout_p99": stats.Percentile(r.took, 99),
	} {
		seconds[name] = took.Seconds()
	}
	return json.NewEncoder(out).Encode(map[string]any{
		"file": r.file, "agrees": r.agrees(), "wrong": append([]string{}, r.wrong...), "seconds": seconds,
		"invoices": r.book.read, "sales": r.book.sales, "cancellations": r.book.cancelled, "products": len(r.book.Products), "orders": r.orders,
		"lines": r.book.lines, "lines_sold": r.book.sold, "lines_left_out": r.book.leftOut,
		"total": r.book.total, "confirmed_orders": r.owed, "ledger": r.charged,
	})
}
