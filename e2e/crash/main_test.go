// Package crash kills the whole program, and tests what it does at the next start.
package crash

import (
	"testing"

	"shopping-cart/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
