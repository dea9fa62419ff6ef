package fault_test

import (
	"errors"
	"fmt"

	"shopping-cart/platform/fault"
)

var errCartClosed = fault.New(fault.Conflict, "cart_closed", "This cart is closed.")

// A fault is declared once. A copy with details is still that fault.
func Example() {
	err := fmt.Errorf("add an item: %w", errCartClosed.With("checkout_id", 47))

	fmt.Println(errors.Is(err, errCartClosed))
	if f, ok := fault.As(err); ok {
		fmt.Println(f.Code, f.Extra["checkout_id"], f.Detail)
	}
	// Output:
	// true
	// cart_closed 47 This cart is closed.
}

// At names the field that is wrong.
func ExampleFault_At() {
	errNegative := fault.New(fault.Invalid, "negative", "It must not be negative.")

	fmt.Println(errNegative.At("quantity").Fields)
	// Output: [{quantity negative It must not be negative.}]
}
