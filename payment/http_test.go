package payment_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/payment"
	"shopping-cart/payment/simulator"
	"shopping-cart/platform/web"
)

func request(method, path, body string) *http.Request {
	return httptest.NewRequest(method, path, bytes.NewBufferString(body))
}

// shop is a world with a simulator that sends its webhooks over HTTP to a served module.
type shop struct {
	*world
	*process
	server *web.Server
	woken  chan eventstore.Message[payment.Notified]
}

func newShop(t *testing.T) *shop {
	t.Helper()
	w := newWorld(t)
	var address string
	sim := simulator.New(simulator.Config{
		Pool: w.pools.Control, Secret: "whisper", WebhookURL: func() string { return address + "/v1/webhooks/payments/simulator" },
		PublicURL: func() string { return "https://shop.example" },
	})
	w.sim = sim
	s := &shop{world: w, server: web.New(web.Config{Auth: keys{}, Log: slog.New(slog.DiscardHandler)}), woken: make(chan eventstore.Message[payment.Notified], 9)}
	c := eventstore.NewCommitter(w.pools.Write, eventstore.CommitterConfig{Begin: w.pools.Begin})
	m := payment.New(payment.Config{Database: w.on(c), Providers: []payment.Provider{sim}, Timeout: patient, ActionTTL: time.Hour})
	eventstore.Subscribe(m.Store(), "test", func(_ context.Context, n eventstore.Message[payment.Notified]) error {
		s.woken <- n
		return nil
	})
	s.process = &process{Module: m, committer: c}
	m.Routes(s.server)
	sim.Routes(s.server)
	front := httptest.NewServer(s.server)
	t.Cleanup(front.Close)
	address = front.URL
	s.run(t, c.Run)
	s.run(t, m.Run)
	s.run(t, sim.Run)
	return s
}

func (s *shop) run(t *testing.T, loop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- loop(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func (s *shop) waitWoken(t *testing.T) eventstore.Message[payment.Notified] {
	t.Helper()
	select {
	case n := <-s.woken:
		return n
	case <-time.After(20 * time.Second):
		t.Fatal("nobody was woken")
		panic("unreachable")
	}
}

func TestBank(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		token, word string
		want        payment.Result
		code        string
	}{
		"Approve":           {"sim_requires_action", "approve", payment.ResultCaptured, ""},
		"Deny":              {"sim_requires_action", "deny", payment.ResultRefused, payment.CodeAuthenticationFailed},
		"ApproveWithAnEcho": {"sim_duplicate_webhooks", "approve", payment.ResultCaptured, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, charge := newShop(t), newCharge(c.token)
			out := s.charge(t, charge)
			require.Equal(t, payment.ResultActionRequired, out.Result)
			require.Equal(t, "https://shop.example/simulator/payments/"+charge.PaymentID.String(), out.NextAction.URL)
			require.WithinRange(t, out.Deadline, time.Now().Add(time.Minute), time.Now().Add(2*time.Hour))

			require.Equal(t, 200, send(s.server, "POST", "/simulator/payments/"+charge.PaymentID.String()+"/"+c.word, "", "").Code)
			n := s.waitWoken(t)
			require.Equal(t, charge.CheckoutID, n.Event.CheckoutID)
			require.Equal(t, charge.PaymentID, n.Stream)

			out = s.charge(t, charge)
			require.Equal(t, c.want, out.Result)
			if c.code != "" {
				require.Equal(t, c.code, out.Failure.Code)
			}
			s.requireDelivered(t)
			require.Equal(t, 1, strings.Count(strings.Join(s.types(t, charge), " "), "payment.notified"), "twice is once")
		})
	}
}

// requireDelivered waits until every webhook has arrived and is handled.
func (s *shop) requireDelivered(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		var open int
		err := s.pools.Query.QueryRow(t.Context(), `select (select count(*) from simulator.webhooks where delivered_at is null)
			+ (select count(*) from payment.webhooks where handled_at is null)`).Scan(&open)
		return err == nil && open == 0
	}, 20*time.Second, 10*time.Millisecond)
}

// TestGuestsHaveLessTime: the deadline of a guest at the bank is its own.
func TestGuestsHaveLessTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := eventstore.NewCommitter(w.pools.Write, eventstore.CommitterConfig{Begin: w.pools.Begin})
	m := payment.New(payment.Config{Database: w.on(c), Providers: []payment.Provider{w.sim}, Timeout: patient, ActionTTL: time.Hour, GuestTTL: time.Minute})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = c.Run(ctx) }()
	p := &process{Module: m, committer: c}
	for guest, ttl := range map[bool]time.Duration{false: time.Hour, true: time.Minute} {
		charge := newCharge("sim_requires_action")
		charge.Guest = guest
		require.WithinDuration(t, time.Now().Add(ttl), p.charge(t, charge).Deadline, 30*time.Second)
	}
}

