// Package simulator is a payment provider that pretends, honestly.
//
// It behaves as a real one at the other end of a network: it knows nothing of carts and orders, keeps its own books in its
// own schema, remembers idempotency keys, takes its time, loses answers, and tells by signed webhooks over real HTTP what
// shoppers did at their bank. The payment method says how a payment behaves (see [temper] and [authorize]):
//
//	sim_ok                                 authorizes, captures, refunds
//	sim_declined, sim_insufficient_funds   declines
//	sim_requires_action                    waits for approve or deny
//	sim_capture_fails                      authorizes, then refuses the capture for good
//	sim_authorization_expires              authorizes, and lets go of it before it is captured
//	sim_timeout_applied                    the first call of each operation takes effect and answers nothing
//	sim_timeout_lost                       the first call of each operation is lost without effect
//	sim_flaky                              two transient faults before each success
//	sim_slow                               two seconds a call
//	sim_refund_flaky                       refunds fail three times, then succeed
//	sim_refund_refused                     refuses every refund for good
//	sim_refunded_elsewhere                 all of it is refunded in the dashboard, right after the capture
//	sim_disputed                           all of it is lost to a dispute, right after the capture
//	sim_void_flaky                         as sim_capture_fails; voids fail three times, then succeed
//	sim_duplicate_webhooks                 as sim_requires_action; every webhook twice, the second first
//	sim_late_webhooks                      as sim_requires_action; every webhook three seconds late
//	sim_amount_refused                     refuses the amount: no payment method can pay it
//
// Its ledger holds what took effect, and nothing else: the truth against which everything else can be checked.
package simulator

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shopping-cart/payment"
)

// Config is what a Simulator needs.
type Config struct {
	Pool       *pgxpool.Pool    // of a database with the schema simulator
	Latency    time.Duration    // of every call
	SlowFor    time.Duration    // what sim_slow adds; 2 s when 0
	Secret     string           // signs webhooks; without one none is believed
	WebhookURL func() string    // where webhooks go; while empty, they wait
	PublicURL  func() string    // where a shopper's browser reaches the routes, without a slash at the end
	Log        *slog.Logger     // nil: slog.Default
	Now        func() time.Time // dates and judges webhooks; nil: time.Now
}

// Simulator is the provider.
type Simulator struct {
	Config
	client *http.Client
	now    func() time.Time
	queued chan struct{} // a webhook is to be delivered
}

var _ payment.Provider = (*Simulator)(nil)

// New makes the provider.
func New(c Config) *Simulator {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.SlowFor <= 0 {
		c.SlowFor = 2 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Simulator{
		Config: c, now: c.Now, queued: make(chan struct{}, 1),
		client: &http.Client{Timeout: deliveryTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// Name is "simulator".
func (s *Simulator) Name() string { return "simulator" }

var tokenForm = regexp.MustCompile(`^sim_[a-z_]{1,60}$`)

// TakesMethod is true for text that begins with sim_. A token that means nothing is declined.
func (s *Simulator) TakesMethod(token string) bool { return tokenForm.MatchString(token) }

// delay is the time that a call is on its way.
func (s *Simulator) delay(ctx context.Context, token string) error {
	d := s.Latency
	if token == tokenSlow {
		d += s.SlowFor
	}
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
