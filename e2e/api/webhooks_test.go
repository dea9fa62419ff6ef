package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/payment"
	"shopping-cart/saga"
)

// TestWebhooksForOperators: what providers sent is listed, and can be taken up again.
func TestWebhooksForOperators(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach)
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	paid := ada.CheckOutAtBank(t, ada.Fill(t, sku), "sim_requires_action")
	harness.As[map[string]any](t, s.AnswerAtBank(t, *paid.PaymentID, "approve"), http.StatusOK)
	ada.AwaitStatus(t, paid.ID, saga.Completed)
	var came payment.WebhookView
	harness.Until(t, "its webhook is handled", func() bool {
		found := s.WebhooksOf(t, *paid.PaymentID)
		if len(found) == 1 {
			came = found[0]
		}
		return came.Status == "handled"
	})
	require.Equal(t, []string{"simulator", "payment.authorized"}, []string{came.Provider, came.Type})
	require.NotNil(t, came.HandledAt)
	require.Nil(t, came.Note)

	t.Run("InPages", func(t *testing.T) {
		s.Exec(t, "payment", `insert into payment.webhooks (provider, id, type, reference, body, received_at, handled_at)
			select 'p' || n % 3, 'e' || n, 't', 'r', 'b', now() - n % 2 * interval '1 hour', now() from generate_series(1, 11) n`)
		keys := func(query string) (keys []string) {
			rows := all[payment.WebhookView](t, s, "/v1/admin/webhooks?limit=2"+query)
			require.True(t, slices.IsSortedFunc(rows, func(a, b payment.WebhookView) int { return b.ReceivedAt.Compare(a.ReceivedAt) }), "newest first")
			for _, r := range rows {
				keys = append(keys, r.ID)
			}
			slices.Sort(keys)
			require.Equal(t, keys, slices.Compact(slices.Clone(keys)), "each once")
			return keys
		}
		require.Len(t, keys(""), 12)
		require.Equal(t, []string{"p1:e1", "p1:e10", "p1:e4", "p1:e7"}, keys("&provider=p1"))
		require.Len(t, keys("&reference=r"), 11)
		require.Equal(t, []string{"p2:e11", "p2:e2", "p2:e5", "p2:e8"}, keys("&reference=r&provider=p2"))
		require.Empty(t, keys("&provider=nobody"))
		for _, query := range []string{"limit=0", "limit=101", "cursor=x", "cursor=e30x", "cursor=eyJpZCI6Ilx1MDAwMCJ9"} {
			harness.As[harness.Problem](t, s.Send(t, http.MethodGet, "/v1/admin/webhooks?"+query, s.Admin, nil), http.StatusUnprocessableEntity)
		}
	})
	t.Run("AreReplayedOnceUnderAKey", func(t *testing.T) {
		key := []string{"Idempotency-Key", uuid.NewString()}
		for _, replayed := range []string{"", "true"} {
			a := replays(t, s, came.ID, key...)
			require.Equal(t, http.StatusAccepted, a.StatusCode, string(a.Text))
			require.Equal(t, replayed, a.Header.Get("Idempotent-Replayed"))
		}
		require.Equal(t, http.StatusAccepted, replays(t, s, came.ID).StatusCode)
		told := all[saga.EventView](t, s, "/v1/admin/events?module=payment&type=payment.notified&stream="+paid.PaymentID.String())
		require.Len(t, told, 3)
		require.Equal(t, []string{"simulator", "operator", "operator"}, []string{told[0].Actor, told[1].Actor, told[2].Actor})
	})
	t.Run("ThatCameTooEarlyToo", func(t *testing.T) {
		early := ada.CheckOutAtBank(t, ada.Fill(t, sku), "sim_requires_action")
		s.Exec(t, "payment", fmt.Sprintf(`insert into payment.webhooks (provider, id, type, reference, body, handled_at, note)
			values ('simulator', 'evt_early', 't', '%s', 'b', now(), 'There is no such payment.')`, early.PaymentID))
		require.Equal(t, http.StatusAccepted, replays(t, s, "simulator:evt_early").StatusCode)
		require.Nil(t, s.WebhooksOf(t, *early.PaymentID)[0].Note)
		harness.As[harness.CheckoutView](t, ada.CancelCheckout(t, early.ID, "Prefer", harness.Waiting), http.StatusOK)
	})
	t.Run("OfNobodyAreRefused", func(t *testing.T) {
		for id, reference := range map[string]string{"evt_x": "x", "evt_y": uuid.NewString()} {
			s.Exec(t, "payment", fmt.Sprintf(`insert into payment.webhooks (provider, id, type, reference, body, handled_at)
				values ('simulator', '%s', 't', '%s', 'b', now())`, id, reference))
			harness.RequireProblem(t, replays(t, s, "simulator:"+id), http.StatusConflict, "unknown_payment")
		}
		for _, id := range []string{"simulator:nothing", "nobody:evt_x", "evt_x", ":", "%00:x"} {
			harness.RequireProblem(t, replays(t, s, id), http.StatusNotFound, "not_found")
		}
	})
}

func replays(t *testing.T, s *harness.Site, id string, headers ...string) harness.Answer {
	t.Helper()
	if id[0] != '%' {
		id = url.PathEscape(id)
	}
	return s.Send(t, http.MethodPost, "/v1/admin/webhooks/"+id+"/replay", s.Admin, nil, headers...)
}
