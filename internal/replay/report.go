package replay

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"shopping-cart/internal/stats"
	"shopping-cart/platform/money"
)

// report is the result of a replay.
type report struct {
	file   string
	phases [3]time.Duration // making the products, playing, reading back

	book    *Invoices
	orders  int             // confirmed orders of this run in the server's lists
	owed    int64           // pence: Σ (total − refunded) of those
	charged int64           // pence: Σ (captured − refunded) in the ledger
	took    []time.Duration // of successful checkouts, shortest first
	wrong   []string        // differences from the file, a sentence each
}

// compare compares the played baskets and the server's orders with the file.
func compare(book *Invoices, all []played, there []found) *report {
	r := &report{book: book}
	orders := make(map[string]found, len(there))
	for _, f := range there {
		orders[f.order] = f
		r.owed += f.owed
		r.charged += f.charged
		if f.status == "confirmed" || f.status == "fulfilled" {
			r.orders++
		}
	}
	for i, p := range all {
		b := book.Baskets[i]
		if p.err != nil {
			r.addDifference(b, p.err.Error())
			continue
		}
		r.took = append(r.took, p.took)
		f, listed := orders[p.order]
		delete(orders, p.order)
		switch {
		case !listed:
			r.addDifference(b, "the order "+p.order+" is not among those of its customer")
		case f.owed != b.total || f.charged != b.total:
			r.addDifference(b, fmt.Sprintf("%s in the file, %s in the order %s (%s), %s in the ledger", amount(b.total), amount(f.owed), f.order, f.status, amount(f.charged)))
		}
	}
	for _, f := range orders {
		if f.owed != 0 || f.charged != 0 {
			r.wrong = append(r.wrong, fmt.Sprintf("the order %s of %s, charged %s, was not requested", f.order, amount(f.owed), amount(f.charged)))
		}
	}
	slices.Sort(r.took)
	return r
}

func (r *report) addDifference(b basket, what string) {
	r.wrong = append(r.wrong, "invoice "+b.invoice+": "+what)
}

// agrees reports whether every invoice has its order and its charge, and the three totals are equal.
func (r *report) agrees() bool {
	return len(r.wrong) == 0 && r.orders == len(r.book.Baskets) && r.owed == r.book.total && r.charged == r.book.total
}

const wrongShown = 10

func (r *report) print(out io.Writer) error {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(format string, values ...any) { fmt.Fprintf(w, format+"\n", values...) }
	row("%s", r.file)
	row("  invoices\t%s", count(r.book.read))
	row("    sales\t%s", count(r.book.sales))
	row("    cancellations\t%s", count(r.book.cancelled))
	row("    nothing to sell\t%s", count(r.book.read-r.book.sales-r.book.cancelled))
	row("  lines\t%s", count(r.book.lines))
	row("    sold\t%s", count(r.book.sold))
	row("    left out\t%s", count(r.book.lines-r.book.sold))
	for _, why := range reasons(r.book.leftOut) {
		row("      %s\t%s", why, count(r.book.leftOut[why]))
	}
	row("  products\t%s", count(len(r.book.Products)))
	row("  orders\t%s", count(r.orders))
	if split := len(r.book.Baskets) - r.book.sales; split > 0 {
		row("    of sales too large for one cart\t%s more", count(split))
	}
	row("")
	row("  products made in\t%s", short(r.phases[0]))
	row("  baskets played in\t%s", short(r.phases[1]))
	row("  orders read back in\t%s", short(r.phases[2]))
	row("  checkout\tp50 %s, p95 %s, p99 %s", short(stats.Percentile(r.took, 50)), short(stats.Percentile(r.took, 95)), short(stats.Percentile(r.took, 99)))
	row("")
	row("  total of the file\t%s", amount(r.book.total))
	row("  confirmed orders\t%s", amount(r.owed))
	row("  ledger\t%s", amount(r.charged))
	row("")
	row("%s", r.verdict())
	for _, what := range r.wrong[:min(len(r.wrong), wrongShown)] {
		row("  %s", what)
	}
	if more := len(r.wrong) - wrongShown; more > 0 {
		row("  and %s more", count(more))
	}
	_ = w.Flush() // a strings.Builder does not fail
	_, err := io.WriteString(out, text.String())
	return err
}

func (r *report) verdict() string {
	if r.agrees() {
		return "The file, the orders and the ledger agree to the penny."
	}
	return fmt.Sprintf("The file, the orders and the ledger do NOT agree: %s wrong.", count(len(r.wrong)))
}

// reasons returns the reasons that occurred, the most frequent first.
func reasons(leftOut map[reason]int) []reason {
	var all []reason
	for why := range leftOut {
		all = append(all, why)
	}
	slices.SortFunc(all, func(a, b reason) int { return cmp.Or(cmp.Compare(leftOut[b], leftOut[a]), cmp.Compare(a, b)) })
	return all
}

func short(d time.Duration) time.Duration {
	if d < 10*time.Second {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(100 * time.Millisecond)
}

// amount formats pence for people: "823,746.14 GBP".
func amount(pence int64) string { return money.Grouped(money.Of(pence, TradeCurrency).String()) }

func count(n int) string { return money.Grouped(strconv.Itoa(n)) }
