package cart

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// basisMerged is the basis of adjustments that a merge combined. It matches no lines, so the adjustments are stale until they are
// set again.
const basisMerged = "merged"

// basisOf hashes the inputs of adjustments: the currency, and the SKU, quantity and unit price of each line. The order of the
// lines does not count. The state stores the hash, so a new way to compute it needs a new fold.
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
