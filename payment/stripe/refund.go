package stripe

import (
	"context"
	"errors"
	"fmt"

	api "github.com/stripe/stripe-go/v85"

	"shopping-cart/payment"
)

// Refund gives back what was captured, or a part of it. A refund that Stripe has yet to make is unknown.
func (p *Provider) Refund(ctx context.Context, c payment.Call) (payment.Answer, error) {
	id, err := c.ProviderReference, error(nil)
	if id == "" { // its amount is not that of the payment, so it cannot ask the key of the creation
		id, err = p.listed(ctx, c)
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("find: %w", endOf(err))
	}
	if id == "" {
		return payment.Answer{}, errors.New("the intent to refund was not found")
	}
	amount, err := toStripe(c.Amount)
	if err != nil {
		return payment.Answer{Status: payment.Refused, ProviderReference: id, Code: codeAmount}, nil
	}
	params := &api.RefundCreateParams{
		PaymentIntent: &id, Amount: &amount, Metadata: map[string]string{metaPayment: c.Reference, metaKey: c.Key},
	}
	params.SetIdempotencyKey(c.Key)
	refund, err := p.client.V1Refunds.Create(ctx, params)
	if code, ok := p.refusal(ctx, c, err); ok {
		return payment.Answer{Status: payment.Refused, ProviderReference: id, Code: code}, nil
	}
	if err != nil {
		return payment.Answer{}, endOf(err)
	}
	return p.settled(ctx, id, refund)
}

// settled answers a refund that was made. What the key remembers may be old: a refund that was pending is asked for.
func (p *Provider) settled(ctx context.Context, id string, refund *api.Refund) (payment.Answer, error) {
	if refund.Status == api.RefundStatusPending || refund.Status == api.RefundStatusRequiresAction {
		var err error
		if refund, err = p.client.V1Refunds.Retrieve(ctx, refund.ID, nil); err != nil {
			return payment.Answer{}, fmt.Errorf("retrieve a refund under way: %w", inDoubt(err))
		}
	}
	switch refund.Status {
	case api.RefundStatusSucceeded:
		return payment.Answer{Status: payment.Refunded, ProviderReference: id}, nil
	case api.RefundStatusFailed, api.RefundStatusCanceled:
		return payment.Answer{Status: payment.Refused, ProviderReference: id, Code: string(refund.FailureReason)}, nil
	case api.RefundStatusPending, api.RefundStatusRequiresAction:
	}
	return payment.Answer{}, fmt.Errorf("the refund %s is %s", refund.ID, refund.Status)
}

// refunds are the keys of the refunds that took effect, and of those under way.
func (p *Provider) refunds(ctx context.Context, id string) (done, underWay []string, err error) {
	params := &api.RefundListParams{PaymentIntent: &id}
	params.Limit = api.Int64(100)
	for refund, err := range p.client.V1Refunds.List(ctx, params).All(ctx) {
		if err != nil {
			return nil, nil, fmt.Errorf("list refunds: %w", endOf(err))
		}
		key := refund.Metadata[metaKey]
		switch refund.Status {
		case api.RefundStatusFailed, api.RefundStatusCanceled:
		case api.RefundStatusSucceeded:
			done = append(done, key)
		case api.RefundStatusPending, api.RefundStatusRequiresAction:
			underWay = append(underWay, key)
		default: // of a status that is not known here
			underWay = append(underWay, key)
		}
	}
	return done, underWay, nil
}
