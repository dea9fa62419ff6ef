package payment

import (
	"shopping-cart/platform/money"
)

// Chargeable refuses a total that the provider of new payments cannot charge with any payment method: 422 amount_not_chargeable, with the
// provider's sentence. It makes no call. The provider may still decline an amount for which Chargeable returns nil.
func (m *Module) Chargeable(total money.Amount) error {
	if limits, ok := m.providers[0].Provider.(Limits); ok {
		return notChargeable(limits.NotChargeable(total))
	}
	return nil
}

// checkRefundable refuses refunds among events that the provider of the payment can never make.
func (m *Module) checkRefundable(provider string, events []event) error {
	p, err := m.provider(provider)
	if err != nil {
		return nil // the provider is not configured: the refund waits for it
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
