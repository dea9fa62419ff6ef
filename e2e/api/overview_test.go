package api

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
)

// TestOverview: what operators see of the shop is what happened in it.
func TestOverview(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach)
	ada, sku := s.Shopper(t), s.AddProduct(t, 1000)
	look := func() admin.OverviewView { return harness.Get[admin.OverviewView](t, s, "/v1/admin/overview", s.Admin) }
	empty := look()
	require.Len(t, empty.Checkouts.Minutes, 60)
	require.Empty(t, empty.Today)
	require.Zero(t, empty.Checkouts.P95Seconds)

	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	harness.RequireProblem(t, ada.CheckOut(t, ada.Fill(t, sku), "sim_declined", harness.Waiting), http.StatusPaymentRequired, "payment_declined")
	waits := ada.CheckOutAtBank(t, ada.Fill(t, sku), "sim_requires_action")
	body := map[string]any{"amount": harness.GBP(250), "reason": "A scratch."}
	s.Send(t, http.MethodPost, "/v1/orders/"+done.OrderID.String()+"/refunds", s.Admin, body, "Idempotency-Key", uuid.NewString())
	elsewhere := map[string]any{"amount": harness.GBP(100)}
	require.Equal(t, http.StatusOK, s.Send(t, http.MethodPost, "/simulator/payments/"+done.PaymentID.String()+"/refund", s.Admin, elsewhere).StatusCode)
	harness.Until(t, "the overview tells it all", func() bool {
		v, all := look(), admin.MinuteView{}
		for _, m := range v.Checkouts.Minutes {
			all.Completed, all.Failed, all.Running = all.Completed+m.Completed, all.Failed+m.Failed, all.Running+m.Running
		}
		for _, u := range v.Unfinished {
			if u.Type == "checkout" && (u.RequiresAction != 1 || u.OldestAgeSeconds <= 0) {
				return false
			}
		}
		return all.Completed == 2 && all.Failed == 1 && all.Running == 1 && len(v.Today) == 1 && v.Today[0].Captured.Amount == 2000 &&
			v.Today[0].Refunded.Amount == 350 && v.Checkouts.P50Seconds > 0 && v.Checkouts.P95Seconds >= v.Checkouts.P50Seconds
	})
	require.Len(t, look().Lag, 5)
	harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, waits.ID, "Prefer", harness.Waiting), http.StatusOK)
	harness.Until(t, "what was counted as running is counted as cancelled", func() bool {
		running, cancelled := 0, 0
		for _, m := range look().Checkouts.Minutes {
			running, cancelled = running+m.Running, cancelled+m.Cancelled
		}
		return running == 0 && cancelled == 1
	})
}

// TestOverviewTakesItsTime: a database that is slow to count, and answers, is not away.
func TestOverviewTakesItsTime(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach)
	direct, err := pgx.Connect(t.Context(), pgtest.Direct(t, s.URLs["payment"]))
	require.NoError(t, err)
	defer direct.Close(context.Background())
	_, err = direct.Exec(t.Context(), `alter table payment.events rename to stored;
		create view payment.events as select e.* from payment.stored e right join pg_sleep(1.5) on true`)
	require.NoError(t, err)
	v := harness.Get[admin.OverviewView](t, s, "/v1/admin/overview", s.Admin)
	_, err = direct.Exec(t.Context(), "drop view payment.events; alter table payment.stored rename to events")
	require.NoError(t, err)
	require.Empty(t, v.Unavailable)
	require.NotNil(t, v.Today)
}

// TestStreamsTellTheirStates: each version of a stream stands with the state that it led to, as the module itself has it.
func TestStreamsTellTheirStates(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach)
	ada, sku := s.Shopper(t), s.AddProduct(t, 1000)
	c := ada.Fill(t, sku, sku, sku)
	path := "/v1/admin/streams/cart/" + c.ID.String()
	all := harness.Get[admin.StreamView](t, s, path, s.Admin)
	require.Equal(t, []any{"cart", c.Version, "open"}, []any{all.Kind, all.Version, *all.Status})
	require.Len(t, all.Data, int(c.Version))
	for i, v := range all.Data {
		require.Equal(t, int64(i+1), v.Version)
		if v.Version > 1 {
			var state struct {
				Lines []struct{ Quantity int64 } `json:"lines"`
			}
			require.NoError(t, json.Unmarshal(v.State, &state))
			require.Equal(t, v.Version-1, state.Lines[0].Quantity)
		}
	}
	rest := harness.Get[admin.StreamView](t, s, path+"?after=2&limit=1", s.Admin)
	require.Len(t, rest.Data, 1)
	require.Equal(t, all.Data[2], rest.Data[0])
	require.NotNil(t, rest.NextCursor)
	require.Empty(t, harness.Get[admin.StreamView](t, s, path+"?after="+strconv.Itoa(math.MaxInt64), s.Admin).Data, "there is no version behind the last number")
	for _, nowhere := range []string{"/v1/admin/streams/cart/" + uuid.NewString(), "/v1/admin/streams/order/" + c.ID.String(), "/v1/admin/streams/nothing/" + c.ID.String()} {
		harness.RequireProblem(t, s.Send(t, "GET", nowhere, s.Admin, nil), http.StatusNotFound, "not_found")
	}
}
