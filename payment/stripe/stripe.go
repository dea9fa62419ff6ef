// Package stripe moves money through Stripe, by its official library.
//
// A payment is a PaymentIntent: created first, with our reference in its metadata, then confirmed with the shopper's
// payment method, and captured by hand. Nothing is held before it is confirmed; what is cancelled cannot be confirmed
// any more. Hence the order of calls, and the tombstone that the port asks for:
//
//	Authorize   create ─► confirm
//	Capture                 capture
//	Void        create ─► cancel       before the authorization: an intent that was born cancelled refuses it
//	Refund                  refund     with the call's key in the metadata: so a look-up recognizes it
//	LookUp      create ─► retrieve (and the refunds)
//
// # The id of an intent
//
// Stripe looks up by its id, not by ours, and its search lags behind. The payment learns the id from the first answer
// (payment.Answer.ProviderReference) and passes it along from then on. Until then every call begins with the same
// creation under the same key, <payment>/create: within 24 hours Stripe answers it with the intent that it made the
// first time. So an id whose answer was lost is learned anew, Authorize and Void meet at the same intent whoever comes
// first, and no second intent is ever confirmed: a confirmation needs an id, which only that key gives.
//
// After 23 hours the key is not trusted, and neither is one whose answer is a stored fault. Then the intents created since
// the payment was asked for are listed, and the one with our reference is taken. The list is no search index: it is what
// Stripe holds. A void that finds none makes one and cancels it: a new tombstone.
//
// # Answers
//
// What is refused is answered by how the intent stands, not by what the error says. A decline is not for good at Stripe: who holds
// the client secret may try another card. So the intent is cancelled before a decline is answered, by Authorize and by LookUp.
//
// Everything else follows the three ends of the port (see [endOf]). The library repeats nothing by itself: repeating is the
// payment's business, which looks first.
package stripe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	api "github.com/stripe/stripe-go/v85"

	"shopping-cart/payment"
)

// Config is what a Provider needs.
type Config struct {
	SecretKey     string // sk_… or rk_…
	WebhookSecret string // whsec_…; without one no webhook is believed
	BaseURL       string // of the API; empty: Stripe's
	Log           *slog.Logger
	Now           func() time.Time // the clock that payments are dated by; nil: time.Now
}

// Provider is Stripe, as one account sees it.
type Provider struct {
	client  *api.Client
	webhook string
	log     *slog.Logger
	now     func() time.Time
}

var _ payment.Provider = (*Provider)(nil)

// New makes the provider. It calls nobody.
func New(c Config) *Provider {
	if c.Now == nil {
		c.Now = time.Now
	}
	backend := &api.BackendConfig{
		HTTPClient:        &http.Client{Transport: newWire(), CheckRedirect: noRedirect},
		LeveledLogger:     &api.LeveledLogger{Level: api.LevelNull}, // it would log requests, and answers with client secrets
		MaxNetworkRetries: api.Int64(0),
		EnableTelemetry:   api.Bool(false),
	}
	if c.BaseURL != "" {
		backend.URL = api.String(c.BaseURL)
	}
	return &Provider{
		client: api.NewClient(c.SecretKey, api.WithBackends(&api.Backends{
			API: api.GetBackendWithConfig(api.APIBackend, backend),
		})),
		webhook: c.WebhookSecret, log: cmp.Or(c.Log, slog.Default()), now: c.Now,
	}
}

// Name is "stripe".
func (p *Provider) Name() string { return "stripe" }

// tokenForm is that of the ids of payment methods, of tokens, and of cards and sources as older integrations have them.
var tokenForm = regexp.MustCompile(`^(pm|tok|card|src)_[A-Za-z0-9_]{1,200}$`)

// TakesMethod is true for the ids that Stripe gives to payment methods.
func (p *Provider) TakesMethod(token string) bool { return tokenForm.MatchString(token) }

