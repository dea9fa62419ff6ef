package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// TestOperators: a provider falls silent in the middle of a payment and stays so past STEP_DEADLINE. Operators find the checkout,
// and whatever they do about it, right or wrong, every promise holds in the end.
func TestOperators(t *testing.T) {
	t.Parallel()
	s := open(t, databaseEach, func(_ testing.TB, c *config.Config) {
		c.PaymentTimeout, c.StepDeadline = 200*time.Millisecond, time.Second
	})
	sku := s.sells(t, 500)
	s.stocks(t, sku, 100)
	const taken, notTaken = "capture", "authorize" // the last thing that the provider did
	t.Run("CapturedAndSettledSo", func(t *testing.T) {
		d := s.doubts(t, sku, taken)
		d.isHeld(t)
		d.settles(t, "captured")
		d.isAnOrder(t)
		d.provider(t, "back")
		d.ends(t, saga.Completed, "authorize", "capture")
	})
	t.Run("NotCapturedAndSettledSo", func(t *testing.T) {
		d := s.doubts(t, sku, notTaken)
		d.settles(t, "not_captured")
		d.isOpenAgain(t)
		d.provider(t, "back")
		d.ends(t, saga.Cancelled, "authorize", "void")
	})
	t.Run("CapturedThoughSettledNot", func(t *testing.T) {
		d := s.doubts(t, sku, taken)
		d.settles(t, "not_captured")
		d.isOpenAgain(t)
		d.provider(t, "back")
		d.ends(t, saga.Cancelled, "authorize", "capture", "refund")
	})
	t.Run("NotCapturedThoughSettledSo", func(t *testing.T) {
		d := s.doubts(t, sku, notTaken)
		d.settles(t, "captured")
		d.isAnOrder(t)
		d.provider(t, "back")
		d.ends(t, saga.Completed, "authorize", "capture") // it is captured now
	})
	t.Run("RetriedOnceTheProviderIsBack", func(t *testing.T) {
		d := s.doubts(t, sku, taken)
		d.provider(t, "back")
		body := map[string]any{"outcome": "not_captured", "reason": "I guess so."}
		refuses(t, d.acts(t, "settle", body), http.StatusConflict, "provider_answers")
		require.Equal(t, saga.NeedsAttention, d.ada.checkout(t, d.ID).Status, "a refused request changes nothing")
		as[saga.View](t, d.acts(t, "retry", nil), http.StatusAccepted)
		d.ends(t, saga.Completed, "authorize", "capture")
	})
	t.Run("CompensatedInDoubtAndCaptured", func(t *testing.T) {
		d := s.doubts(t, sku, taken)
		as[saga.View](t, d.acts(t, "compensate", nil), http.StatusAccepted)
		until(t, "it needs attention again", func() bool { return d.ada.checkout(t, d.ID).Status == saga.NeedsAttention })
		d.isHeld(t)
		refuses(t, d.acts(t, "compensate", nil), http.StatusConflict, "already_compensating")
		refuses(t, d.acts(t, "settle", map[string]any{"outcome": "captured", "reason": "No."}), http.StatusConflict, "cannot_be_captured")
		d.provider(t, "back")
		as[saga.View](t, d.acts(t, "retry", nil), http.StatusAccepted)
		d.ends(t, saga.Cancelled, "authorize", "capture", "refund")
	})
	t.Run("CompensatedInDoubtAndNotCaptured", func(t *testing.T) {
		d := s.doubts(t, sku, notTaken)
		as[saga.View](t, d.acts(t, "compensate", map[string]any{"reason": "The goods are broken."}), http.StatusAccepted)
		d.provider(t, "back")
		d.ends(t, saga.Cancelled, "authorize", "void")
	})
	t.Run("WhileTheShopperIsAtTheirBank", func(t *testing.T) {
		ada := s.shopper(t)
		c := ada.fills(t, sku)
		d := doubt{s, ada, c, ada.asksForAction(t, c, "sim_requires_action")}
		refuses(t, d.acts(t, "skip", map[string]any{"reason": "No."}), http.StatusConflict, "not_stuck")
		refuses(t, d.acts(t, "settle", map[string]any{"outcome": "captured", "reason": "No."}), http.StatusConflict, "not_stuck")
		as[saga.View](t, d.acts(t, "retry", nil), http.StatusAccepted)
		ada.reaches(t, d.ID, saga.RequiresAction)
		as[saga.View](t, d.acts(t, "compensate", nil), http.StatusAccepted)
		d.ends(t, saga.Cancelled)
	})
	t.Run("NothingOnceItHasEnded", func(t *testing.T) {
		ada := s.shopper(t)
		c := ada.fills(t, sku)
		d := doubt{s, ada, c, as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated)}
		require.Empty(t, d.seen(t).Actions)
		reason := map[string]any{"reason": "No."}
		for action, body := range map[string]map[string]any{
			"retry": reason, "compensate": nil, "skip": reason, "settle": {"outcome": "captured", "reason": "No."},
		} {
			refuses(t, d.acts(t, action, body), http.StatusConflict, "saga_ended")
		}
		for _, body := range []map[string]any{{"outcome": "captured"}, {"outcome": "perhaps", "reason": "No."}, {"outcome": "captured", "reason": " "}} {
			refuses(t, d.acts(t, "settle", body), http.StatusUnprocessableEntity, "validation_failed")
		}
	})
}

// doubt is a checkout whose payment nobody can tell about.
type doubt struct {
	*site
	ada  shopper
	cart cartView
	checkoutView
}

