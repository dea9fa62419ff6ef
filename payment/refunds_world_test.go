package payment_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/payment"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

var background = context.Background()

// requests requests a refund of an amount in pence under a key. 0 means all that is left.
func (p *process) requests(c payment.Charge, pence int64, key uuid.UUID) (uuid.UUID, error) {
	r := payment.RequestRefund{PaymentID: c.PaymentID, Reason: "Broken."}
	if pence > 0 {
		amount := money.Of(pence, "GBP")
		r.Amount = &amount
	}
	requested, err := p.RequestRefund(background, web.Write{ID: key, Fingerprint: []byte{byte(pence), byte(pence >> 8)}, Actor: "operator"}, r)
	return requested.RefundID, err
}

// refunds repeats a refund until it is made or has failed.
func (p *process) refunds(t require.TestingT, c payment.Charge, id uuid.UUID) payment.Result {
	for range 20 {
		out, err := p.Refund(background, c.CheckoutID, payment.Refund{PaymentID: c.PaymentID, RefundID: id})
		require.NoError(t, err)
		if out.Result == payment.ResultRefunded || out.Result == payment.ResultRefused {
			return out.Result
		}
	}
	require.FailNow(t, "the refund does not settle")
	return ""
}

// book returns the ledger's sums of a payment, in pence, and the number of refunds.
func (w *world) book(t require.TestingT, c payment.Charge) (captured, refunded int64, refunds int) {
	require.NoError(t, w.pools.Query.QueryRow(background, `select coalesce(sum(amount) filter (where operation = 'capture'), 0),
		coalesce(sum(amount) filter (where operation = 'refund'), 0), count(*) filter (where operation = 'refund')
		from simulator.ledger where reference = $1`, c.PaymentID.String()).Scan(&captured, &refunded, &refunds))
	return captured, refunded, refunds
}

func TestRefundTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for token, first := range map[string]payment.Result{
		"sim_ok": payment.ResultRefunded, "sim_slow": payment.ResultRefunded,
		"sim_flaky": payment.ResultUnavailable, "sim_refund_flaky": payment.ResultUnavailable,
		"sim_timeout_applied": payment.ResultUnknown, "sim_timeout_lost": payment.ResultUnknown,
	} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			timeout := patient
			if first == payment.ResultUnknown {
				timeout = hasty
			}
			p, c := w.start(w.sim, timeout), newCharge(token)
			p.charge(t, c)
			id, err := p.requests(c, 500, uuid.New())
			require.NoError(t, err)
			out, err := p.Refund(t.Context(), c.CheckoutID, payment.Refund{PaymentID: c.PaymentID, RefundID: id})
			require.NoError(t, err)
			require.Equal(t, first, out.Result)
			require.Equal(t, payment.ResultRefunded, p.refunds(t, c, id))
			_, refunded, n := w.book(t, c)
			require.Equal(t, []int64{500, 1}, []int64{refunded, int64(n)})
			p.undo(t, c)
			captured, refunded, n := w.book(t, c)
			require.Equal(t, []int64{captured, 2}, []int64{refunded, int64(n)}, "an undo gives back the rest")
		})
	}
}

// TestRefundThatFailedIsFree lets the provider refuse a refund for good, and requests the amount again under another key.
func TestRefundThatFailedIsFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	healthy, c := w.start(w.sim, patient), newCharge("sim_ok")
	healthy.charge(t, c)
	stern := w.start(refusing{w.sim}, patient)
	id, err := stern.requests(c, 0, uuid.New())
	require.NoError(t, err)
	require.Equal(t, payment.ResultRefused, stern.refunds(t, c, id))
	require.Equal(t, payment.ResultRefused, healthy.refunds(t, c, id), "what failed for good stays so")
	again, err := healthy.requests(c, 0, uuid.New())
	require.NoError(t, err)
	require.NotEqual(t, id, again)
	require.Equal(t, payment.ResultRefunded, healthy.refunds(t, c, again))
	captured, refunded, _ := w.book(t, c)
	require.Equal(t, captured, refunded)
}

