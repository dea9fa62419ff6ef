package main

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

	"shopping-cart/internal/pgtest"
	"shopping-cart/saga"
)

// TestOverview: what operators see of the shop is what happened in it.
func TestOverview(t *testing.T) {
	t.Parallel()
	s := open(t, databaseEach)
	ada, sku := s.shopper(t), s.sells(t, 1000)
	look := func() saga.OverviewView { return get[saga.OverviewView](t, s, "/v1/admin/overview", s.admin) }
	empty := look()
	require.Len(t, empty.Checkouts.Minutes, 60)
	require.Empty(t, empty.Today)
	require.Zero(t, empty.Checkouts.P95Seconds)

	done := as[checkoutView](t, ada.checksOut(t, ada.fills(t, sku), "sim_ok", waiting), http.StatusCreated)
	as[checkoutView](t, ada.checksOut(t, ada.fills(t, sku), "sim_ok", waiting), http.StatusCreated)
	refuses(t, ada.checksOut(t, ada.fills(t, sku), "sim_declined", waiting), http.StatusPaymentRequired, "payment_declined")
	waits := ada.asksForAction(t, ada.fills(t, sku), "sim_requires_action")
	body := map[string]any{"amount": gbp(250), "reason": "A scratch."}
	s.send(t, http.MethodPost, "/v1/orders/"+done.OrderID.String()+"/refunds", s.admin, body, "Idempotency-Key", uuid.NewString())
	elsewhere := map[string]any{"amount": gbp(100)}
	require.Equal(t, http.StatusOK, s.send(t, http.MethodPost, "/simulator/payments/"+done.PaymentID.String()+"/refund", s.admin, elsewhere).StatusCode)
	until(t, "the overview tells it all", func() bool {
		v, all := look(), saga.MinuteView{}
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
	require.Len(t, look().Lag, 4)
	as[checkoutView](t, ada.cancels(t, waits.ID, "Prefer", waiting), http.StatusOK)
	until(t, "what was counted as running is counted as cancelled", func() bool {
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
	s := open(t, databaseEach)
	direct, err := pgx.Connect(t.Context(), pgtest.Direct(t, s.urls["payment"]))
	require.NoError(t, err)
	defer direct.Close(context.Background())
	_, err = direct.Exec(t.Context(), `alter table payment.events rename to stored;
		create view payment.events as select e.* from payment.stored e right join pg_sleep(1.5) on true`)
	require.NoError(t, err)
	v := get[saga.OverviewView](t, s, "/v1/admin/overview", s.admin)
	_, err = direct.Exec(t.Context(), "drop view payment.events; alter table payment.stored rename to events")
	require.NoError(t, err)
	require.Empty(t, v.Unavailable)
	require.NotNil(t, v.Today)
}

// TestStreamsTellTheirStates: each version of a stream stands with the state that it led to, as the module itself has it.
func TestStreamsTellTheirStates(t *testing.T) {
	t.Parallel()
	s := open(t, databaseEach)
	ada, sku := s.shopper(t), s.sells(t, 1000)
	c := ada.fills(t, sku, sku, sku)
	path := "/v1/admin/streams/cart/" + c.ID.String()
	all := get[saga.StreamView](t, s, path, s.admin)
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
	rest := get[saga.StreamView](t, s, path+"?after=2&limit=1", s.admin)
	require.Len(t, rest.Data, 1)
	require.Equal(t, all.Data[2], rest.Data[0])
	require.NotNil(t, rest.NextCursor)
	require.Empty(t, get[saga.StreamView](t, s, path+"?after="+strconv.Itoa(math.MaxInt64), s.admin).Data, "there is no version behind the last number")
	for _, nowhere := range []string{"/v1/admin/streams/cart/" + uuid.NewString(), "/v1/admin/streams/order/" + c.ID.String(), "/v1/admin/streams/nothing/" + c.ID.String()} {
		refuses(t, s.send(t, "GET", nowhere, s.admin, nil), http.StatusNotFound, "not_found")
	}
}