// Authorize holds the amount, or says what the shopper has to do first.
func (p *Provider) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	id, err := p.id(ctx, c)
	if code, ok := p.refusal(ctx, c, err); ok {
		return payment.Answer{Status: payment.Declined, Code: ours(code)}, nil
	}
	if err == nil && id == "" {
		err = errors.New("the intent was not found, and its key is too old to make one")
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("create: %w", endOf(err))
	}
	params := &api.PaymentIntentConfirmParams{PaymentMethod: &c.Method, UseStripeSDK: api.Bool(true)}
	params.SetIdempotencyKey(c.Key)
	intent, err := p.client.V1PaymentIntents.Confirm(ctx, id, params)
	if code, ok := p.refusal(ctx, c, err); ok {
		return p.declined(ctx, c, id, code)
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("confirm: %w", endOf(err))
	}
	answer, err := p.answer(ctx, c, intent)
	answer.Replayed = intent.LastResponse != nil && intent.LastResponse.Header.Get("Idempotent-Replayed") == "true"
	return answer, err
}

// declined answers an authorization that was refused: for good, unless another call stands in its way, which is then the answer.
func (p *Provider) declined(ctx context.Context, c payment.Call, id, code string) (payment.Answer, error) {
	if code != string(api.ErrorCodePaymentIntentUnexpectedState) {
		return p.closed(ctx, c, id, ours(code))
	}
	intent, err := p.client.V1PaymentIntents.Retrieve(ctx, id, nil)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("retrieve what was refused: %w", endOf(err))
	}
	if intent.Status == api.PaymentIntentStatusCanceled {
		return payment.Answer{Status: payment.Declined, ProviderReference: id, Code: payment.CodeDeclined}, nil
	}
	return p.answer(ctx, c, intent)
}

// Capture takes what is held.
func (p *Provider) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	id, err := p.id(ctx, c)
	amount, tooFine := toStripe(c.Amount)
	if code, ok := p.refusal(ctx, c, cmp.Or(err, tooFine)); ok {
		return payment.Answer{Status: payment.Refused, ProviderReference: id, Code: code}, nil
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("find: %w", endOf(err))
	}
	if id == "" {
		return payment.Answer{}, errors.New("the intent to capture was not found")
	}
	params := &api.PaymentIntentCaptureParams{AmountToCapture: &amount}
	params.SetIdempotencyKey(c.Key)
	intent, err := p.client.V1PaymentIntents.Capture(ctx, id, params)
	if code, ok := p.refusal(ctx, c, err); ok {
		return p.blocked(ctx, c, id, payment.Refused, code)
	}
	if err != nil {
		return payment.Answer{}, endOf(err)
	}
	return p.answer(ctx, c, intent)
}

// Void cancels the intent, so that what is held is let go, and nothing can be held any more.
func (p *Provider) Void(ctx context.Context, c payment.Call) (payment.Answer, error) {
	id, err := p.id(ctx, c)
	if err == nil && id == "" {
		id, err = p.create(ctx, c)
	}
	if _, ok := p.refusal(ctx, c, err); ok { // what Stripe refuses to create it cannot hold
		return payment.Answer{Status: payment.Voided}, nil
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("find: %w", endOf(err))
	}
	_, err = p.cancel(ctx, id, c.Key, api.PaymentIntentCancellationReasonRequestedByCustomer)
	if code, ok := p.refusal(ctx, c, err); ok {
		return p.blocked(ctx, c, id, payment.Voided, code)
	}
	if err != nil {
		return payment.Answer{}, endOf(err)
	}
	return payment.Answer{Status: payment.Voided, ProviderReference: id}, nil
}

// blocked answers a capture or a void that Stripe refused: by what stands in its way.
func (p *Provider) blocked(ctx context.Context, c payment.Call, id string, want payment.Status, code string) (payment.Answer, error) {
	intent, err := p.client.V1PaymentIntents.Retrieve(ctx, id, nil)
	switch {
	case err != nil:
		return payment.Answer{}, fmt.Errorf("retrieve what was refused: %w", endOf(err))
	case intent.Status == api.PaymentIntentStatusSucceeded:
		return p.answer(ctx, c, intent)
	case intent.Status == api.PaymentIntentStatusProcessing:
	case want == payment.Refused:
		return payment.Answer{Status: payment.Refused, ProviderReference: id, Code: code}, nil
	case intent.Status == api.PaymentIntentStatusCanceled:
		return payment.Answer{Status: payment.Voided, ProviderReference: id}, nil
	}
	return payment.Answer{}, fmt.Errorf("the intent %s is %s: %s", id, intent.Status, code)
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
