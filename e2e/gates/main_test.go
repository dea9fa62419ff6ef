// Package gates breaks the whole program under load; docs/gates.md describes each test.
package gates

import (
	"testing"

	"shopping-cart/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
