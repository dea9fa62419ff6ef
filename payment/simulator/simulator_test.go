package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/payment"
	"shopping-cart/platform/database"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// bundle is a simulator, its routes, and a receiver of its webhooks.
type bundle struct {
	*Simulator
	routes   *web.Server
	received chan *http.Request // the body is in the header "Test-Body"
	answers  chan int           // of the receiver; 200 when empty
}

type operators struct{}

func (operators) Authenticate(_ context.Context, token string) (web.Caller, error) {
	return web.Caller{Subject: token, Scopes: []string{token}}, nil
}

func setup(t *testing.T) *bundle {
	t.Helper()
	pools, err := database.Open(t.Context(), pgtest.New(t), database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	b := &bundle{received: make(chan *http.Request, 9), answers: make(chan int, 9)}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Header.Set("Test-Body", string(body))
		select {
		case status := <-b.answers:
			w.WriteHeader(status)
		default:
		}
		b.received <- r
	}))
	t.Cleanup(receiver.Close)
	b.Simulator = New(Config{
		Pool: pools.Query, SlowFor: time.Millisecond, Secret: "whisper", Log: slog.New(slog.DiscardHandler),
		WebhookURL: func() string { return receiver.URL }, PublicURL: func() string { return "https://shop.example" },
	})
	b.routes = web.New(web.Config{Auth: operators{}, Log: slog.New(slog.DiscardHandler)})
	b.Routes(b.routes)
	return b
}

// deliver runs the delivery of webhooks until the test ends.
func (b *bundle) deliver(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-done) })
}

func callFor(token string, op operation) payment.Call {
	r := uuid.NewString()
	return payment.Call{Key: r + "/" + string(op), Reference: r, PaymentMethod: token, Amount: money.Of(1999, "GBP")}
}

func (b *bundle) send(method, path, token string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if len(header) == 2 {
		r.Header.Set(header[0], header[1])
	}
	w := httptest.NewRecorder()
	b.routes.ServeHTTP(w, r)
	return w
}

func (b *bundle) next(t *testing.T) *http.Request {
	t.Helper()
	select {
	case r := <-b.received:
		return r
	case <-time.After(20 * time.Second):
		t.Fatal("no webhook came")
		panic("unreachable")
	}
}

func TestSameKeySameAnswer(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(tokenOK, opAuthorize)
	first, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	v := c
	v.Key = c.Reference + "/void"
	_, err = b.Void(t.Context(), v)
	require.NoError(t, err)
	again, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	require.True(t, again.Replayed)
	again.Replayed = false
	require.Equal(t, first, again, "a key repeats what it said, though the payment has moved on")
}

func TestSameKeyAtOnceTakesEffectOnce(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(tokenOK, opAuthorize)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			answer, err := b.Authorize(t.Context(), c)
			if err != nil || answer.Status != payment.Authorized {
				t.Errorf("%v %v", answer, err)
			}
		})
	}
	wg.Wait()
	require.Len(t, b.read(t, "?reference="+c.Reference).Data, 1)
}

func TestAuthorizeAgainstVoid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for range 10 {
		c := callFor(tokenOK, opAuthorize)
		v := c
		v.Key = c.Reference + "/void"
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = b.Authorize(t.Context(), c) })
		wg.Go(func() { _, _ = b.Void(t.Context(), v) })
		wg.Wait()
		report, err := b.LookUp(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, payment.Voided, report.Status)
	}
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for token, want := range map[string]payment.Status{tokenTimeoutApplied: payment.Authorized, tokenTimeoutLost: payment.NotFound} {
		t.Run(token, func(t *testing.T) {
			t.Parallel()
			c := callFor(token, opAuthorize)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := b.Authorize(ctx, c)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.NotErrorAs(t, err, new(*payment.Transient))
			report, err := b.LookUp(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, want, report.Status)
			answer, err := b.Authorize(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, payment.Authorized, answer.Status)
		})
	}
}

func TestFlakyFailsTwiceWithoutEffect(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(tokenFlaky, opAuthorize)
	for range 2 {
		_, err := b.Authorize(t.Context(), c)
		require.ErrorAs(t, err, new(*payment.Transient))
		report, err := b.LookUp(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, payment.NotFound, report.Status)
	}
	answer, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, payment.Authorized, answer.Status)
}

func TestRefundsAreReported(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(tokenRefundFlaky, opAuthorize)
	_, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	c.Key = c.Reference + "/capture"
	_, err = b.Capture(t.Context(), c)
	require.NoError(t, err)
	c.Key, c.Amount.Amount = c.Reference+"/refund/1", 500
	for range 3 {
		_, err = b.Refund(t.Context(), c)
		require.ErrorAs(t, err, new(*payment.Transient))
	}
	answer, err := b.Refund(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, payment.Refunded, answer.Status)
	report, err := b.LookUp(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, []string{c.Key}, report.Refunded)
	c.Key, c.Amount.Amount = c.Reference+"/refund/2", 1500
	for errors.As(err, new(*payment.Transient)) || answer.Status == payment.Refunded {
		answer, err = b.Refund(t.Context(), c)
	}
	require.Equal(t, payment.Refused, answer.Status, "no more than was captured")
}

