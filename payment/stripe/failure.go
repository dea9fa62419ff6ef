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
	"strconv"
	"sync/atomic"
	"time"

	api "github.com/stripe/stripe-go/v85"

	"shopping-cart/payment"
	"shopping-cart/platform/backoff"
)

// refusal reports whether a call was refused for good, with our code for a declined card, or Stripe's for a request. It logs a request that
// can never succeed: that is the shop's mistake, not the shopper's.
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
		// Stripe does not know an intent that it named: the secret key is of another account, so the answer tells nothing.
		if e.Type != api.ErrorTypeInvalidRequest || isMissing(e) && e.Param != "payment_method" {
			return "", false
		}
		if e.Code != api.ErrorCodePaymentIntentUnexpectedState {
			p.log.WarnContext(ctx, "Stripe refused a request", slog.String("payment", c.Reference), slog.String("error", describe(e)))
		}
		return cmp.Or(string(e.Code), string(e.Type)), true
	}
	return "", false
}

func isMissing(e *api.Error) bool {
	return e.HTTPStatusCode == http.StatusNotFound || e.Code == api.ErrorCodeResourceMissing
}

// portError turns an error into one of the two other ends of the port:
//
//   - Transient: the request never had a connection; the key is missing or too weak (401, 403); or there are too many requests (429), which is
//     also RateLimited unless another request locks the object. Stripe rejects these before it does or remembers anything, unless it says that a
//     repetition is of no use.
//   - Unknown: everything else. A 5xx may have had an effect, and the key repeats it from now on. At a 409 another call has the same key.
//     Whatever Stripe recommends, the payment looks before it repeats.
//
// The text is fit for a log. An error of Stripe is not: it may hold an intent with its client secret, and details of a card.
func portError(err error) error {
	var e *api.Error
	if !errors.As(err, &e) {
		return safeError(err)
	}
	switch {
	case e.HTTPStatusCode == http.StatusUnauthorized, e.HTTPStatusCode == http.StatusForbidden:
		return &payment.Transient{Err: errors.New(describe(e))}
	case e.HTTPStatusCode != http.StatusTooManyRequests || header(e, "Stripe-Should-Retry") == "false":
	case e.Code == api.ErrorCodeLockTimeout:
		return &payment.Transient{Err: errors.New(describe(e))}
	default:
		return &payment.Transient{Err: fmt.Errorf("%s: %w", describe(e), &payment.RateLimited{After: retryAfter(e)})}
	}
	return errors.New(describe(e))
}

// limitedFor is the pause after a 429, on average. Stripe documents none.
const limitedFor = time.Second

// retryAfter returns the pause after a 429.
func retryAfter(e *api.Error) time.Duration {
	if s, err := strconv.Atoi(header(e, "Retry-After")); err == nil && s > 0 && s <= longestRetryAfter {
		return time.Duration(s) * time.Second
	}
	return backoff.Jitter(limitedFor)
}

const longestRetryAfter = 3600 // seconds

// unknownError applies portError to a call after one that had an effect. It never returns a Transient error.
func unknownError(err error) error {
	err = portError(err)
	if transient := (*payment.Transient)(nil); errors.As(err, &transient) {
		return errors.New(transient.Err.Error())
	}
	return err
}

// describe returns the codes of a Stripe error, without its prose and its objects.
func describe(e *api.Error) string {
	return fmt.Sprintf("Stripe answered %d %s code=%s decline=%s param=%s request=%s",
		e.HTTPStatusCode, e.Type, e.Code, e.DeclineCode, e.Param, e.RequestID)
}

// safeError returns an error of the connection. It replaces any other error, since that may quote the answer.
func safeError(err error) error {
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
	return errors.New("unreadable answer from Stripe")
}

func header(e *api.Error, name string) string {
	if e.LastResponse == nil {
		return ""
	}
	return e.LastResponse.Header.Get(name)
}

// isReplay reports whether Stripe repeats an error that it gave to the same key before.
func isReplay(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && header(e, "Idempotent-Replayed") == "true"
}

func isStoredFault(err error) bool {
	var e *api.Error
	return isReplay(err) && errors.As(err, &e) && e.HTTPStatusCode >= http.StatusInternalServerError
}

// transport sends requests. An error without a connection becomes Transient, since the request certainly never left.
type transport struct{ http.RoundTripper }

func newTransport() transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	return transport{t}
}

// RoundTrip sends one request.
func (w transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var connected atomic.Bool
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}
	resp, err := w.RoundTripper.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
	if err != nil && !connected.Load() {
		err = &payment.Transient{Err: err}
	}
	return resp, err
}
