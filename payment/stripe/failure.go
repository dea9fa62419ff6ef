package stripe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"

	api "github.com/stripe/stripe-go/v85"

	"shopping-cart/payment"
)

// refusal reports whether a call was refused for good, and why: a declined card in our words, a request in Stripe's. A request
// that could not be right is logged: it is the shop's mistake, not the shopper's.
func (p *Provider) refusal(ctx context.Context, c payment.Call, err error) (code string, ok bool) {
	if errors.Is(err, errAmount) {
		p.log.WarnContext(ctx, "Stripe refuses an amount", slog.String("payment", c.Reference), slog.String("amount", c.Amount.String()))
		return codeAmount, true
	}
	var e *api.Error
	if !errors.As(err, &e) {
		return "", false
	}
	switch e.HTTPStatusCode {
	case http.StatusPaymentRequired:
		return declineCode(e), e.Type == api.ErrorTypeCard
	case http.StatusBadRequest, http.StatusNotFound:
		// An intent that Stripe named and does not know: the secret key is of another account, which can tell nothing.
		if e.Type != api.ErrorTypeInvalidRequest || isMissing(e) && e.Param != "payment_method" {
			return "", false
		}
		if e.Code != api.ErrorCodePaymentIntentUnexpectedState {
			p.log.WarnContext(ctx, "Stripe refused a request", slog.String("payment", c.Reference), slog.String("error", said(e)))
		}
		return cmp.Or(string(e.Code), string(e.Type)), true
	}
	return "", false
}

func isMissing(e *api.Error) bool {
	return e.HTTPStatusCode == http.StatusNotFound || e.Code == api.ErrorCodeResourceMissing
}

// endOf is which of the two other ends of the port a call came to:
//
//   - Transient: the request never had a connection; no or too weak a key (401, 403); too many requests (429), which Stripe
//     turns away before it does or remembers anything, unless it says that a repetition is of no use;
//   - unknown: everything else. A 5xx may have had an effect, and is what the key repeats from now on; at a 409 the
//     same key is at work elsewhere. Whether Stripe would have them repeated or not, the payment looks before it does.
//
// The text is fit for a log: an error of Stripe may hold an intent with its client secret, and details of a card.
func endOf(err error) error {
	var e *api.Error
	if !errors.As(err, &e) {
		return plain(err)
	}
	switch {
	case e.HTTPStatusCode == http.StatusUnauthorized, e.HTTPStatusCode == http.StatusForbidden,
		e.HTTPStatusCode == http.StatusTooManyRequests && header(e, "Stripe-Should-Retry") != "false":
		return &payment.Transient{Err: errors.New(said(e))}
	}
	return errors.New(said(e))
}

// inDoubt is endOf for what follows upon a call that had an effect.
func inDoubt(err error) error {
	err = endOf(err)
	if transient := (*payment.Transient)(nil); errors.As(err, &transient) {
		return errors.New(transient.Err.Error())
	}
	return err
}

// said is what an error of Stripe says, without its prose and its objects.
func said(e *api.Error) string {
	return fmt.Sprintf("Stripe answered %d %s code=%s decline=%s param=%s request=%s",
		e.HTTPStatusCode, e.Type, e.Code, e.DeclineCode, e.Param, e.RequestID)
}

// plain is an error of the connection. Another one quotes the answer.
func plain(err error) error {
	transient := (*payment.Transient)(nil)
	if errors.As(err, &transient) {
		return transient
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	return errors.New("the answer of Stripe cannot be read")
}

func header(e *api.Error, name string) string {
	if e.LastResponse == nil {
		return ""
	}
	return e.LastResponse.Header.Get(name)
}

// isReplay reports whether an error is the one that Stripe gave to the same key before.
func isReplay(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && header(e, "Idempotent-Replayed") == "true"
}

func isStoredFault(err error) bool {
	var e *api.Error
	return isReplay(err) && errors.As(err, &e) && e.HTTPStatusCode >= http.StatusInternalServerError
}

// wire sends requests, and knows which of them surely never left: those that had no connection.
type wire struct{ http.RoundTripper }

func newWire() wire {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	return wire{t}
}

// RoundTrip sends one request.
func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	resp, err := w.RoundTripper.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil && !connected.Load() {
		err = &payment.Transient{Err: err}
	}
	return resp, err
}
