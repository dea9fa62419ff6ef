package main

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/order"
	"shopping-cart/saga"
)

// TestContactsAreErased: of orders, and of checkouts under way; and nobody else's.
func TestContactsAreErased(t *testing.T) {
	t.Parallel()
	for name, setup := range setups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, setup)
			ada, eve := s.shopper(t), s.shopper(t)
			sold, sku := ada.buys(t, 1250, "sim_ok")
			asked := ada.asksForAction(t, ada.fills(t, sku), "sim_requires_action")
			hers, _ := eve.buys(t, 1250, "sim_ok")
			before := s.order(t, sold.OrderID)
			require.Equal(t, "ada@example.com", *before.Email)

			erases := func(customer string, headers ...string) answer {
				return s.send(t, http.MethodDelete, "/v1/customers/"+customer+"/contacts", s.admin, nil, headers...)
			}
			key := []string{"Idempotency-Key", uuid.NewString()}
			for _, headers := range [][]string{key, key, nil} {
				require.Equal(t, http.StatusNoContent, erases(ada.id.String(), headers...).StatusCode)
			}
			require.Equal(t, "true", erases(ada.id.String(), key...).Header.Get("Idempotent-Replayed"))
			refuses(t, erases(eve.id.String(), key...), http.StatusUnprocessableEntity, "idempotency_key_reused")
			require.Equal(t, http.StatusNoContent, erases(url.PathEscape("no/body ü")).StatusCode)
			refuses(t, erases("a%00b"), http.StatusUnprocessableEntity, "validation_failed")

			after := s.order(t, sold.OrderID)
			require.Nil(t, after.Email)
			require.Equal(t, "null", string(after.ShippingAddress))
			after.Email, after.ShippingAddress = before.Email, before.ShippingAddress
			require.Equal(t, before, after, "the order stays as it was")
			require.Equal(t, http.StatusOK, s.bank(t, *asked.PaymentID, "approve").StatusCode)
			ada.reaches(t, asked.ID, saga.Completed)
			late := s.order(t, asked.OrderID)
			require.Equal(t, order.StatusConfirmed, late.Status)
			require.Nil(t, late.Email, "that of a checkout under way is gone too")
			found := get[list[orderView]](t, s, "/v1/admin/orders?email=ada@example.com", s.admin).Data
			require.Len(t, found, 1, "whoever searches finds only what is kept")
			require.Equal(t, hers.OrderID, found[0].ID)
			require.Equal(t, "ada@example.com", *s.order(t, hers.OrderID).Email)
		})
	}
}
