package money_test

import (
	"fmt"

	"shopping-cart/platform/money"
)

// Amounts are whole numbers of minor units. Each currency has its own number of digits.
func ExampleAmount_String() {
	fmt.Println(money.Of(1999, "GBP"))
	fmt.Println(money.Of(1999, "JPY"))
	fmt.Println(money.Of(-5, "KWD"))
	// Output:
	// 19.99 GBP
	// 1999 JPY
	// -0.005 KWD
}

// Sums and products beyond the largest exact integer of JSON are refused.
func ExampleTimes() {
	total, err := money.Times(1999, 3)
	fmt.Println(total, err)

	_, err = money.Times(money.Max, 2)
	fmt.Println(err)
	// Output:
	// 5997 <nil>
	// the amount exceeds 2⁵³−1 minor units
}

// A currency that has ended has a successor.
func ExampleSuccessor() {
	fmt.Println(money.Successor("HRK"), money.ValidCurrency("HRK"), money.ValidCurrency("EUR"))
	// Output: EUR false true
}
