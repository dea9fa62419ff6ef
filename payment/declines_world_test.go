package payment_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/payment"
)

// guestOf returns the charge of a new guest at an address.
func guestOf(source, token string) payment.Charge {
	c := newCharge(token)
	c.CustomerID, c.Source, c.Guest = uuid.NewString(), source, true
	return c
}

// careful is a process that limits declined payments. Another process remembers nothing of it.
func (w *world) careful(limits payment.DeclineLimits) *process {
	p := w.start(w.sim, patient)
	p.Module = payment.New(payment.Config{
		Database: w.on(p.committer), Providers: []payment.Provider{w.sim}, Timeout: patient, ActionTTL: time.Hour, Declines: limits, OneDecline: true,
	})
	return p
}

// TestTooManyDeclines tries cards from one address through two processes, and buys from another.
func TestTooManyDeclines(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits := payment.DeclineLimits{Guest: 2, Customer: 3, Address: 5, Window: time.Hour}
	one, other := w.careful(limits), w.careful(limits)
	result := func(p *process, c payment.Charge) string {
		out := p.charge(t, c)
		if out.Failure != nil {
			return out.Failure.Code
		}
		return string(out.Result)
	}
	for n := range 5 {
		p := []*process{one, other}[n%2]
		require.Equal(t, payment.CodeDeclined, result(p, guestOf("unkind", "sim_insufficient_funds")), n)
	}
	good := guestOf("unkind", "sim_ok")
	require.Equal(t, payment.CodeTooManyDeclines, result(other, good), "the last was declined through the other process")
	require.Equal(t, []string{"payment.requested", "payment.declined"}, one.types(t, good))
	require.Empty(t, w.ledger(good))
	require.ErrorContains(t, other.Permits(good.CustomerID, good.Source, true), payment.CodeTooManyDeclines)
	other.undo(t, good)

	honest := guestOf("kind", "sim_ok")
	require.Equal(t, "captured", result(one, honest))
	require.NoError(t, one.Permits(honest.CustomerID, honest.Source, true))
	for want, token := range map[string]string{payment.CodeDeclined: "sim_declined", payment.CodeInsufficientFunds: "sim_insufficient_funds"} {
		c := newCharge(token)
		require.Equal(t, want, result(one, c), "a customer learns why")
		require.Equal(t, want, result(other, c), "asked again, it is not counted again")
	}
}

// TestDeferredCardsAreCountedWhenTheyAreTried defers six cards of one address before any is tried.
func TestDeferredCardsAreCountedWhenTheyAreTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var away atomic.Bool
	away.Store(true)
	tried := &counting{Provider: around{w.sim, func(_ string, call func() error) error {
		if away.Load() {
			return &payment.Transient{Err: &payment.RateLimited{After: time.Millisecond}}
		}
		return call()
	}}}
	p := w.start(w.sim, patient)
	p.Module = payment.New(payment.Config{
		Database: w.on(p.committer), Providers: []payment.Provider{tried}, Timeout: patient, ActionTTL: time.Hour,
		Declines: payment.DeclineLimits{Guest: 2, Customer: 3, Address: 3, Window: time.Hour},
	})
	var cards []payment.Charge
	for range 6 {
		c := guestOf("unkind", "sim_declined")
		cards = append(cards, c)
		out, err := p.Charge(t.Context(), c.CheckoutID, c)
		require.NoError(t, err)
		require.Equal(t, payment.ResultUnavailable, out.Result)
	}
	away.Store(false)
	before := len(tried.made())
	codes := map[string]int{}
	for _, c := range cards {
		out := p.charge(t, c)
		codes[out.Failure.Code]++
		p.undo(t, c)
		require.Empty(t, w.ledger(c))
	}
	require.Equal(t, map[string]int{payment.CodeDeclined: 3, payment.CodeTooManyDeclines: 3}, codes)
	authorizations := 0
	for _, op := range tried.made()[before:] {
		if op == "authorize" {
			authorizations++
		}
	}
	require.Equal(t, 3, authorizations)
}

// TestGoodChargesCountNothing compares the commands and the streams of a charge with and without limits.
func TestGoodChargesCountNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.careful(payment.DeclineLimits{Guest: 2, Customer: 3, Address: 5, Window: time.Hour})
	require.Equal(t, payment.ResultCaptured, p.charge(t, guestOf("kind", "sim_ok")).Result)
	require.Equal(t, eventstore.Counts{Batches: 3, Commands: 3, Events: 4}.Commands, p.committer.Counts().Commands)
	var streams int
	require.NoError(t, w.pools.Query.QueryRow(t.Context(), "select count(*) from payment.streams").Scan(&streams))
	require.Equal(t, 1, streams)
}
