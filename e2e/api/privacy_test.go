package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/migrations"
)

// TestReasonsLieBesideEvents: no event and no state holds a text that a person wrote, and every answer shows it.
func TestReasonsLieBesideEvents(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, setup)
			ada := s.Shopper(t)
			c, sku := buys(t, ada, 1250, "sim_ok")
			reason := map[string]any{"reason": "Ada Byron asked by telephone."}
			post := func(path, token string, body map[string]any) harness.Answer {
				return s.Send(t, http.MethodPost, path, token, body, "Idempotency-Key", uuid.NewString(), "Prefer", harness.Waiting)
			}
			order := "/v1/orders/" + c.OrderID.String()
			refund := harness.As[harness.RefundView](t, post(order+"/refunds", s.Admin, map[string]any{"amount": harness.GBP(250), "reason": reason["reason"]}), http.StatusCreated)
			require.Equal(t, reason["reason"], refund.Reason)
			require.Equal(t, http.StatusAccepted, post(order+"/cancel", ada.Token, reason).StatusCode)
			harness.Until(t, "the order is cancelled", func() bool { return s.Order(t, c.OrderID).Status == "cancelled" })
			require.Equal(t, http.StatusOK, post("/v1/stock/"+harness.Escape(sku)+"/adjustments", s.Admin, map[string]any{"delta": 1, "reason": reason["reason"]}).StatusCode)

			for _, schema := range migrations.StoreSchemas {
				conn, err := pgx.Connect(t.Context(), s.URLs[schema])
				require.NoError(t, err)
				var held int
				require.NoError(t, conn.QueryRow(t.Context(), strings.ReplaceAll(`select (select count(*) from @.events where data::text ~ 'Ada Byron')
					+ (select count(*) from @.streams where state::text ~ 'Ada Byron')`, "@", schema)).Scan(&held))
				require.NoError(t, conn.Close(t.Context()))
				require.Zero(t, held, schema)
			}

			for _, r := range s.Payment(t, *c.PaymentID).Refunds {
				require.Equal(t, reason["reason"], r.Reason)
			}
			require.Len(t, s.Payment(t, *c.PaymentID).Refunds, 2)
			for path, times := range map[string]int{
				order + "/timeline?limit=100":                       7, // the order twice, the payment three times, two sagas
				"/v1/admin/sagas/" + refund.ID.String():             1,
				"/v1/admin/streams/order/" + c.OrderID.String():     4, // with the states
				"/v1/admin/events?module=order&limit=100":           3, // with the adjustment
				"/v1/admin/streams/payment/" + c.PaymentID.String(): 10,
			} {
				shown := s.Send(t, http.MethodGet, path, s.Admin, nil)
				require.Equal(t, http.StatusOK, shown.StatusCode, path)
				require.Equal(t, times, strings.Count(string(shown.Text), `"reason":"Ada Byron asked by telephone."`), path)
				require.NotContains(t, string(shown.Text), "note:", path)
			}
		})
	}
}
