// Package stripe moves money through Stripe, by its official library.
//
// A payment is a PaymentIntent. It is created with our reference in its metadata, then confirmed with the shopper's payment method, and
// then captured. It holds no money before it is confirmed, and a cancelled intent cannot be confirmed. So the calls have this order, and
// the port's tombstone is a cancelled intent:
//
//	Authorize   create ─► update ─► confirm       the update tells the order, the customer and the hash of their address
//	Capture                 capture
//	Void        create ─► cancel       before the authorization: a cancelled intent refuses it
//	Refund                  refund     with the call's key in the metadata, for look-ups
//	LookUp      create ─► retrieve (and the refunds)
//
// # The id of an intent
//
// Stripe looks up by its own id, and its search lags behind. The payment learns the id from the first answer
// (payment.Answer.ProviderReference) and passes it on from then on. Until then each call begins with the same creation under the same key,
// <payment>/create. Within 24 hours Stripe answers it with the intent of the first creation. So a lost id is learned again, and Authorize
// and Void use the same intent in any order. No second intent is ever confirmed: a confirmation needs an id, and only that key gives one.
//
// After 23 hours the key is not trusted, and neither is a key with a stored fault. Then the intents created since the payment was requested
// are listed, and the one with our reference is used. Unlike the search, the list is never behind. A void that finds no intent creates one
// and cancels it: a new tombstone.
//
// # Answers
//
// A refused call is answered by the state of the intent, not by the text of the error. A decline is not final at Stripe: with the client
// secret another card can be tried. So Authorize and LookUp cancel the intent before they answer with a decline.
//
// Everything else follows the three ends of the port (see [portError]). The library repeats nothing: the payment does, and looks first.
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

// Config configures a Provider.
type Config struct {
	SecretKey     string // sk_… or rk_…
	WebhookSecret string // whsec_…; without one no webhook is valid
	BaseURL       string // of the API; empty: Stripe's
	Receipts      bool   // Stripe learns the shopper's e-mail address, and mails a receipt
	Log           *slog.Logger
	Now           func() time.Time // clock for payments; nil: time.Now
}

// Provider is one account at Stripe.
type Provider struct {
	client   *api.Client
	webhook  string
	receipts bool
	log      *slog.Logger
	now      func() time.Time
}

var _ payment.Provider = (*Provider)(nil)

// New returns a provider. It calls nobody.
func New(c Config) *Provider {
	if c.Now == nil {
		c.Now = time.Now
	}
	backend := &api.BackendConfig{
		HTTPClient:        &http.Client{Transport: newTransport(), CheckRedirect: noRedirect},
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
		webhook: c.WebhookSecret, receipts: c.Receipts, log: cmp.Or(c.Log, slog.Default()), now: c.Now,
	}
}

// Name returns "stripe".
func (p *Provider) Name() string { return "stripe" }

// tokenForm matches ids of payment methods, of tokens, and of the cards and sources of older integrations.
var tokenForm = regexp.MustCompile(`^(pm|tok|card|src)_[A-Za-z0-9_]{1,200}$`)

// AcceptsPaymentMethod reports whether a token has the form of Stripe's ids of payment methods.
func (p *Provider) AcceptsPaymentMethod(token string) bool { return tokenForm.MatchString(token) }

// Authorize holds the amount, or returns the shopper's next action.
func (p *Provider) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	id, err := p.id(ctx, c)
	if code, ok := p.refusal(ctx, c, err); ok {
		return payment.Answer{Status: payment.Declined, Code: codeOf(code)}, nil
	}
	if err == nil && id == "" {
		err = errors.New("the intent was not found, and its key is too old to create one")
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("create: %w", portError(err))
	}
	if err := p.describe(ctx, c, id); err != nil {
		return payment.Answer{}, fmt.Errorf("describe: %w", err)
	}
	params := &api.PaymentIntentConfirmParams{PaymentMethod: &c.PaymentMethod, UseStripeSDK: api.Bool(true)}
	params.SetIdempotencyKey(c.Key)
	intent, err := p.client.V1PaymentIntents.Confirm(ctx, id, params)
	if code, ok := p.refusal(ctx, c, err); ok {
		return p.declined(ctx, c, id, code)
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("confirm: %w", portError(err))
	}
	answer, err := p.answer(ctx, c, intent)
	answer.Replayed = intent.LastResponse != nil && intent.LastResponse.Header.Get("Idempotent-Replayed") == "true"
	return answer, err
}

// declined answers a refused authorization. The decline is final, unless another call caused it: then that call's result is the answer.
func (p *Provider) declined(ctx context.Context, c payment.Call, id, code string) (payment.Answer, error) {
	if code != string(api.ErrorCodePaymentIntentUnexpectedState) {
		return p.closeDeclined(ctx, c, id, codeOf(code))
	}
	intent, err := p.client.V1PaymentIntents.Retrieve(ctx, id, nil)
	if err != nil {
		return payment.Answer{}, fmt.Errorf("retrieve the intent after a refusal: %w", portError(err))
	}
	if intent.Status == api.PaymentIntentStatusCanceled {
		return payment.Answer{Status: payment.Declined, ProviderReference: id, Code: payment.CodeDeclined}, nil
	}
	return p.answer(ctx, c, intent)
}

// Capture captures the held amount.
func (p *Provider) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	id, err := p.id(ctx, c)
	amount, tooFine := toStripe(c.Amount)
	if code, ok := p.refusal(ctx, c, cmp.Or(err, tooFine)); ok {
		return payment.Answer{Status: payment.Refused, ProviderReference: id, Code: code}, nil
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("find: %w", portError(err))
	}
	if id == "" {
		return payment.Answer{}, errors.New("the intent to capture was not found")
	}
	params := &api.PaymentIntentCaptureParams{AmountToCapture: &amount}
	params.SetIdempotencyKey(c.Key)
	intent, err := p.client.V1PaymentIntents.Capture(ctx, id, params)
	if code, ok := p.refusal(ctx, c, err); ok {
		return p.answerRefused(ctx, c, id, payment.Refused, code)
	}
	if err != nil {
		return payment.Answer{}, portError(err)
	}
	return p.answer(ctx, c, intent)
}

// Void cancels the intent, so that it holds no money, now or later.
func (p *Provider) Void(ctx context.Context, c payment.Call) (payment.Answer, error) {
	id, err := p.id(ctx, c)
	if err == nil && id == "" {
		id, err = p.create(ctx, c)
	}
	if _, ok := p.refusal(ctx, c, err); ok { // Stripe refused to create it, so it holds nothing
		return payment.Answer{Status: payment.Voided}, nil
	}
	if err != nil {
		return payment.Answer{}, fmt.Errorf("find: %w", portError(err))
	}
	_, err = p.cancel(ctx, id, c.Key, api.PaymentIntentCancellationReasonRequestedByCustomer)
	if code, ok := p.refusal(ctx, c, err); ok {
		return p.answerRefused(ctx, c, id, payment.Voided, code)
	}
	if err != nil {
		return payment.Answer{}, portError(err)
	}
	return payment.Answer{Status: payment.Voided, ProviderReference: id}, nil
}

// answerRefused answers a capture or a void that Stripe refused, by the state of the intent.
func (p *Provider) answerRefused(ctx context.Context, c payment.Call, id string, want payment.Status, code string) (payment.Answer, error) {
	intent, err := p.client.V1PaymentIntents.Retrieve(ctx, id, nil)
	switch {
	case err != nil:
		return payment.Answer{}, fmt.Errorf("retrieve the intent after a refusal: %w", portError(err))
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
