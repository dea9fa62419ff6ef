package cli

import (
	"os"
	"testing"
)

// asProgram is set when a test runs this test binary as the program.
const asProgram = "SHOPPING_CART_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}
