package auth

import (
	"testing"

	"shopping-cart/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
