// Package api tests the whole program over HTTP.
package api

import (
	"testing"

	"shopping-cart/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
