package gates

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin/reconcile"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/payment/stripe/stripetest"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// TestNetworkToProvider lets the network between two replicas and Stripe fail, in every way and one after the other: the calls
// of one replica or of both, and the webhooks on their way back, while shoppers check out, approve at their bank, are given
// back a part or all of it. Whoever has nothing to pay notices nothing. In the end Stripe's book and ours are the same to the
// penny, nobody was charged twice, and nobody with a good card went without.
//
//	go test ./e2e/gates -run TestNetworkToProvider -timeout 30m -network-minutes 5 -v
func TestNetworkToProvider(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts two replicas")
	}
	luck, plan := rand.New(rand.NewPCG(harness.SeedOf(t), 1)), planTroubles()
	b := newBank(t, 2)
	c := b.opens(t)
	in := databasesOf(t, b.Fleet)
	t.Cleanup(func() { b.saysWhatIsOpen(t, in) })
	var spells []spell
	deal := troublesInTurn(luck)
	for began := time.Now(); time.Since(began) < plan.until && (plan.few == 0 || len(spells) < plan.few); {
		kind := deal(len(spells))
		s := spell{name: kind.name, toxics: kind.draw(luck), victims: luck.Perm(len(b.ways))[:1+luck.IntN(len(b.ways))], lasted: between(luck, plan.lasts)}
		c.runFor(t, between(luck, plan.every))
		for _, i := range s.victims {
			b.ways[i].ails(t, s.toxics)
		}
		over := time.Now().Add(s.lasted)
		for once := true; once || time.Now().Before(over); once = false {
			harness.CheckOutFree(t, b.Up(t), stripetest.Declined)
			c.requireClean(t)
		}
		for _, i := range s.victims {
			b.ways[i].heals(t)
		}
		s.recovered = b.charges(t)
		for _, i := range s.victims {
			b.ways[i].clear(t)
		}
		t.Log(s)
		spells = append(spells, s)
	}
	b.AwaitAnswers(t, 50)
	bought := c.finish(t)
	b.booksAgree(t, in)
	books, err := harness.ReadBooks(t.Context(), in)
	require.NoError(t, err)
	require.Empty(t, acknowledgedLoss(books, bought))
	require.Empty(t, c.refusals, "the provider's trouble is nobody else's")
	for _, p := range bought {
		if p.Method == stripetest.Good || p.Method == stripetest.Secured {
			require.Equal(t, saga.Completed, books.Sagas[p.Checkout].Status, "%s was refused: %+v", p.Checkout, books.Sagas[p.Checkout])
		}
	}
	found := harness.Auditor(t, b.Up(t), func(m *reconcile.Module) { m.MinAge = time.Nanosecond }).Reconcile(t, http.MethodGet)
	require.Empty(t, found.Data)
	t.Logf("%d spells, %d checkouts, %d refunds and %d orders cancelled, %d webhooks sent %d times, refused on the way: %v", len(spells), len(bought),
		b.refunds.Load(), b.cancelled.Load(), b.webhooks.Load(), b.sent.Load(), c.refusals)
}

// bank is Stripe, pretended, with a way to it from each replica and a way back for its webhooks.
type bank struct {
	*stripetest.Server
	*harness.Fleet
	ways  []wire // to it, one for each replica; then those back, one for each replica
	back  []string
	shelf []string
	admin string

	told                                     sync.WaitGroup
	turn, refunds, cancelled, webhooks, sent atomic.Int64
}

// newBank starts replicas that pay there.
func newBank(t *testing.T, replicas int) *bank {
	t.Helper()
	server, stop := stripetest.New()
	t.Cleanup(stop)
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	b := &bank{Server: server, Fleet: &harness.Fleet{Limit: harness.Patience}}
	database := pgtest.New(t)
	for range replicas {
		way := newWire(t, at.Host)
		one := harness.NewFleet(t, 1, database, "PAYMENT_PROVIDER="+config.Stripe, "STRIPE_API_BASE=http://"+way.Listen, "PAYMENT_TIMEOUT=500ms",
			"STRIPE_SECRET_KEY="+stripetest.SecretKey, "STRIPE_WEBHOOK_SECRET="+stripetest.WebhookSecret)
		b.ways, b.Replicas = append(b.ways, way), append(b.Replicas, one.Replicas...)
	}
	for _, h := range b.Replicas {
		base := h.Base()
		at, err := url.Parse(base)
		require.NoError(t, err)
		way := newWire(t, at.Host)
		b.ways, b.back = append(b.ways, way), append(b.back, "http://"+way.Listen)
	}
	t.Cleanup(func() {
		for _, w := range b.ways {
			w.clear(t)
		}
	})
	return b
}

// opens lets shoppers in.
func (b *bank) opens(t *testing.T) *load {
	s := b.Up(t)
	b.admin, b.shelf = s.Admin, []string{s.AddProduct(t, 450), s.AddProduct(t, 1999)}
	s.SetStock(t, b.shelf[0], 1_000_000)
	t.Cleanup(b.told.Wait)
	return startLoad(t, b.Fleet, 8, b.shelf, []string{
		stripetest.Good, stripetest.Secured, stripetest.Good, stripetest.Silent, stripetest.Good, stripetest.Declined, stripetest.Lost, stripetest.CaptureFails,
	}, func(c *load) {
		c.approve = func(ctx context.Context, payment uuid.UUID) error {
			if b.Approve(payment.String()) {
				b.tells(ctx, payment)
			}
			return nil
		}
		c.after = b.changesTheirMind
	})
}