// TestRefundCrashesAnywhere kills the process before and after the call to the provider, twice.
func TestRefundCrashesAnywhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	healthy := w.start(w.sim, patient)
	for n := range 8 {
		first, second, both := n%2 == 1, n/2%2 == 1, n/4 == 1
		t.Run(fmt.Sprintf("%v %v %v", first, second, both), func(t *testing.T) {
			t.Parallel()
			c := newCharge("sim_ok")
			healthy.charge(t, c)
			id, err := healthy.requests(c, 700, uuid.New())
			require.NoError(t, err)
			refund := func(p *process) error {
				_, err := p.Refund(background, c.CheckoutID, payment.Refund{PaymentID: c.PaymentID, RefundID: id})
				return err
			}
			require.True(t, w.crash(1, first, refund))
			if both {
				require.True(t, w.crash(1, second, refund))
			}
			require.Equal(t, payment.ResultRefunded, healthy.refunds(t, c, id))
			_, refunded, made := w.book(t, c)
			require.Equal(t, []int64{700, 1}, []int64{refunded, int64(made)})
		})
	}
}

// TestRefundsNeverPassWhatWasTaken makes random refunds, repeated, concurrent, crashed and compensated, and compares them with the ledger.
func TestRefundsNeverPassWhatWasTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, stern := w.start(w.sim, patient), w.start(refusing{w.sim}, patient)
	rapid.Check(t, func(t *rapid.T) {
		c, keys, known := newCharge("sim_ok"), []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}, map[uuid.UUID]int64{}
		_, err := p.Charge(background, c.CheckoutID, c)
		require.NoError(t, err)
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			id := keys[rapid.IntRange(0, len(keys)-1).Draw(t, "key")]
			pence := rapid.SampledFrom([]int64{0, 1, 500, 999, 1000, 1999, 2000}).Draw(t, "pence")
			refund, err := p.requests(c, pence, id)
			if _, refused := fault.As(err); !refused {
				require.NoError(t, err)
				known[refund]++
			}
			switch rapid.SampledFrom([]string{"later", "now", "race", "fails", "undo"}).Draw(t, "then") {
			case "later":
			case "now":
				w.refundAll(t, p, c, known)
			case "race":
				atOnce(2, func(int) { w.refundAll(t, p, c, known) })
			case "fails":
				out, err := stern.Refund(background, c.CheckoutID, payment.Refund{PaymentID: c.PaymentID, RefundID: refund})
				require.NoError(t, err)
				require.NotEqual(t, payment.ResultUnavailable, out.Result)
			case "undo":
				_, err := p.Undo(background, c.CheckoutID, undoOf(c))
				require.NoError(t, err)
			}
			captured, refunded, _ := w.book(t, c)
			require.LessOrEqual(t, refunded, captured)
		}
		w.refundAll(t, p, c, known)
		var done int64
		require.NoError(t, w.pools.Query.QueryRow(background, `select coalesce(sum((r ->> 'amount')::int8), 0) from payment.streams,
			json_array_elements(coalesce(state -> 'refunds', '[]')) r where id = $1 and r ->> 'status' = 'done'`, c.PaymentID).Scan(&done))
		_, refunded, _ := w.book(t, c)
		require.Equal(t, refunded, done, "the payment knows what the ledger knows")
	})
}

func (w *world) refundAll(t require.TestingT, p *process, c payment.Charge, all map[uuid.UUID]int64) {
	for id := range all {
		p.refunds(t, c, id)
	}
}

// refusing refuses every refund for good.
type refusing struct{ payment.Provider }

func (refusing) Refund(context.Context, payment.Call) (payment.Answer, error) {
	return payment.Answer{Status: payment.Refused, Code: "closed"}, nil
}
