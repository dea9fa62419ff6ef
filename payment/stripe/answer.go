package stripe

import (
	"context"
	"fmt"

	api "github.com/stripe/stripe-go/v85"

	"shopping-cart/payment"
)

// LookUp tells how a payment stands. An intent that was not created yet is: so a look-up learns the id whose answer was
// lost, and holds nothing. What was declined is made final.
func (p *Provider) LookUp(ctx context.Context, c payment.Call) (payment.Report, error) {
	id, err := p.id(ctx, c)
	if code, ok := p.refusal(ctx, c, err); ok {
		return payment.Report{Answer: payment.Answer{Status: payment.Declined, Code: ours(code)}}, nil
	}
	if err != nil {
		return payment.Report{}, fmt.Errorf("find: %w", endOf(err))
	}
	if id == "" {
		return payment.Report{Answer: payment.Answer{Status: payment.NotFound}}, nil
	}
	intent, err := p.client.V1PaymentIntents.Retrieve(ctx, id, nil)
	if err != nil {
		return payment.Report{}, endOf(err)
	}
	var report payment.Report
	if report.Answer, err = p.answer(ctx, c, intent); err == nil && report.Status == payment.Captured {
		err = p.refunds(ctx, c, id, &report)
	}
	if err == nil && report.Status == payment.Captured {
		err = p.disputes(ctx, c, id, &report)
	}
	return report, err
}

// answer is an intent as it stands.
func (p *Provider) answer(ctx context.Context, c payment.Call, intent *api.PaymentIntent) (payment.Answer, error) {
	a := payment.Answer{ProviderReference: intent.ID}
	switch intent.Status {
	case api.PaymentIntentStatusRequiresPaymentMethod:
		if intent.LastPaymentError != nil {
			return p.closed(ctx, c, intent.ID, declineCode(intent.LastPaymentError))
		}
		a.Status = payment.NotFound
	case api.PaymentIntentStatusRequiresConfirmation:
		a.Status = payment.NotFound
	case api.PaymentIntentStatusRequiresAction:
		a.Status, a.NextAction = payment.ActionRequired, nextAction(intent)
	case api.PaymentIntentStatusRequiresCapture:
		a.Status = payment.Authorized
	case api.PaymentIntentStatusSucceeded:
		a.Status, a.Captured = payment.Captured, fromStripe(intent.AmountReceived, c.Amount.Currency)
	case api.PaymentIntentStatusCanceled:
		a.Status = payment.Voided
		if intent.CancellationReason == api.PaymentIntentCancellationReasonAbandoned { // by closed
			a.Status, a.Code = payment.Declined, declineCode(intent.LastPaymentError)
		}
	case api.PaymentIntentStatusProcessing:
		return payment.Answer{}, fmt.Errorf("the intent %s is still being processed", intent.ID)
	}
	if a.Status == "" {
		return payment.Answer{}, fmt.Errorf("the intent %s is %q", intent.ID, intent.Status)
	}
	return a, nil
}

// closed answers that an intent was declined, once nobody can try it with another card. Where somebody just did, what was
// held is let go again.
func (p *Provider) closed(ctx context.Context, c payment.Call, id, code string) (payment.Answer, error) {
	_, err := p.cancel(ctx, id, c.Reference+"/close", api.PaymentIntentCancellationReasonAbandoned)
	if why, ok := p.refusal(ctx, c, err); ok { // somebody else cancelled it, or Stripe is at work on it
		answer, err := p.blocked(ctx, c, id, payment.Voided, why)
		if answer.Status == payment.Voided {
			answer.Status, answer.Code = payment.Declined, code
		}
		return answer, err
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("close what was declined: %w", endOf(err))
	}
	return payment.Answer{Status: payment.Declined, ProviderReference: id, Code: code}, nil
}

// nextAction is for Stripe's own scripts in the storefront, which take the client secret, or a page of the bank.
func nextAction(intent *api.PaymentIntent) *payment.NextAction {
	next := &payment.NextAction{ClientSecret: intent.ClientSecret}
	if intent.NextAction == nil {
		return next
	}
	next.Type = string(intent.NextAction.Type)
	if r := intent.NextAction.RedirectToURL; r != nil {
		next.Type, next.URL = "redirect", r.URL
	}
	return next
}

// declineCode is why a card was declined, in our words.
func declineCode(e *api.Error) string {
	if e == nil {
		return payment.CodeDeclined
	}
	for _, code := range []string{string(e.Code), string(e.DeclineCode)} {
		switch code {
		case "insufficient_funds":
			return payment.CodeInsufficientFunds
		case "authentication_required", "payment_intent_authentication_failure":
			return payment.CodeAuthenticationFailed
		}
	}
	return payment.CodeDeclined
}

// ours is the code of a decline, also where Stripe refused the request and not the card.
func ours(code string) string {
	switch code {
	case payment.CodeInsufficientFunds, payment.CodeAuthenticationFailed:
		return code
	case codeAmount, string(api.ErrorCodeAmountTooSmall), string(api.ErrorCodeAmountTooLarge):
		return payment.CodeNotChargeable
	}
	return payment.CodeDeclined
}
