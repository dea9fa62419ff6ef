package payment

import (
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
)

var errNotChargeable = fault.New(fault.Invalid, "amount_not_chargeable", "This amount cannot be charged or refunded, whichever payment method is used.")

// Chargeable refuses a total that the provider of new payments cannot charge, whichever payment method is used: 422
// amount_not_chargeable, with the sentence. It calls nobody. Nil does not promise that the provider takes the amount.
func (m *Module) Chargeable(total money.Amount) error {
	if limits, ok := m.providers[0].Provider.(Limits); ok {
		return notChargeable(limits.NotChargeable(total))
	}
	return nil
}

// refundable refuses the refunds among events that the provider of the payment cannot make, for good.
func (m *Module) refundable(provider string, events []event) error {
	p, err := m.provider(provider)
	if err != nil {
		return nil // the payment's provider is not configured at the moment: the refund waits for it
	}
	limits, ok := p.Provider.(Limits)
	if !ok {
		return nil
	}
	for _, e := range events {
		if ordered, isRefund := e.(RefundOrdered); isRefund {
			if err := notChargeable(limits.NotRefundable(ordered.Amount)); err != nil {
				return err
			}
		}
	}
	return nil
}

func notChargeable(why string) error {
	if why == "" {
		return nil
	}
	return errNotChargeable.Detailf("%s", why)
}
