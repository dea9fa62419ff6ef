package payment_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/payment"
	"shopping-cart/payment/simulator"
	"shopping-cart/platform/database"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const patient = 30 * time.Second // only matters if something hangs

// world is a database with a provider. Processes come and go.
type world struct {
	t     *testing.T
	pools *database.Pools
	sim   *simulator.Simulator
}

func newWorld(t *testing.T) *world {
	t.Helper()
	pools, err := database.Open(t.Context(), pgtest.New(t), database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	none := func() string { return "" }
	return &world{t, pools, simulator.New(simulator.Config{
		Pool: pools.Control, SlowFor: time.Millisecond, Secret: "whisper", WebhookURL: none, PublicURL: none,
	})}
}

// process is one run of the program. A killed process records nothing any more.
type process struct {
	*payment.Module
	committer *eventstore.Committer
	kill      func()
}

func (w *world) start(p payment.Provider, timeout time.Duration) *process {
	c := eventstore.NewCommitter(w.pools.Write, eventstore.CommitterConfig{Begin: w.pools.Begin})
	m := payment.New(payment.Config{
		Database: w.on(c), Providers: []payment.Provider{p}, Timeout: timeout, ActionTTL: time.Hour,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx)
	}()
	kill := func() { cancel(); <-done }
	w.t.Cleanup(kill)
	return &process{m, c, kill}
}

// on returns the database with a committer.
func (w *world) on(c *eventstore.Committer) eventstore.Database {
	return eventstore.Database{Committer: c, Query: w.pools.Query, Control: w.pools.Control, Log: slog.New(slog.DiscardHandler)}
}

func newCharge(token string) payment.Charge {
	return payment.Charge{
		PaymentID: uuid.Must(uuid.NewV7()), OrderID: uuid.Must(uuid.NewV7()), CheckoutID: uuid.Must(uuid.NewV7()),
		CustomerID: "ann", Amount: money.Of(1999, "GBP"), PaymentMethod: token,
	}
}

func undoOf(c payment.Charge) payment.Undo {
	return payment.Undo{PaymentID: c.PaymentID, CheckoutID: c.CheckoutID, Reason: "out_of_stock"}
}

// charge repeats a charge until it is decided or the shopper must act.
func (p *process) charge(t *testing.T, c payment.Charge) payment.Outcome {
	t.Helper()
	for range 20 {
		out, err := p.Charge(t.Context(), c.CheckoutID, c)
		require.NoError(t, err)
		switch out.Result {
		case payment.ResultUnknown, payment.ResultUnavailable:
		case payment.ResultCaptured, payment.ResultRefused, payment.ResultActionRequired, payment.ResultUndone,
			payment.ResultVoiding, payment.ResultTooLate:
			return out
		}
	}
	t.Fatal("the charge does not settle")
	return payment.Outcome{}
}

// undo repeats an undo until nothing is owed.
func (p *process) undo(t *testing.T, c payment.Charge) {
	t.Helper()
	for range 20 {
		out, err := p.Undo(t.Context(), c.CheckoutID, undoOf(c))
		require.NoError(t, err)
		if out.Result == payment.ResultUndone {
			return
		}
	}
	t.Fatal("the undo does not settle")
}

// ledger returns the effects at the provider, in order.
func (w *world) ledger(c payment.Charge) []string {
	w.t.Helper()
	rows, err := w.pools.Query.Query(w.t.Context(), "select operation, amount from simulator.ledger where reference = $1 order by id", c.PaymentID.String())
	require.NoError(w.t, err)
	defer rows.Close()
	operations := []string{}
	for rows.Next() {
		var op string
		var amount int64
		require.NoError(w.t, rows.Scan(&op, &amount))
		require.Equal(w.t, c.Amount.Amount, amount)
		operations = append(operations, op)
	}
	require.NoError(w.t, rows.Err())
	return operations
}

// types returns the types of a payment's events, in order.
func (p *process) types(t *testing.T, c payment.Charge) []string {
	t.Helper()
	events, err := p.Store().ReadStream(t.Context(), c.PaymentID, 0, 100)
	require.NoError(t, err)
	types := []string{}
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

// keys authenticates "Bearer ann" as ann, and "Bearer admin" as an operator.
type keys struct{}

func (keys) Authenticate(_ context.Context, token string) (web.Caller, error) {
	if token == "admin" {
		return web.Caller{Subject: token, Scopes: []string{web.ScopeAdmin}}, nil
	}
	if token == "" {
		return web.Caller{}, errors.New("no token")
	}
	return web.Caller{Subject: token}, nil
}

func send(s http.Handler, method, path, token, body string, headers ...string) *httptest.ResponseRecorder {
	r := request(method, path, body)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}
