package replay

import (
	"encoding/json"
	"io"
	"time"

	"shopping-cart/internal/stats"
)

// machineReport is a report for machines. Money is pence, times are seconds.
type machineReport struct {
	File      string             `json:"file"`
	Agrees    bool               `json:"agrees"`
	Wrong     []string           `json:"wrong"`
	Invoices  int                `json:"invoices"`
	Sales     int                `json:"sales"`
	Cancelled int                `json:"cancellations"`
	Lines     int                `json:"lines"`
	Sold      int                `json:"lines_sold"`
	LeftOut   map[reason]int     `json:"lines_left_out"`
	Products  int                `json:"products"`
	Orders    int                `json:"orders"`
	Total     int64              `json:"total"`
	Owed      int64              `json:"confirmed_orders"`
	Charged   int64              `json:"ledger"`
	Seconds   map[string]float64 `json:"seconds"`
}

func (r *report) encode(out io.Writer) error {
	m := machineReport{
		File: r.file, Agrees: r.agrees(), Wrong: append([]string{}, r.wrong...), Invoices: r.book.read, Sales: r.book.sales,
		Cancelled: r.book.cancelled, Lines: r.book.lines, Sold: r.book.sold, LeftOut: r.book.leftOut, Products: len(r.book.Products),
		Orders: r.orders, Total: r.book.total, Owed: r.owed, Charged: r.charged, Seconds: map[string]float64{},
	}
	for name, took := range map[string]time.Duration{
		"products": r.phases[0], "baskets": r.phases[1], "reading_back": r.phases[2],
		"checkout_p50": stats.Percentile(r.took, 50), "checkout_p95": stats.Percentile(r.took, 95), "checkout_p99": stats.Percentile(r.took, 99),
	} {
		m.Seconds[name] = took.Seconds()
	}
	return json.NewEncoder(out).Encode(m)
}
