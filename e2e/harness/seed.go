//go:build !windows

package harness

import (
	"flag"
	"math/rand/v2"
	"testing"
)

var Seed = flag.Uint64("seed", 0, "of the tests' random choices; chosen and printed when 0")

// SeedOf returns the seed that repeats a test's random choices.
func SeedOf(t *testing.T) uint64 {
	t.Helper()
	from := *Seed
	for from == 0 {
		from = rand.Uint64()
	}
	t.Logf("again with -seed=%d", from)
	return from
}
