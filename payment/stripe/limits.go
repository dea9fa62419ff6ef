package stripe

import (
	"fmt"

	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

var _ payment.Limits = (*Provider)(nil)

// limit is the smallest and the largest charge in a currency, in minor units. 0 means that only Stripe knows it.
type limit struct{ least, most int64 }

// eightDigits is the largest charge in most currencies.
const eightDigits = 99_999_999

// limits are published by Stripe. It compares the smallest amount in the settlement currency of the account. If that is another currency,
// the limit may be higher, and only the answer tells. The answer also tells the larger maximums of weak currencies. See
// https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts.
var limits = map[string]limit{
	"AED": {200, eightDigits}, "AUD": {50, eightDigits}, "BGN": {100, eightDigits}, "BRL": {50, eightDigits}, "CAD": {50, eightDigits},
	"CHF": {50, eightDigits}, "CZK": {1500, 0}, "DKK": {250, eightDigits}, "EUR": {50, eightDigits}, "GBP": {30, eightDigits},
	"HKD": {400, eightDigits}, "HUF": {17_500, 0}, "INR": {50, 0}, "JPY": {50, 0}, "MXN": {1000, 0}, "MYR": {200, eightDigits},
	"NOK": {300, eightDigits}, "NZD": {50, eightDigits}, "PLN": {200, eightDigits}, "RON": {200, eightDigits}, "SEK": {300, eightDigits},
	"SGD": {50, eightDigits}, "THB": {1000, 0}, "USD": {50, eightDigits},
}

// NotChargeable refuses amounts outside the published limits, and amounts that Stripe's units cannot express.
func (p *Provider) NotChargeable(a money.Amount) string {
	of := limits[a.Currency]
	switch {
	case a.Amount < of.least:
		return fmt.Sprintf("The smallest amount that can be paid is %s.", money.Of(of.least, a.Currency))
	case of.most > 0 && a.Amount > of.most:
		return fmt.Sprintf("The largest amount that can be paid at once is %s.", money.Of(of.most, a.Currency))
	}
	return p.NotRefundable(a)
}

// NotRefundable refuses amounts that Stripe's units cannot express. A refund has no smallest amount.
func (*Provider) NotRefundable(a money.Amount) string {
	if _, err := toStripe(a); err != nil {
		return fmt.Sprintf("Amounts in %s must be a multiple of %s.", a.Currency, money.Of(step(a.Currency), a.Currency))
	}
	return ""
}
