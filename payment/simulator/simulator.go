// Package simulator simulates a payment provider.
//
// It behaves like a real provider on the network. It knows nothing of carts and orders, keeps its records in its own schema, remembers
// idempotency keys, delays calls and loses answers. It reports the shoppers' answers at the bank by signed webhooks over HTTP. The payment
// method decides how a payment behaves (see [faultFor] and [authorize]):
//
//	sim_ok                                 authorizes, captures, refunds
//	sim_declined, sim_insufficient_funds   declines
//	sim_requires_action                    waits for approve or deny
//	sim_capture_fails                      authorizes, then refuses the capture for good
//	sim_authorization_expires              authorizes, and voids it before it is captured
//	sim_timeout_applied                    the first call of each operation takes effect and answers nothing
//	sim_timeout_lost                       the first call of each operation is lost without effect
//	sim_flaky                              two transient faults before each success
//	sim_rate_limited                       two refusals by the rate limit before each success
//	sim_slow                               each call takes two seconds
//	sim_refund_flaky                       refunds fail three times, then succeed
//	sim_refund_refused                     refuses every refund for good
//	sim_refunded_elsewhere                 the whole amount is refunded in the dashboard, right after the capture
//	sim_disputed                           the whole amount is lost to a dispute, right after the capture
//	sim_void_flaky                         as sim_capture_fails; voids fail three times, then succeed
//	sim_duplicate_webhooks                 as sim_requires_action; every webhook twice, the second first
//	sim_late_webhooks                      as sim_requires_action; every webhook three seconds late
//	sim_amount_refused                     refuses the amount: no payment method can pay it
//
// Its ledger holds only effects, so that tests can check everything else against it.
package simulator

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shopping-cart/payment"
	"shopping-cart/platform/backoff"
)

// Config configures a Simulator.
type Config struct {
	Pool       *pgxpool.Pool     // to a database with the schema simulator
	Latency    time.Duration     // of every call
	SlowFor    time.Duration     // added by sim_slow; 2 s when 0
	Secret     string            // signs webhooks; without it no webhook is valid
	WebhookURL func() string     // receiver of webhooks; while empty, they wait
	PublicURL  func() string     // address of the routes for a shopper's browser, without a slash at the end
	Transport  http.RoundTripper // to WebhookURL; nil: http.DefaultTransport
	Log        *slog.Logger      // nil: slog.Default
	Now        func() time.Time  // clock for webhooks; nil: time.Now
}

// Simulator is a payment provider.
type Simulator struct {
	Config
	client *http.Client
	now    func() time.Time
	queued chan struct{} // signals a webhook to deliver
}

var _ payment.Provider = (*Simulator)(nil)

// New returns a simulator.
func New(c Config) *Simulator {
	if c.Now == nil {
		c.Now = time.Now
	}
	c.SlowFor = cmp.Or(c.SlowFor, 2*time.Second)
	c.Log = cmp.Or(c.Log, slog.Default())
	return &Simulator{
		Config: c, now: c.Now, queued: make(chan struct{}, 1),
		client: &http.Client{Transport: c.Transport, Timeout: deliveryTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// Name returns "simulator".
func (s *Simulator) Name() string { return "simulator" }

var tokenForm = regexp.MustCompile(`^sim_[a-z_]{1,60}$`)

// AcceptsPaymentMethod reports whether a token begins with sim_. Unknown tokens are declined.
func (s *Simulator) AcceptsPaymentMethod(token string) bool { return tokenForm.MatchString(token) }

// delay waits for the latency of a call.
func (s *Simulator) delay(ctx context.Context, token string) error {
	d := s.Latency
	if token == tokenSlow {
		d += s.SlowFor
	}
	if d > 0 {
		backoff.Sleep(ctx, d)
	}
	return ctx.Err()
}
