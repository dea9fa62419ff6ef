package stripe

import (
	"errors"

	"shopping-cart/platform/money"
)

// errAmount says that Stripe cannot charge or refund an amount with any payment method.
var errAmount = errors.New("an amount that Stripe cannot charge in this currency")

// codeAmount stands for errAmount in an answer.
const codeAmount = "invalid_charge_amount"

// toStripe converts an amount to Stripe's units. They are the minor units of ISO 4217, with exceptions: currencies that lost their decimals
// keep two of them in the API, one has none in the API, and of three decimals the last must be 0. See
// https://docs.stripe.com/currencies#special-cases.
func toStripe(a money.Amount) (int64, error) {
	if a.Amount%step(a.Currency) != 0 {
		return 0, errAmount
	}
	switch a.Currency {
	case "ISK", "UGX":
		return a.Amount * 100, nil // below 2⁶⁰
	case "MGA":
		return a.Amount / 100, nil
	}
	return a.Amount, nil
}

// step returns the smallest step between amounts in a currency, in minor units.
func step(currency string) int64 {
	switch currency {
	case "MGA":
		return 100
	case "BHD", "JOD", "KWD", "OMR", "TND":
		return 10
	}
	return 1
}

// fromStripe converts an amount in Stripe's units to minor units.
func fromStripe(units int64, currency string) int64 {
	switch currency {
	case "ISK", "UGX":
		return units / 100
	case "MGA":
		return units * 100
	}
	return units
}