// TestSequencesBehindTheirRows draws numbers that are taken, as after a restore or logical replication.
func TestSequencesBehindTheirRows(t *testing.T) {
	t.Parallel()
	b := setup(t)
	behind := func() {
		for _, sequence := range []string{"ledger_id_seq", "webhooks_id_seq"} {
			_, err := b.Pool.Exec(t.Context(), "select setval('simulator."+sequence+"', 1, false)")
			require.NoError(t, err)
		}
	}
	waiting := callFor(tokenRequiresAction, opAuthorize)
	c := callFor(tokenRefundedElsewhere, opAuthorize)
	for range 2 {
		answer, err := b.Authorize(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, payment.Authorized, answer.Status)
		behind()
		c.Key = c.Reference + "/capture"
		answer, err = b.Capture(t.Context(), c) // and a webhook of the refund
		require.NoError(t, err)
		require.Equal(t, payment.Captured, answer.Status)
		behind()
		c = callFor(tokenRefundedElsewhere, opAuthorize)
	}
	_, err := b.Authorize(t.Context(), waiting)
	require.NoError(t, err)
	behind()
	require.Equal(t, http.StatusOK, b.send("POST", "/simulator/payments/"+waiting.Reference+"/approve", "").Code)
	waiting.Key = waiting.Reference + "/capture"
	_, err = b.Capture(t.Context(), waiting)
	require.NoError(t, err)
	behind()
	require.Equal(t, http.StatusOK, b.send("POST", "/simulator/payments/"+waiting.Reference+"/refund", "admin").Code)
	var rows, last int
	require.NoError(t, b.Pool.QueryRow(t.Context(), "select count(*), max(id) from simulator.ledger").Scan(&rows, &last))
	require.Equal(t, 9, rows)
	require.Equal(t, 9, last, "each number once, and none left out")
}

func TestBankLeadsBack(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(tokenRequiresAction, opAuthorize)
	_, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	page, back := "/simulator/payments/"+c.Reference, "?return=%2Fshop%2Fcheckouts%2F1"
	for _, elsewhere := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "/%5Cevil.example", "shop", "javascript:alert(1)", "/a\nb", "///evil.example", "/\t/evil.example"} {
		require.NotContains(t, b.send("GET", page+"?return="+url.QueryEscape(elsewhere), "").Body.String(), "return=", elsewhere)
	}
	require.Contains(t, b.send("GET", page+back, "").Body.String(), page+"/approve"+back)
	to := b.send("POST", page+"/deny"+back, "", "Accept", "text/html")
	require.Equal(t, 303, to.Code)
	require.Equal(t, "/shop/checkouts/1", to.Header().Get("Location"))
	to = b.send("POST", page+"/approve"+back, "", "Accept", "text/html") // a button of an outdated page
	require.Equal(t, page+back, to.Header().Get("Location"), "it is shown how the payment stands")
	shown := b.send("GET", page+back, "")
	require.Contains(t, shown.Body.String(), `href="/shop/checkouts/1"`)
	require.NotContains(t, shown.Body.String(), "<button")
	require.Equal(t, "no-store", shown.Header().Get("Cache-Control"))
}

func TestLatencyEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	s := New(Config{SlowFor: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Authorize(ctx, payment.Call{PaymentMethod: tokenSlow})
	require.ErrorIs(t, err, context.Canceled)
}

func TestBank(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(tokenRequiresAction, opAuthorize)
	b.deliver(t)
	page := "/simulator/payments/" + c.Reference
	require.Equal(t, 404, b.send("POST", page+"/approve", "").Code)
	require.Equal(t, 404, b.send("GET", page, "").Code)
	require.Equal(t, 404, b.send("GET", "/simulator/payments/a%00b", "").Code)
	answer, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "https://shop.example"+page, answer.NextAction.URL)
	require.Contains(t, b.send("GET", page, "").Body.String(), "19.99 GBP")
	require.Contains(t, b.send("GET", page, "").Body.String(), "<button")

	require.Equal(t, 200, b.send("POST", page+"/approve", "").Code)
	require.Equal(t, 200, b.send("POST", page+"/approve", "").Code, "said twice is said once")
	require.Equal(t, 409, b.send("POST", page+"/deny", "").Code)
	require.Equal(t, 303, b.send("POST", page+"/approve", "", "Accept", "text/html").Code)
	require.NotContains(t, b.send("GET", page, "").Body.String(), "<button")
	require.Len(t, b.read(t, "?reference="+c.Reference).Data, 1)

	r := b.next(t)
	n, err := b.Verify(r.Header, []byte(r.Header.Get("Test-Body")))
	require.NoError(t, err)
	require.Equal(t, c.Reference, n.Reference)
	require.Equal(t, "payment.authorized", n.Type)
	require.NotEmpty(t, n.ID)
}

