package simulator

import (
	"fmt"

	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

var _ payment.Limits = (*Simulator)(nil)

// NotChargeable refuses an amount with three decimals unless the last one is 0, as the card networks do: 1.230 KWD can be paid, 1.234 KWD
// cannot.
func (*Simulator) NotChargeable(a money.Amount) string {
	if notPayable(a) {
		return fmt.Sprintf("Amounts in %s must be a multiple of %s.", a.Currency, money.Of(10, a.Currency))
	}
	return ""
}

// NotRefundable applies the rule of NotChargeable.
func (s *Simulator) NotRefundable(a money.Amount) string { return s.NotChargeable(a) }

func notPayable(a money.Amount) bool {
	digits, ok := money.Digits(a.Currency)
	return ok && digits == 3 && a.Amount%10 != 0
}
