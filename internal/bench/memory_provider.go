package bench

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"shopping-cart/client"
	"shopping-cart/payment"
)

// memoryProvider is the payment provider of the benchmarks: correct, with its ledger in memory and a configurable latency. The
// writes of a real provider are no cost of ours.
type memoryProvider struct {
	latency  atomic.Int64                     // of a call, a time.Duration
	delegate atomic.Pointer[payment.Provider] // takes all calls unless nil

	mu       sync.Mutex
	answers  map[string]payment.Answer // by key
	payments map[string]*memoryPayment
}

// memoryPayment is a payment in the ledger, by the reference that we chose. Amounts are minor units.
type memoryPayment struct {
	status             payment.Status
	authorized         int64
	captured, refunded int64
	refunds            []string // keys
}

func newMemoryProvider() *memoryProvider {
	return &memoryProvider{answers: map[string]payment.Answer{}, payments: map[string]*memoryPayment{}}
}

// Name returns a name that no real provider has.
func (m *memoryProvider) Name() string { return "outside-world" }

// Authorize reserves the amount, unless the payment was voided before.
func (m *memoryProvider) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return m.call(ctx, c, payment.Provider.Authorize, func(p *memoryPayment) payment.Answer {
		if p.status == payment.Voided {
			return payment.Answer{Status: payment.Declined, Code: payment.CodeDeclined}
		}
		if p.status == payment.NotFound {
			p.status, p.authorized = payment.Authorized, c.Amount.Amount
		}
		return p.answer(c)
	})
}

// Capture captures the authorized amount.
func (m *memoryProvider) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return m.call(ctx, c, payment.Provider.Capture, func(p *memoryPayment) payment.Answer {
		if p.status == payment.Captured {
			return p.answer(c)
		}
		if p.status != payment.Authorized || c.Amount.Amount > p.authorized {
			return payment.Answer{Status: payment.Refused, Code: "not_authorized"}
		}
		p.status, p.captured = payment.Captured, c.Amount.Amount
		return p.answer(c)
	})
}

// Void releases the authorized amount, or refuses a later authorization.
func (m *memoryProvider) Void(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return m.call(ctx, c, payment.Provider.Void, func(p *memoryPayment) payment.Answer {
		if p.status != payment.Captured {
			p.status = payment.Voided
		}
		return p.answer(c)
	})
}

// Refund refunds the captured amount or a part of it.
func (m *memoryProvider) Refund(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return m.call(ctx, c, payment.Provider.Refund, func(p *memoryPayment) payment.Answer {
		if c.Amount.Amount > p.captured-p.refunded {
			return payment.Answer{Status: payment.Refused, Code: "exceeds_captured"}
		}
		p.refunded, p.refunds = p.refunded+c.Amount.Amount, append(p.refunds, c.Key)
		return payment.Answer{Status: payment.Refunded, ProviderReference: c.Reference}
	})
}

// AcceptsPaymentMethod accepts every method of the simulator.
func (m *memoryProvider) AcceptsPaymentMethod(token string) bool {
	return strings.HasPrefix(token, "sim_")
}

// LookUp reports the state of a payment.
func (m *memoryProvider) LookUp(ctx context.Context, c payment.Call) (payment.Report, error) {
	if p := m.delegate.Load(); p != nil {
		return (*p).LookUp(ctx, c)
	}
	if err := m.roundTrip(ctx); err != nil {
		return payment.Report{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p, known := m.payments[c.Reference]
	if !known {
		return payment.Report{Answer: payment.Answer{Status: payment.NotFound}}, nil
	}
	return payment.Report{Answer: p.answer(c), Refunded: slices.Clone(p.refunds)}, nil
}

// Verify refuses: this provider sends no webhooks.
func (m *memoryProvider) Verify(http.Header, []byte) (payment.Notification, error) {
	return payment.Notification{}, errors.New("the provider of the benchmarks sends no webhooks")
}

// operation is a method of a provider that changes a payment.
type operation func(payment.Provider, context.Context, payment.Call) (payment.Answer, error)

// call simulates a call over the network, and repeats its answer for a known key.
func (m *memoryProvider) call(ctx context.Context, c payment.Call, method operation, do func(*memoryPayment) payment.Answer) (payment.Answer, error) {
	if p := m.delegate.Load(); p != nil {
		return method(*p, ctx, c)
	}
	if err := m.roundTrip(ctx); err != nil {
		return payment.Answer{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if given, ok := m.answers[c.Key]; ok {
		return given, nil
	}
	p := m.payments[c.Reference]
	if p == nil {
		p = &memoryPayment{status: payment.NotFound}
		m.payments[c.Reference] = p
	}
	m.answers[c.Key] = do(p)
	return m.answers[c.Key], nil
}

// roundTrip waits for the latency.
func (m *memoryProvider) roundTrip(ctx context.Context) error {
	latency := time.Duration(m.latency.Load())
	if latency == 0 {
		return nil
	}
	return client.Sleep(ctx, latency)
}

func (p *memoryPayment) answer(c payment.Call) payment.Answer {
	return payment.Answer{Status: p.status, ProviderReference: c.Reference, Captured: p.captured}
}
