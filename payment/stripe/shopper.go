package stripe

import (
	"context"

	api "github.com/stripe/stripe-go/v85"

	"shopping-cart/payment"
)

var _ payment.ShopperReader = (*Provider)(nil)

// WantsShopper returns true.
func (p *Provider) WantsShopper() bool { return true }

// The metadata that describes a payment to Stripe's rules for risks, and to people at its dashboard.
const (
	metaOrder    = "order_number"
	metaCustomer = "customer"
	metaSource   = "source" // keyed hash of the shopper's address: equal for equal addresses
)

// describe tells Stripe of an intent's order and customer before the confirmation assesses the risk. The creation and the confirmation do not tell
// them, since their parameters must never change: an e-mail address may be erased meanwhile. An update needs no key: it may be repeated with other
// values.
//
// Stripe takes the address of a shopper only beside the number of a card (payment_method_data[ip]). It knows the address of the browser in which
// its scripts made the payment method.
//
// An update moves no money: whatever its error, the authorization has had no effect. If Stripe refuses it, the confirmation tells why.
func (p *Provider) describe(ctx context.Context, c payment.Call, id string) error {
	if c.Shopper == (payment.Shopper{}) {
		return nil
	}
	params := &api.PaymentIntentUpdateParams{Metadata: map[string]string{
		metaOrder: c.Shopper.OrderNumber, metaCustomer: c.Customer, metaSource: c.Source,
	}}
	if p.receipts && c.Shopper.Email != "" {
		params.ReceiptEmail = &c.Shopper.Email
	}
	_, err := p.client.V1PaymentIntents.Update(ctx, id, params)
	if _, refused := p.refusal(ctx, c, err); err == nil || refused {
		return nil
	}
	return &payment.Transient{Err: portError(err)}
}
