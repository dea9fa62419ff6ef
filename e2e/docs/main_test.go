// Package docs tests what the documents say, and which packages may import which.
package docs

import (
	"testing"

	"shopping-cart/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