// TestExpiredAction charges before and after the deadline, without an event in between.
func TestExpiredAction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := eventstore.NewCommitter(w.pools.Write, eventstore.CommitterConfig{Begin: w.pools.Begin})
	m := payment.New(payment.Config{Database: w.on(c), Providers: []payment.Provider{w.sim}, Timeout: patient, ActionTTL: time.Second})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = c.Run(ctx) }()
	p, charge := &process{Module: m, committer: c}, newCharge("sim_requires_action")
	var out payment.Outcome
	for out = p.charge(t, charge); out.Result == payment.ResultActionRequired; out = p.charge(t, charge) {
		require.WithinDuration(t, time.Now(), out.Deadline, 20*time.Second, "and not waited for in vain")
	}
	require.Equal(t, payment.ResultRefused, out.Result)
	require.Equal(t, payment.CodeAuthenticationExpired, out.Failure.Code)
	require.Equal(t, []string{"payment.requested", "payment.action_required", "payment.undo_requested"}, p.types(t, charge))
	p.undo(t, charge)
	require.Empty(t, w.ledger(charge))
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const path = "/v1/webhooks/payments/simulator"
	require.Equal(t, 404, send(s.server, "POST", "/v1/webhooks/payments/nobody", "", "{}").Code)
	bad := send(s.server, "POST", path, "", `{"id":"evt_1","type":"x","reference":"y"}`, "Simulator-Signature", "t=1,v1=00")
	require.Equal(t, 400, bad.Code)
	require.Contains(t, bad.Body.String(), "bad_signature")
	require.Equal(t, 400, send(s.server, "POST", path, "", "{}").Code)
}

// TestWokenTwiceIsOnce simulates a crash after a payment was woken, and before that was stored.
func TestWokenTwiceIsOnce(t *testing.T) {
	t.Parallel()
	s, c := newShop(t), newCharge("sim_requires_action")
	s.charge(t, c)
	require.Equal(t, 200, send(s.server, "POST", "/simulator/payments/"+c.PaymentID.String()+"/approve", "", "").Code)
	s.waitWoken(t)
	s.requireDelivered(t)
	tag, err := s.pools.Query.Exec(t.Context(), "update payment.webhooks set handled_at = null, due_at = now()")
	require.NoError(t, err)
	require.Equal(t, int64(1), tag.RowsAffected())
	s.requireDelivered(t)
	require.Equal(t, []string{"payment.requested", "payment.action_required", "payment.notified"}, s.types(t, c))
}

func TestWebhookOfNobody(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for i, reference := range []string{"no uuid", uuid.NewString()} {
		_, err := s.pools.Query.Exec(t.Context(), "insert into payment.webhooks (provider, id, type, reference, body) values ('simulator', $1, 't', $2, '')",
			string(rune('a'+i)), reference)
		require.NoError(t, err)
	}
	s.requireDelivered(t) // the sweep finds webhooks without a signal, as after a crash
	var notes int
	require.NoError(t, s.pools.Query.QueryRow(t.Context(), "select count(*) from payment.webhooks where note is not null").Scan(&notes))
	require.Equal(t, 2, notes)
}

func TestShow(t *testing.T) {
	t.Parallel()
	s, c := newShop(t), newCharge("sim_ok")
	path := "/v1/payments/" + c.PaymentID.String()
	require.Equal(t, 401, send(s.server, "GET", path, "", "").Code)
	require.Equal(t, 404, send(s.server, "GET", path, "ann", "").Code)
	s.charge(t, c)
	require.Equal(t, 404, send(s.server, "GET", path, "bob", "").Code)
	require.Equal(t, 404, send(s.server, "GET", "/v1/payments/1", "ann", "").Code)
	require.Equal(t, 200, send(s.server, "GET", path, "admin", "").Code)
	got := send(s.server, "GET", path, "ann", "")
	require.Equal(t, 200, got.Code)
	require.Equal(t, 304, send(s.server, "GET", path, "ann", "", "If-None-Match", got.Header().Get("ETag")).Code)
	view := show(t, got)
	require.Equal(t, []any{"captured", c.OrderID.String(), "simulator", c.PaymentID.String(), nil},
		[]any{view["status"], view["order_id"], view["provider"], view["provider_reference"], view["failure"]})
	require.Equal(t, map[string]any{"amount": 1999.0, "currency": "GBP"}, view["captured"])
	require.Equal(t, []any{}, view["refunds"])

	s.undo(t, c)
	view = show(t, send(s.server, "GET", path, "ann", ""))
	require.Equal(t, "refunded", view["status"])
	require.Equal(t, "succeeded", view["refunds"].([]any)[0].(map[string]any)["status"])

	d := newCharge("sim_declined")
	s.charge(t, d)
	view = show(t, send(s.server, "GET", "/v1/payments/"+d.PaymentID.String(), "ann", ""))
	require.Equal(t, "declined", view["status"])
	require.Equal(t, payment.CodeDeclined, view["failure"].(map[string]any)["code"])
}

func show(t *testing.T, r *httptest.ResponseRecorder) (view map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(r.Body.Bytes(), &view))
	return view
}