// tells sends a webhook, as Stripe does: again and again until it is answered, and now and then once more.
func (b *bank) tells(ctx context.Context, payment uuid.UUID) {
	b.webhooks.Add(1)
	b.told.Go(func() {
		for answered := int64(0); answered <= b.turn.Add(1)%3/2 && ctx.Err() == nil; {
			b.sent.Add(1)
			if b.sends(ctx, payment) {
				answered++
			} else {
				pause(ctx, 100*time.Millisecond)
			}
		}
	})
}

func (b *bank) sends(ctx context.Context, payment uuid.UUID) (answered bool) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	header, body := b.Event("evt_"+payment.String(), "payment_intent.amount_capturable_updated", payment.String(), time.Now())
	to := b.back[int(b.turn.Add(1))%len(b.back)] + "/v1/webhooks/payments/stripe"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return false
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/json")
	response, err := harness.Browser.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// changesTheirMind has what was bought given back, in parts or as a whole, now and then.
func (b *bank) changesTheirMind(ctx context.Context, p harness.Purchase) (kept bool, err error) {
	c, err := harness.RetryAs[harness.CheckoutView](ctx, b.Fleet, http.MethodGet, "/v1/checkouts/"+p.Checkout.String(), p.Shopper.Token, nil)
	if err != nil || c.Status != saga.Completed {
		return true, err
	}
	operator, path, reason := b.admin, "/v1/orders/"+c.OrderID.String(), map[string]any{"reason": "Broken."}
	switch b.turn.Add(1) % 4 {
	case 0:
		b.cancelled.Add(1)
		_, err = harness.RetryAs[harness.OrderView](ctx, b.Fleet, http.MethodPost, path+"/cancel", p.Shopper.Token, reason, "Idempotency-Key", c.ID.String())
		return false, err
	case 1:
		for _, pence := range []int64{100, 250} {
			b.refunds.Add(1)
			reason["amount"] = harness.GBP(pence)
			if _, err = harness.RetryAs[harness.RefundView](ctx, b.Fleet, http.MethodPost, path+"/refunds", operator, reason,
				"Idempotency-Key", fmt.Sprintf("%s-%d", c.ID, pence), "Prefer", "wait=1"); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

// charges has each replica charge a good card as soon as it can, and says how long it took.
func (b *bank) charges(t *testing.T) []time.Duration {
	t.Helper()
	began, took := time.Now(), make([]time.Duration, len(b.Replicas))
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	var all sync.WaitGroup
	for i, h := range b.Replicas {
		all.Go(func() {
			alone := &harness.Fleet{Replicas: []*harness.Host{h}, Limit: harness.Patience}
			p, err := harness.Buy(ctx, alone, b.shelf, stripetest.Good)
			for end := (harness.CheckoutView{}); err == nil && end.Status != saga.Completed; {
				end, err = harness.RetryAs[harness.CheckoutView](ctx, alone, http.MethodGet, "/v1/checkouts/"+p.Checkout.String(), p.Shopper.Token, nil, "Prefer", "wait=1")
			}
			if err == nil {
				took[i] = time.Since(began)
			}
		})
	}
	all.Wait()
	require.NotContains(t, took, time.Duration(0), "a replica does not charge again")
	return took
}

// saysWhatIsOpen of a test that failed: what has not ended, and how its payment stands with us and with Stripe.
func (b *bank) saysWhatIsOpen(t *testing.T, in map[string]harness.Querier) {
	if !t.Failed() {
		return
	}
	ours, err := harness.ReadBooks(context.Background(), in)
	t.Logf("read the books: %v", err)
	for id, s := range ours.Sagas {
		if s.Status.Ended() {
			continue
		}
		of := s.Checkout.PaymentID
		if s.Refund != nil {
			of = s.Refund.PaymentID
		}
		t.Logf("%s %s is %s\n%+v\n%+v\n%+v", s.Type, id, s.Status, s.Steps, ours.Payments[of], b.Accounts()[of.String()])
	}
}

// booksAgree waits until nothing is under way, and then holds what was written against the promises, with Stripe's book as the
// provider's.
func (b *bank) booksAgree(t *testing.T, in map[string]harness.Querier) {
	t.Helper()
	var wrong []string
	ctx, cancel := context.WithTimeout(t.Context(), 5*harness.Patience) // who failed often pauses for up to one and a half minutes
	defer cancel()
	kept := harness.Eventually(ctx, func() bool {
		ours, err := harness.ReadBooks(ctx, in)
		if err != nil {
			return false
		}
		wrong = ours.Faults
		says := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
		for reference, a := range b.Accounts() {
			id := uuid.MustParse(reference)
			ours.Ledger[id] = harness.Entries{Authorized: a.Received + a.Open, Captured: a.Received, Refunded: a.Refunded, Captures: int64(a.Captured)}
			if a.Intents != 1 {
				says("payment %s has %d intents", id, a.Intents)
			}
			if ours.Payments[id].OrderID == uuid.Nil {
				says("payment %s is unknown to us", id)
			}
		}
		ours.CheckCharges(says)
		ours.CheckOrders(says)
		ours.CheckStock(says)
		ours.CheckFinished(says)
		for id, s := range ours.Sagas {
			if !s.Status.Ended() {
				says("%s: %+v", id, s.Steps)
			}
		}
		return len(wrong) == 0
	})
	require.True(t, kept, "the books differ: %q", wrong)
}
