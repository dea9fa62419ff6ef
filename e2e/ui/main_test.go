// Package ui tests the console, the shop and Swagger UI in a browser.
package ui

import (
	"testing"

	"shopping-cart/e2e/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
