//go:build !windows

package harness

import (
	"flag"
	"math/rand/v2"
	"testing"
)

var Seed = flag.Uint64("seed", 0, "of all that tests leave to chance; chosen and printed when 0")

// SeedOf is what repeats a test's chances.
func SeedOf(t *testing.T) uint64 {
	t.Helper()
	from := *Seed
	for from == 0 {
		from = rand.Uint64()
	}
	t.Logf("again with -seed=%d", from)
	return from
}