func TestWebhooksAreRepeatedUntilTaken(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(tokenRequiresAction, opAuthorize)
	b.answers <- 500
	b.answers <- 302
	_, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, 200, b.send("POST", "/simulator/payments/"+c.Reference+"/deny", "").Code)
	b.deliver(t)
	first := b.next(t).Header.Get("Test-Body")
	require.Equal(t, first, b.next(t).Header.Get("Test-Body"))
	require.Equal(t, first, b.next(t).Header.Get("Test-Body"))
	b.requireQuiet(t)
}

func TestDuplicateWebhooks(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(tokenDuplicateWebhooks, opAuthorize)
	_, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, 200, b.send("POST", "/simulator/payments/"+c.Reference+"/approve", "").Code)
	b.deliver(t)
	require.Equal(t, b.next(t).Header.Get("Test-Body"), b.next(t).Header.Get("Test-Body"))
	b.requireQuiet(t)
}

func TestLateWebhooks(t *testing.T) {
	t.Parallel()
	b, c := setup(t), callFor(tokenLateWebhooks, opAuthorize)
	_, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, 200, b.send("POST", "/simulator/payments/"+c.Reference+"/approve", "").Code)
	var late bool
	query := "select due_at = (select at from simulator.ledger where reference = $1) + interval '3 seconds' from simulator.webhooks where reference = $1"
	require.NoError(t, b.Pool.QueryRow(t.Context(), query, c.Reference).Scan(&late))
	require.True(t, late)
	sent, err := b.deliverDue(t.Context())
	require.NoError(t, err)
	require.Zero(t, sent)
	b.deliver(t)
	require.Contains(t, b.next(t).Header.Get("Test-Body"), c.Reference)
	b.requireQuiet(t)
}

// requireQuiet waits until nothing is left to deliver.
func (b *bundle) requireQuiet(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		var open int
		err := b.Pool.QueryRow(t.Context(), "select count(*) from simulator.webhooks where delivered_at is null").Scan(&open)
		return err == nil && open == 0
	}, 20*time.Second, 10*time.Millisecond)
}

func TestSignature(t *testing.T) {
	t.Parallel()
	s, body := New(Config{Secret: "whisper"}), []byte(`{"id":"evt_1","type":"t","reference":"r"}`)
	for name, c := range map[string]struct {
		header string
		ok     bool
	}{
		"Good":         {s.sign(time.Now(), body), true},
		"Old":          {s.sign(time.Now().Add(-6*time.Minute), body), false},
		"FromTomorrow": {s.sign(time.Now().Add(24*time.Hour), body), false},
		"OtherBody":    {s.sign(time.Now(), []byte("{}")), false},
		"OtherSecret":  {New(Config{Secret: "shout"}).sign(time.Now(), body), false},
		"None":         {"", false},
		"Nonsense":     {"t=now,v1=zz", false},
		"Empty":        {"t=,v1=", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, err := s.Verify(http.Header{signatureHeader: {c.header}}, body)
			if c.ok {
				require.NoError(t, err)
				require.Equal(t, payment.Notification{ID: "evt_1", Type: "t", Reference: "r"}, n)
				return
			}
			require.Error(t, err)
		})
	}
	t.Run("WithoutASecretNothingIsBelieved", func(t *testing.T) {
		t.Parallel()
		s := New(Config{})
		_, err := s.Verify(http.Header{signatureHeader: {s.sign(time.Now(), body)}}, body)
		require.Error(t, err)
	})
}

func (b *bundle) read(t *testing.T, query string) (page web.Page[Entry]) {
	t.Helper()
	r := b.send("GET", "/simulator/ledger"+query, web.ScopeAdmin)
	require.Equal(t, 200, r.Code, r.Body.String())
	require.NoError(t, json.NewDecoder(r.Body).Decode(&page))
	return page
}

func TestLedger(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, 401, b.send("GET", "/simulator/ledger", "").Code)
	require.Equal(t, 403, b.send("GET", "/simulator/ledger", "customer").Code)
	require.Equal(t, []Entry{}, b.read(t, "").Data)
	c := callFor(tokenOK, opAuthorize)
	_, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	c.Key = strings.Replace(c.Key, "authorize", "capture", 1)
	_, err = b.Capture(t.Context(), c)
	require.NoError(t, err)
	_, err = b.Authorize(t.Context(), callFor(tokenOK, opAuthorize))
	require.NoError(t, err)

	first := b.read(t, "?limit=2")
	require.Equal(t, []string{"authorize", "capture"}, []string{first.Data[0].Operation, first.Data[1].Operation})
	require.Equal(t, []any{c.Reference, int64(1999), "GBP"}, []any{first.Data[1].Reference, first.Data[1].Amount, first.Data[1].Currency})
	last := b.read(t, "?limit=2&cursor="+*first.NextCursor)
	require.Len(t, last.Data, 1)
	require.Nil(t, last.NextCursor)
	require.Len(t, b.read(t, "?reference="+c.Reference).Data, 2)
}
