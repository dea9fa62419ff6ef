package stripe

import (
	"context"
	"fmt"

	api "github.com/stripe/stripe-go/v85"

	"shopping-cart/payment"
)

// LookUp returns the state of a payment. It creates a missing intent, since the answer with the id may have been lost; a new intent holds
// no money. It makes a decline final.
func (p *Provider) LookUp(ctx context.Context, c payment.Call) (payment.Report, error) {
	id, err := p.id(ctx, c)
	if code, ok := p.refusal(ctx, c, err); ok {
		return payment.Report{Answer: payment.Answer{Status: payment.Declined, Code: codeOf(code)}}, nil
	}
	if err != nil {
		return payment.Report{}, fmt.Errorf("find: %w", portError(err))
	}
	if id == "" {
		return payment.Report{Answer: payment.Answer{Status: payment.NotFound}}, nil
	}
	intent, err := p.client.V1PaymentIntents.Retrieve(ctx, id, nil)
	if err != nil {
		return payment.Report{}, portError(err)
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

// answer returns the answer for the state of an intent.
func (p *Provider) answer(ctx context.Context, c payment.Call, intent *api.PaymentIntent) (payment.Answer, error) {
	a := payment.Answer{ProviderReference: intent.ID}
	switch intent.Status {
	case api.PaymentIntentStatusRequiresPaymentMethod:
		if intent.LastPaymentError != nil {
			return p.closeDeclined(ctx, c, intent.ID, declineCode(intent.LastPaymentError))
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

// closeDeclined cancels a declined intent before it answers, so that nobody can try another card. If somebody just did, the held amount is
// released.
func (p *Provider) closeDeclined(ctx context.Context, c payment.Call, id, code string) (payment.Answer, error) {
	_, err := p.cancel(ctx, id, c.Reference+"/close", api.PaymentIntentCancellationReasonAbandoned)
	if why, ok := p.refusal(ctx, c, err); ok { // somebody else cancelled it, or Stripe is processing it
		answer, err := p.answerRefused(ctx, c, id, payment.Voided, why)
		if answer.Status == payment.Voided {
			answer.Status, answer.Code = payment.Declined, code
		}
		return answer, err
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("cancel the declined intent: %w", portError(err))
	}
	return payment.Answer{Status: payment.Declined, ProviderReference: id, Code: code}, nil
}

// nextAction returns the client secret for Stripe's scripts in the storefront, or the address of a page of the bank.
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

// declineCode returns our code for a declined card.
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

// codeOf returns our code for a decline, also if Stripe refused the request and not the card.
func codeOf(code string) string {
	switch code {
	case payment.CodeInsufficientFunds, payment.CodeAuthenticationFailed:
		return code
	case codeAmount, string(api.ErrorCodeAmountTooSmall), string(api.ErrorCodeAmountTooLarge):
		return payment.CodeNotChargeable
	}
	return payment.CodeDeclined
}
