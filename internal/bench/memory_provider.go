package bench

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shopping-cart/payment"
)

// outsideWorld is the payment provider of the benchmarks: correct, with its ledger in memory and a configurable latency. The
// writes of a real provider are no cost of ours.
type outsideWorld struct {
	latency atomic.Int64                     // of a call, a time.Duration
	instead atomic.Pointer[payment.Provider] // answers in its place unless nil

	mu       sync.Mutex
	answers  map[string]payment.Answer // by key
	payments map[string]*outsidePayment
}

// outsidePayment is a payment in the ledger, by the reference that we chose. Amounts are minor units.
type outsidePayment struct {
	status             payment.Status
	authorized         int64
	captured, refunded int64
	refunds            []string // keys
}

func newOutsideWorld() *outsideWorld {
	return &outsideWorld{answers: map[string]payment.Answer{}, payments: map[string]*outsidePayment{}}
}

// Name returns a name that no real provider has.
func (o *outsideWorld) Name() string { return "outside-world" }

// Authorize reserves the amount, unless the payment was voided before.
func (o *outsideWorld) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	if p := o.instead.Load(); p != nil {
		return (*p).Authorize(ctx, c)
	}
	return o.answer(ctx, c, func(p *outsidePayment) payment.Answer {
		if p.status == payment.Voided {
			return payment.Answer{Status: payment.Declined, Code: payment.CodeDeclined}
		}
		if p.status == payment.NotFound {
			p.status, p.authorized = payment.Authorized, c.Amount.Amount
		}
		return p.report(c)
	})
}

// Capture captures the authorized amount.
func (o *outsideWorld) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	if p := o.instead.Load(); p != nil {
		return (*p).Capture(ctx, c)
	}
	return o.answer(ctx, c, func(p *outsidePayment) payment.Answer {
		if p.status == payment.Captured {
			return p.report(c)
		}
		if p.status != payment.Authorized || c.Amount.Amount > p.authorized {
			return payment.Answer{Status: payment.Refused, Code: "not_authorized"}
		}
		p.status, p.captured = payment.Captured, c.Amount.Amount
		return p.report(c)
	})
}

// Void releases the authorized amount, or refuses a later authorization.
func (o *outsideWorld) Void(ctx context.Context, c payment.Call) (payment.Answer, error) {
	if p := o.instead.Load(); p != nil {
		return (*p).Void(ctx, c)
	}
	return o.answer(ctx, c, func(p *outsidePayment) payment.Answer {
		if p.status != payment.Captured {
			p.status = payment.Voided
		}
		return p.report(c)
	})
}

// Refund refunds the captured amount or a part of it.
func (o *outsideWorld) Refund(ctx context.Context, c payment.Call) (payment.Answer, error) {
	if p := o.instead.Load(); p != nil {
		return (*p).Refund(ctx, c)
	}
	return o.answer(ctx, c, func(p *outsidePayment) payment.Answer {
		if c.Amount.Amount > p.captured-p.refunded {
			return payment.Answer{Status: payment.Refused, Code: "exceeds_captured"}
		}
		p.refunded, p.refunds = p.refunded+c.Amount.Amount, append(p.refunds, c.Key)
		return payment.Answer{Status: payment.Refunded, ProviderReference: c.Reference}
	})
}

// TakesMethod accepts every method of the simulator.
func (o *outsideWorld) TakesMethod(token string) bool { return strings.HasPrefix(token, "sim_") }

// LookUp reports the state of a payment.
func (o *outsideWorld) LookUp(ctx context.Context, c payment.Call) (payment.Report, error) {
	if p := o.instead.Load(); p != nil {
		return (*p).LookUp(ctx, c)
	}
	if err := o.travel(ctx); err != nil {
		return payment.Report{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	p, known := o.payments[c.Reference]
	if !known {
		return payment.Report{Answer: payment.Answer{Status: payment.NotFound}}, nil
	}
	return payment.Report{Answer: p.report(c), Refunded: append([]string(nil), p.refunds...)}, nil
}

// Verify refuses: this provider sends no webhooks.
func (o *outsideWorld) Verify(http.Header, []byte) (payment.Notification, error) {
	return payment.Notification{}, errors.New("the outside world sends no webhooks")
}

// answer simulates a call over the network, and repeats its answer for a known key.
func (o *outsideWorld) answer(ctx context.Context, c payment.Call, do func(*outsidePayment) payment.Answer) (payment.Answer, error) {
	if err := o.travel(ctx); err != nil {
		return payment.Answer{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if given, ok := o.answers[c.Key]; ok {
		return given, nil
	}
	p := o.payments[c.Reference]
	if p == nil {
		p = &outsidePayment{status: payment.NotFound}
		o.payments[c.Reference] = p
	}
	o.answers[c.Key] = do(p)
	return o.answers[c.Key], nil
}

// travel waits for a network round trip.
func (o *outsideWorld) travel(ctx context.Context) error {
	latency := time.Duration(o.latency.Load())
	if latency == 0 {
		return nil
	}
	select {
	case <-time.After(latency):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *outsidePayment) report(c payment.Call) payment.Answer {
	return payment.Answer{Status: p.status, ProviderReference: c.Reference, Captured: p.captured}
}
