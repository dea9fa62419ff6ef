package stripe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	api "github.com/stripe/stripe-go/v85"

	"shopping-cart/payment"
)

// Refund refunds a captured amount, or a part of it. While a refund is pending at Stripe, its outcome is unknown.
func (p *Provider) Refund(ctx context.Context, c payment.Call) (payment.Answer, error) {
	id, err := c.ProviderReference, error(nil)
	if id == "" { // the amount is not the payment's, so the key of the creation cannot be used
		id, err = p.find(ctx, c)
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("find: %w", portError(err))
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
		return payment.Answer{}, portError(err)
	}
	return p.answerRefund(ctx, id, refund)
}

// answerRefund answers a refund that was created. The key may repeat an old state, so settled asks again about a pending refund.
func (p *Provider) answerRefund(ctx context.Context, id string, refund *api.Refund) (payment.Answer, error) {
	if refund.Status == api.RefundStatusPending || refund.Status == api.RefundStatusRequiresAction {
		var err error
		if refund, err = p.client.V1Refunds.Retrieve(ctx, refund.ID, nil); err != nil {
			return payment.Answer{}, fmt.Errorf("retrieve a refund under way: %w", unknownError(err))
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

// refunds reports the refunds of an intent: those of our calls by their keys, and those made elsewhere. It leaves out a pending one made
// elsewhere, since that has not taken effect.
func (p *Provider) refunds(ctx context.Context, c payment.Call, id string, report *payment.Report) error {
	params := &api.RefundListParams{PaymentIntent: &id}
	params.Limit = api.Int64(100)
	for refund, err := range p.client.V1Refunds.List(ctx, params).All(ctx) {
		if err != nil {
			return fmt.Errorf("list refunds: %w", portError(err))
		}
		key := refund.Metadata[metaKey]
		switch refund.Status {
		case api.RefundStatusFailed, api.RefundStatusCanceled:
		case api.RefundStatusSucceeded:
			if key != "" {
				report.Refunded = append(report.Refunded, key)
				continue
			}
			report.Elsewhere = append(report.Elsewhere, payment.Elsewhere{
				ID: refund.ID, Kind: payment.ElsewhereRefund, Amount: fromStripe(refund.Amount, c.Amount.Currency),
			})
		case api.RefundStatusPending, api.RefundStatusRequiresAction:
			report.Refunding = append(report.Refunding, key)
		default: // an unknown status
			report.Refunding = append(report.Refunding, key)
		}
	}
	return nil
}

// disputes reports the lost disputes of an intent. An open or won dispute refunds nothing.
func (p *Provider) disputes(ctx context.Context, c payment.Call, id string, report *payment.Report) error {
	params := &api.DisputeListParams{PaymentIntent: &id}
	params.Limit = api.Int64(100)
	for dispute, err := range p.client.V1Disputes.List(ctx, params).All(ctx) {
		if isForbidden(err) { // a restricted key without the permission to read disputes
			p.log.WarnContext(ctx, "the Stripe key may not read disputes", slog.String("payment", c.Reference))
			return nil
		}
		if err != nil {
			return fmt.Errorf("list disputes: %w", portError(err))
		}
		if dispute.Status == api.DisputeStatusLost {
			report.Elsewhere = append(report.Elsewhere, payment.Elsewhere{
				ID: dispute.ID, Kind: payment.ElsewhereDispute, Amount: fromStripe(dispute.Amount, c.Amount.Currency),
			})
		}
	}
	return nil
}

func isForbidden(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.HTTPStatusCode == http.StatusForbidden
}

// FindReference reads our reference from the intent of a webhook.
func (p *Provider) FindReference(ctx context.Context, intent string) (string, error) {
	found, err := p.client.V1PaymentIntents.Retrieve(ctx, intent, nil)
	if e := (*api.Error)(nil); errors.As(err, &e) && isMissing(e) {
		return "", nil
	}
	if err != nil {
		return "", portError(err)
	}
	return found.Metadata[metaPayment], nil
}
