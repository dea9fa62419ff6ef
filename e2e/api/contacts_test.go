package api

import (
	"context"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/saga"
)

// TestOrdersAreFoundByEmail: in any letter case of any script, and none that nobody could find again.
func TestOrdersAreFoundByEmail(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, setup)
			ada, sku := s.Shopper(t), s.AddProduct(t, 1250)
			buys := func(email string) harness.Answer {
				c := ada.Fill(t, sku)
				return s.Send(t, http.MethodPost, harness.CheckoutPath(c), ada.Token, map[string]any{"payment_method": "sim_ok", "email": email},
					"Idempotency-Key", uuid.NewString(), "If-Match", harness.Tag(c.Version), "Prefer", harness.Waiting)
			}
			found := func(email string) (ids []uuid.UUID) {
				for _, o := range harness.Get[harness.List[harness.OrderView]](t, s, "/v1/admin/orders?email="+url.QueryEscape(email), s.Admin).Data {
					ids = append(ids, o.ID)
				}
				return ids
			}
			for email, search := range map[string]string{
				"MÜLLER@example.com": "müller@example.com", "zoë@bücher.example": "ZOË@BÜCHER.EXAMPLE", "ΟΔΥΣΣΕΥΣ@example.gr": "οδυσσευς@example.gr",
			} {
				sold := harness.As[harness.CheckoutView](t, buys(email), http.StatusCreated)
				require.Equal(t, []uuid.UUID{sold.OrderID}, found(search), search)
				require.Equal(t, email, *s.Order(t, sold.OrderID).Email, "shown as it was given")
			}
			for _, email := range []string{"zoe\u200b@example.com", "\u2009eve@example.com", "bob@example.com\u202e"} {
				p := harness.RequireProblem(t, buys(email), http.StatusUnprocessableEntity, "validation_failed")
				require.Equal(t, "email", p.Errors[0].Field)
				require.Contains(t, p.Errors[0].Detail, "invisible characters")
			}
			require.Empty(t, found("zoe@example.com"))
		})
	}
}

// TestContactsAreErased: of orders, and of checkouts under way; and nobody else's.
func TestContactsAreErased(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, setup)
			ada, eve := s.Shopper(t), s.Shopper(t)
			sold, sku := buys(t, ada, 1250, "sim_ok")
			asked := ada.CheckOutAtBank(t, ada.Fill(t, sku), "sim_requires_action")
			hers, _ := buys(t, eve, 1250, "sim_ok")
			before := s.Order(t, sold.OrderID)
			require.Equal(t, "ada@example.com", *before.Email)

			bodies := func() (kept []string) { // what webhooks hold, of whose payment
				db, err := pgx.Connect(t.Context(), s.URLs["payment"])
				require.NoError(t, err)
				defer db.Close(context.Background())
				rows, err := db.Query(t.Context(), "select reference from payment.webhooks where body <> '' order by 1")
				require.NoError(t, err)
				kept, err = pgx.CollectRows(rows, pgx.RowTo[string])
				require.NoError(t, err)
				return kept
			}
			var waits []string
			for _, shop := range []harness.Shopper{ada, eve} {
				c := shop.CheckOutAtBank(t, shop.Fill(t, sku), "sim_requires_action")
				require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *c.PaymentID, "deny").StatusCode)
				shop.AwaitStatus(t, c.ID, saga.Failed)
				waits = append(waits, c.PaymentID.String())
			}
			require.Subset(t, bodies(), waits)

			erases := func(customer string, headers ...string) harness.Answer {
				return s.Send(t, http.MethodDelete, "/v1/customers/"+customer+"/contacts", s.Admin, nil, headers...)
			}
			key := []string{"Idempotency-Key", uuid.NewString()}
			for _, headers := range [][]string{key, key, nil} {
				require.Equal(t, http.StatusNoContent, erases(ada.ID.String(), headers...).StatusCode)
			}
			require.Equal(t, "true", erases(ada.ID.String(), key...).Header.Get("Idempotent-Replayed"))
			harness.RequireProblem(t, erases(eve.ID.String(), key...), http.StatusUnprocessableEntity, "idempotency_key_reused")
			require.Equal(t, http.StatusNoContent, erases(url.PathEscape("no/body ü")).StatusCode)
			harness.RequireProblem(t, erases("a%00b"), http.StatusUnprocessableEntity, "validation_failed")

			require.NotContains(t, bodies(), waits[0], "what the provider said of her")
			require.Contains(t, bodies(), waits[1])
			come := harness.Get[harness.List[payment.WebhookView]](t, s, "/v1/admin/webhooks?reference="+waits[0], s.Admin).Data
			require.Len(t, come, 1, "that it came is kept")
			require.Equal(t, http.StatusAccepted, s.Send(t, http.MethodPost, "/v1/admin/webhooks/"+come[0].ID+"/replay", s.Admin, nil).StatusCode)

			after := s.Order(t, sold.OrderID)
			require.Nil(t, after.Email)
			require.Equal(t, "null", string(after.ShippingAddress))
			after.Email, after.ShippingAddress = before.Email, before.ShippingAddress
			require.Equal(t, before, after, "the order stays as it was")
			require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode)
			ada.AwaitStatus(t, asked.ID, saga.Completed)
			late := s.Order(t, asked.OrderID)
			require.Equal(t, order.StatusConfirmed, late.Status)
			require.Nil(t, late.Email, "that of a checkout under way is gone too")
			found := harness.Get[harness.List[harness.OrderView]](t, s, "/v1/admin/orders?email=ada@example.com", s.Admin).Data
			require.Len(t, found, 1, "whoever searches finds only what is kept, and no contact of a checkout that failed")
			require.Equal(t, hers.OrderID, found[0].ID)
			require.Equal(t, "ada@example.com", *s.Order(t, hers.OrderID).Email)
		})
	}
}
