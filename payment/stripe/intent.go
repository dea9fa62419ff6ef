package stripe

import (
	"context"
	"fmt"
	"strings"
	"time"

	api "github.com/stripe/stripe-go/v85"

	"shopping-cart/payment"
)

// The metadata of our objects at Stripe.
const (
	metaPayment = "payment" // our reference; Stripe copies it to the charge
	metaKey     = "key"     // of a refund: the key of its call
)

const (
	idempotencyKeyTTL = 23 * time.Hour // Stripe forgets keys after 24 h
	clockSkew         = 5 * time.Minute
)

// id returns Stripe's id of the payment. While the payment has not learned it, the key of the creation finds or creates the intent. ""
// means that the key is too old and there is no such intent.
func (p *Provider) id(ctx context.Context, c payment.Call) (string, error) {
	switch {
	case c.ProviderReference != "":
		return c.ProviderReference, nil
	case p.now().Sub(c.RequestedAt) > idempotencyKeyTTL:
		return p.find(ctx, c)
	}
	return p.create(ctx, c)
}

// create creates the intent, or returns the one that the same call created before. A new intent holds no money. Its parameters depend on
// the payment alone, since Stripe refuses other parameters under the same key.
func (p *Provider) create(ctx context.Context, c payment.Call) (string, error) {
	amount, err := toStripe(c.Amount)
	if err != nil {
		return "", err
	}
	params := &api.PaymentIntentCreateParams{
		Amount: &amount, Currency: api.String(strings.ToLower(c.Amount.Currency)),
		CaptureMethod: api.String(api.PaymentIntentCaptureMethodManual), PaymentMethodTypes: api.StringSlice([]string{"card"}),
		Metadata: map[string]string{metaPayment: c.Reference},
	}
	params.SetIdempotencyKey(c.Reference + "/create")
	intent, err := p.client.V1PaymentIntents.Create(ctx, params)
	if err == nil {
		return intent.ID, nil
	}
	if !isStoredFault(err) {
		return "", err
	}
	// The key repeats this fault today, though the intent may exist.
	id, listErr := p.find(ctx, c)
	if listErr != nil || id == "" {
		return "", err
	}
	return id, nil
}

// find searches the intents created since the payment was requested: first in the first minutes, then in the whole possible time.
func (p *Provider) find(ctx context.Context, c payment.Call) (string, error) {
	from := c.RequestedAt.Add(-clockSkew)
	for _, until := range []time.Time{c.RequestedAt.Add(2 * clockSkew), c.RequestedAt.Add(idempotencyKeyTTL + clockSkew)} {
		params := &api.PaymentIntentListParams{CreatedRange: &api.RangeQueryParams{
			GreaterThanOrEqual: from.Unix(), LesserThan: until.Unix(),
		}}
		params.Limit = api.Int64(100)
		for intent, err := range p.client.V1PaymentIntents.List(ctx, params).All(ctx) {
			if err != nil {
				return "", fmt.Errorf("list intents: %w", err)
			}
			if intent.Metadata[metaPayment] == c.Reference {
				return intent.ID, nil
			}
		}
		from = until
	}
	return "", nil
}

// cancel cancels an intent. If Stripe only repeats an earlier error, such as a fault or a busy intent, cancel asks again under a key with
// the intent's current state. Cancelling twice has no further effect.
func (p *Provider) cancel(ctx context.Context, id, key string, why api.PaymentIntentCancellationReason) (*api.PaymentIntent, error) {
	params := &api.PaymentIntentCancelParams{CancellationReason: api.String(why)}
	params.SetIdempotencyKey(key)
	intent, err := p.client.V1PaymentIntents.Cancel(ctx, id, params)
	if err == nil || !isReplay(err) {
		return intent, err
	}
	intent, retrieveErr := p.client.V1PaymentIntents.Retrieve(ctx, id, nil)
	if retrieveErr != nil {
		return nil, retrieveErr
	}
	switch intent.Status {
	case api.PaymentIntentStatusCanceled:
		return intent, nil
	case api.PaymentIntentStatusSucceeded, api.PaymentIntentStatusProcessing:
		return nil, err
	case api.PaymentIntentStatusRequiresAction, api.PaymentIntentStatusRequiresCapture,
		api.PaymentIntentStatusRequiresConfirmation, api.PaymentIntentStatusRequiresPaymentMethod:
	}
	params.SetIdempotencyKey(key + "/" + string(intent.Status))
	return p.client.V1PaymentIntents.Cancel(ctx, id, params)
}
