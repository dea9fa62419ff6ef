package stripe

import (
	"errors"

	"shopping-cart/platform/money"
)

// errAmount says that Stripe cannot charge or refund an amount, whoever pays.
var errAmount = errors.New("an amount that Stripe cannot charge in this currency")

// codeAmount is how errAmount stands in an answer.
const codeAmount = "invalid_charge_amount"

// toStripe is an amount in Stripe's units. They are the minor units of ISO 4217, but for currencies that lost their decimals and
// kept two of them in the API, one that has none in the API, and those of three decimals, of which the last must be 0.
// See https://docs.stripe.com/currencies#special-cases.
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

// step is what every amount in a currency is a multiple of, in minor units.
func step(currency string) int64 {
	switch currency {
	case "MGA":
		return 100
	case "BHD", "JOD", "KWD", "OMR", "TND":
		return 10
	}
	return 1
}

// fromStripe is an amount of Stripe's in minor units.
func fromStripe(units int64, currency string) int64 {
	switch currency {
	case "ISK", "UGX":
		return units / 100
	case "MGA":
		return units * 100
	}
	return units
}