// doubts checks out at a provider that falls silent for good once it has authorized, or captured. The answer to that capture is
// lost.
func (s *site) doubts(t *testing.T, sku, last string) doubt {
	t.Helper()
	return s.doubtsOf(t, sku, last, map[string]string{"capture": "sim_timeout_applied", "authorize": "sim_ok"}[last])
}

func (s *site) doubtsOf(t *testing.T, sku, last, method string) doubt {
	t.Helper()
	s.exec(t, "simulator", fmt.Sprintf(`create function simulator.falls_silent() returns trigger language plpgsql as
			$$ begin execute 'alter table simulator.payments rename to silent'; return null; end $$;
		create trigger falls_silent after insert on simulator.ledger for each row when (new.operation = '%s')
			execute function simulator.falls_silent()`, last))
	ada := s.shopper(t)
	c := ada.fills(t, sku)
	d := doubt{s, ada, c, ada.starts(t, c, method)}
	d.checkoutView = ada.reaches(t, d.ID, saga.NeedsAttention)
	require.Contains(t, get[list[saga.View]](t, s, "/v1/admin/sagas?status=needs_attention", s.admin).Data[0].ID.String(), d.ID.String())
	require.Equal(t, []saga.Action{"retry", "compensate", "settle"}, d.seen(t).Actions)
	return d
}

// provider is back, with its books as they were.
func (d doubt) provider(t *testing.T, _ string) {
	t.Helper()
	d.exec(t, "simulator", `alter table simulator.silent rename to payments; drop function simulator.falls_silent cascade`)
}

func (d doubt) seen(t *testing.T) saga.View {
	t.Helper()
	return get[saga.View](t, d.site, "/v1/admin/sagas/"+d.ID.String(), d.admin)
}

func (d doubt) acts(t *testing.T, action string, body map[string]any, headers ...string) answer {
	t.Helper()
	var sent any
	if body != nil {
		sent = body
	}
	return d.send(t, http.MethodPost, "/v1/admin/sagas/"+d.ID.String()+"/"+action, d.admin, sent, headers...)
}

// settles sends it twice, which is once.
func (d doubt) settles(t *testing.T, outcome string) {
	t.Helper()
	body, key := map[string]any{"outcome": outcome, "reason": "Their support says so."}, []string{"Idempotency-Key", uuid.NewString()}
	for _, replayed := range []string{"", "true"} {
		a := d.acts(t, "settle", body, key...)
		as[saga.View](t, a, http.StatusAccepted)
		require.Equal(t, replayed, a.Header.Get("Idempotent-Replayed"))
	}
	until(t, "the saga has recorded it", func() bool {
		for _, e := range d.seen(t).Events {
			if e.Type == "saga.step_settled" {
				require.Equal(t, "operator", e.Actor)
				require.JSONEq(t, fmt.Sprintf("%q", body["reason"]), string(field(t, e.Data, "reason")))
				return true
			}
		}
		return false
	})
}

// isHeld: nothing is given back, and nothing sold.
func (d doubt) isHeld(t *testing.T) {
	t.Helper()
	require.Equal(t, cart.StatusCheckingOut, d.ada.cart(t, d.CartID).Status)
	require.Equal(t, order.StatusPending, d.order(t).Status)
}

// isAnOrder: the shopper need not wait for the provider.
func (d doubt) isAnOrder(t *testing.T) {
	t.Helper()
	d.ada.reaches(t, d.ID, saga.Completed)
	require.Equal(t, order.StatusConfirmed, d.order(t).Status)
	require.Equal(t, cart.StatusCheckedOut, d.ada.cart(t, d.CartID).Status)
	require.Equal(t, saga.Running, d.seen(t).Status, "it is still to be verified")
	paid := get[paymentView](t, d.site, "/v1/payments/"+d.PaymentID.String(), d.ada.token)
	require.Equal(t, []any{"captured", d.Total.Amount}, []any{paid.Status, paid.Captured.Amount})
}

// isOpenAgain: the shopper need not wait for the void.
func (d doubt) isOpenAgain(t *testing.T) {
	t.Helper()
	until(t, "the cart is open", func() bool { return d.ada.cart(t, d.CartID).Status == cart.StatusOpen })
	require.Equal(t, order.StatusCancelled, d.order(t).Status)
}

func (d doubt) order(t *testing.T) orderView {
	t.Helper()
	return get[orderView](t, d.site, "/v1/orders/"+d.OrderID.String(), d.admin)
}

func (d doubt) ends(t *testing.T, status saga.Status, ledger ...string) {
	t.Helper()
	until(t, "the saga is "+string(status), func() bool {
		now := d.seen(t).Status
		if now == saga.NeedsAttention { // on a slow machine the deadline may pass once more
			require.Contains(t, []int{http.StatusAccepted, http.StatusConflict}, d.acts(t, "retry", nil).StatusCode)
		}
		return now == status
	})
	require.Equal(t, ledger, d.ledger(t, *d.PaymentID))
	if status == saga.Cancelled {
		d.ada.isOpenAsBefore(t, d.cart, d.ada.cart(t, d.CartID))
	}
	timeline := get[list[entry]](t, d.site, "/v1/orders/"+d.OrderID.String()+"/timeline?limit=100", d.admin).Data
	require.Equal(t, "saga.ended", timeline[len(timeline)-1].Type)
}

func field(t *testing.T, data []byte, name string) json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &members))
	return members[name]
}
