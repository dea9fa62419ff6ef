package chaos

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"shopping-cart/platform/money"
)

// Report is the result of a run.
type Report struct {
	Seed      uint64                    `json:"seed"`
	Checkouts int64                     `json:"checkouts"`
	Replicas  int                       `json:"replicas"`
	Shoppers  int                       `json:"shoppers"`
	Took      time.Duration             `json:"took_ns"` // until the last shopper had left
	Counts    map[string]map[string]int `json:"counts"`
	Money     []Money                   `json:"money"`
	Unknown   int                       `json:"refunds_of_unknown_outcome"`
	Verified  Verified                  `json:"verified"`
	Found     []string                  `json:"found"` // other findings, a sentence each
}

// Money holds the totals of one currency: captured and refunded by the provider, and owed for orders.
type Money struct {
	Captured money.Amount `json:"captured"`
	Refunded money.Amount `json:"refunded"`
	Kept     money.Amount `json:"kept"`   // captured − refunded
	Orders   money.Amount `json:"orders"` // Σ (total − refunded) of the confirmed and fulfilled ones
}

// Kept reports whether all promises were kept.
func (r *Report) Kept() bool { return r.Wrong() == 0 }

// Wrong returns the number of findings.
func (r *Report) Wrong() int { return len(r.Found) + len(r.Verified.Found) }

func (s *shop) report(took time.Duration, b books, v Verified) *Report {
	r := &Report{
		Seed: s.Seed, Checkouts: s.begun.Load(), Replicas: s.Replicas, Shoppers: s.Shoppers, Took: took,
		Counts: s.copyCounts(), Verified: v,
	}
	delete(r.Counts, soFar)
	r.Unknown = r.Counts["refunds"]["unknown outcome"]
	for _, currency := range currencies {
		m := Money{Captured: money.Of(0, currency), Refunded: money.Of(0, currency), Kept: money.Of(0, currency), Orders: money.Of(0, currency)}
		for _, a := range b.accounts {
			if a.captured.Currency == currency {
				m.Captured.Amount += a.captured.Amount
				m.Refunded.Amount += a.refunded.Amount
			}
		}
		for _, o := range b.orders {
			if o.Total.Currency == currency && (o.Status == "confirmed" || o.Status == "fulfilled") {
				m.Orders.Amount += o.Total.Amount - o.Refunded.Amount
			}
		}
		if m.Kept.Amount = m.Captured.Amount - m.Refunded.Amount; m.Kept != m.Orders {
			s.addFinding("%s captured − refunded, and %s of orders", m.Kept, m.Orders)
		}
		r.Money = append(r.Money, m)
	}
	r.Found = s.findings()
	return r
}

// soFar is counted for the progress only. The final report counts all.
const soFar = "so far"

// progress returns a line of progress.
func (s *shop) progress() string {
	counts := s.copyCounts()
	ended, faults := counts[soFar], counts[disturbances]
	line := fmt.Sprintf("%6s  %d checkouts: %d completed, %d failed, %d cancelled; %d kills, %d freezes, PostgreSQL down %d times",
		time.Since(s.started).Round(time.Second), s.begun.Load(), ended["completed"], ended["failed"], ended["cancelled"],
		faults[killed], faults[frozen]+faults[takenOver], faults[stopped]+faults[crashed])
	if n := len(s.findings()); n > 0 {
		line += fmt.Sprintf("; FOUND %d", n)
	}
	return line
}

const shown = 50

// Print writes the report for people.
func (r *Report) Print(out io.Writer) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "%d checkouts by %d shoppers at %d replicas in %s: %.0f a second\n",
		r.Checkouts, r.Shoppers, r.Replicas, r.Took.Round(time.Second), float64(r.Checkouts)/r.Took.Seconds())
	for _, what := range slices.Sorted(maps.Keys(r.Counts)) {
		counts := r.Counts[what]
		if method, ok := strings.CutPrefix(what, paidWith); ok {
			fmt.Fprintf(w, "%s%q: %s\n", paidWith, method, inOneLine(counts))
			continue
		}
		fmt.Fprintf(w, "\n%s\n", what)
		for _, how := range slices.Sorted(maps.Keys(counts)) {
			fmt.Fprintf(w, "  %8d  %s\n", counts[how], how)
		}
	}
	fmt.Fprintf(w, "\n%-4s %18s %18s %18s %18s\n", "", "captured", "refunded", "kept", "orders")
	for _, m := range r.Money {
		fmt.Fprintf(w, "%-4s %18s %18s %18s %18s\n", m.Kept.Currency, plain(m.Captured), plain(m.Refunded), plain(m.Kept), plain(m.Orders))
	}
	fmt.Fprintf(w, "refunds of unknown outcome: %d\n\nverify: %v checked, %d found\n", r.Unknown, r.Verified.Checked, len(r.Verified.Found))
	for _, what := range append(slices.Clone(r.Verified.Found), r.Found...)[:min(r.Wrong(), shown)] {
		fmt.Fprintf(w, "  WRONG: %s\n", what)
	}
	if r.Kept() {
		fmt.Fprintln(w, "Every promise is kept, and every acknowledged answer is still true.")
	} else {
		fmt.Fprintf(w, "%d were found.\n", r.Wrong())
	}
	return w.Flush()
}

const paidWith = "paid with "

func inOneLine(counts map[string]int) string {
	var parts []string
	for _, how := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", how, counts[how]))
	}
	return strings.Join(parts, ", ")
}

// plain formats an amount without its currency.
func plain(m money.Amount) string { return strings.TrimSuffix(m.String(), " "+m.Currency) }

// stopReplicas stops the replicas, requires a clean stop, and searches their logs.
func (s *shop) stopReplicas(ctx context.Context) {
	s.client.CloseIdle()
	for _, r := range s.replicas {
		if err := r.Stop(); err != nil && ctx.Err() == nil {
			s.addFinding("replica %d did not stop well: %v", r.number, err)
		}
		if line := findAlarm(r.log.Name()); line != "" {
			s.addFinding("replica %d says %q: see %s", r.number, line, r.log.Name())
		}
	}
}

// findAlarm returns the first line of a log that reports a defect of the program.
func findAlarm(file string) string {
	f, err := os.Open(file)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		for _, bad := range []string{"panic:", "fatal error:", "WARNING: DATA RACE"} {
			if strings.HasPrefix(lines.Text(), bad) || strings.Contains(lines.Text(), "panicked") {
				return lines.Text()
			}
		}
	}
	return ""
}
