package cart

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// Status is the stage of a cart's life.
type Status string

// Only an open cart can be edited.
const (
	StatusOpen        Status = "open"
	StatusCheckingOut Status = "checking_out" // sealed until its checkout ends
	StatusCheckedOut  Status = "checked_out"  // became an order
	StatusMerged      Status = "merged"       // its lines moved to another cart
	StatusAbandoned   Status = "abandoned"
)

// State is the fold of a cart's events.
type State struct {
	CustomerID  string       `json:"customer_id"`
	Currency    string       `json:"currency"`
	Status      Status       `json:"status"`
	Lines       []Line       `json:"lines,omitempty"` // in the order of their addition; one for each SKU
	Adjustments []Adjustment `json:"adjustments,omitempty"`
	Basis       string       `json:"basis,omitempty"` // of the lines that Adjustments were set for; empty without adjustments
	Attempt     int          `json:"attempt"`         // checkouts begun so far
	CheckoutID  uuid.UUID    `json:"checkout_id"`     // of the running or successful checkout; zero for none
	MergedInto  uuid.UUID    `json:"merged_into"`     // the target of the merge

	Failures int       `json:"failures,omitempty"` // payments that failed so far
	FailedAt time.Time `json:"failed_at,omitzero"` // the last of them
}

// Total returns the displayed total in minor units: lines and adjustments, never below 0. A cart with a sum below 0 cannot be
// sealed.
func (s State) Total() int64 { return max(0, s.sum()) }

// sum returns lines and adjustments in minor units. It can be below 0 only while the adjustments are stale.
func (s State) sum() int64 { return linesTotal(s.Lines) + adjustmentsTotal(s.Adjustments) }

// Total returns the price of a line in minor units.
func (l Line) Total() int64 { return l.UnitPrice * l.Quantity }

func linesTotal(lines []Line) (sum int64) {
	for _, l := range lines {
		sum += l.Total()
	}
	return sum
}

// adjustmentsTotal cannot overflow: MaxAdjustments times the largest amount is below 2⁶⁰.
func adjustmentsTotal(adjustments []Adjustment) (sum int64) {
	for _, a := range adjustments {
		sum += a.Amount
	}
	return sum
}

// line returns the index of a SKU among the lines, or -1.
func (s State) line(sku string) int {
	return slices.IndexFunc(s.Lines, func(l Line) bool { return l.SKU == sku })
}

func (s State) skus() []string { return web.Map(s.Lines, func(l Line) string { return l.SKU }) }

// carts binds the streams of carts to their types.
var carts = &eventstore.Aggregate[State, Event]{
	Kind: "cart", StateVersion: 3, Types: eventTypes, Evolve: evolve, Index: index,
	Upcasts: map[string][]eventstore.Upcaster{
		"cart.merged_in":   {eventstore.FieldsAdded}, // Adjustments
		"cart.checked_out": {eventstore.FieldsAdded}, // Source, Guest
		"cart.reopened":    {eventstore.FieldsAdded}, // FailedAt
	},
}

func index(s State, touched time.Time) eventstore.Index {
	i := eventstore.Index{Customer: s.CustomerID, Status: string(s.Status)}
	if s.Status == StatusOpen {
		i.WakeAt = eventstore.ExpiryAt(touched)
	}
	return i
}

func evolve(s State, e Event) State {
	switch e := e.(type) {
	case Created:
		s.CustomerID, s.Currency, s.Status = e.CustomerID, e.Currency, StatusOpen
	case ItemAdded:
		s.Lines = withAdded(s.Lines, e.Line)
	case QuantityChanged:
		s.Lines = withQuantity(s.Lines, e.SKU, e.Quantity)
	case ItemRemoved:
		s.Lines = slices.DeleteFunc(slices.Clone(s.Lines), func(l Line) bool { return l.SKU == e.SKU })
	case ItemsCleared:
		s.Lines = nil
	case Repriced:
		s.Lines = withPrices(s.Lines, e.Prices)
	case AdjustmentsSet:
		s.Adjustments, s.Basis = slices.Clone(e.Adjustments), ""
		if len(e.Adjustments) > 0 {
			s.Basis = basisOf(s.Currency, s.Lines)
		}
	case CheckedOut:
		s.Status, s.Attempt, s.CheckoutID = StatusCheckingOut, e.Attempt, e.CheckoutID
	case Reopened:
		s.Status, s.CheckoutID = StatusOpen, uuid.Nil
		if !e.FailedAt.IsZero() {
			s.Failures, s.FailedAt = s.Failures+1, e.FailedAt
		}
	case Completed:
		s.Status = StatusCheckedOut
	case MergedIn:
		for _, l := range e.Lines {
			s.Lines = withAdded(s.Lines, l)
		}
		if len(e.Adjustments) > 0 {
			s.Adjustments, s.Basis = slices.Concat(s.Adjustments, e.Adjustments), basisMerged
		}
	case MergedAway:
		s.Status, s.MergedInto = StatusMerged, e.TargetCartID
	case Abandoned:
		s.Status = StatusAbandoned
	}
	return s
}

func withAdded(lines []Line, added Line) []Line {
	lines = slices.Clone(lines)
	if i := slices.IndexFunc(lines, func(l Line) bool { return l.SKU == added.SKU }); i >= 0 {
		lines[i].Quantity += added.Quantity
		return lines
	}
	return append(lines, added)
}

func withQuantity(lines []Line, sku string, quantity int64) []Line {
	lines = slices.Clone(lines)
	for i := range lines {
		if lines[i].SKU == sku {
			lines[i].Quantity = quantity
		}
	}
	return lines
}

func withPrices(lines []Line, prices []PriceChange) []Line {
	now := make(map[string]int64, len(prices))
	for _, p := range prices {
		now[p.SKU] = p.Now
	}
	lines = slices.Clone(lines)
	for i, l := range lines {
		if price, ok := now[l.SKU]; ok {
			lines[i].UnitPrice = price
		}
	}
	return lines
}

// basisMerged is the basis of adjustments that a merge combined. It matches no lines, so the adjustments are stale until they are
// set again.
const basisMerged = "merged"

// basisOf hashes the inputs of adjustments: the currency, and the SKU, quantity and unit price of each line. The order of the
// lines does not count. The state stores the hash, so a new way to compute it needs a new StateVersion.
func basisOf(currency string, lines []Line) string {
	sorted := slices.SortedFunc(slices.Values(lines), func(a, b Line) int { return strings.Compare(a.SKU, b.SKU) })
	h := sha256.New()
	fmt.Fprintln(h, currency)
	for _, l := range sorted {
		fmt.Fprintln(h, len(l.SKU), l.SKU, l.Quantity, l.UnitPrice) // the length makes the encoding unambiguous
	}
	return hex.EncodeToString(h.Sum(nil))
}

// adjustmentsStale reports whether the lines, prices or quantities changed after the adjustments were set. An empty list is never
// stale.
func (s State) adjustmentsStale() bool {
	return len(s.Adjustments) > 0 && s.Basis != basisOf(s.Currency, s.Lines)
}
