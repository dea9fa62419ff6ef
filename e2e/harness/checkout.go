//go:build !windows

package harness

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// Outcome is the expected state after a checkout.
type Outcome struct {
	Failure string // code; "" after a success
	Payment string
	Ledger  []string
}

// RequireOutcome checks the whole state after a checkout that began with the cart before.
func (s Shopper) RequireOutcome(t *testing.T, before CartView, c CheckoutView, want Outcome) {
	t.Helper()
	after, paid := s.Cart(t, before.ID), Get[PaymentView](t, s.Site, "/v1/payments/"+c.PaymentID.String(), s.Token)
	require.Equal(t, before.Total, c.Total)
	require.Equal(t, before.ID, c.CartID)
	require.Nil(t, c.NextAction)
	require.Equal(t, want.Payment, paid.Status)
	require.Equal(t, c.OrderID, paid.OrderID)
	require.Equal(t, before.Total, paid.Amount)
	require.Equal(t, want.Ledger, s.Ledger(t, *c.PaymentID))
	o := Get[OrderView](t, s.Site, "/v1/orders/"+c.OrderID.String(), s.Token)
	if want.Failure != "" {
		require.Equal(t, saga.Failed, c.Status)
		require.Equal(t, want.Failure, c.Failure.Code)
		require.NotEmpty(t, c.Failure.Detail)
		require.Equal(t, want.Failure, paid.Failure.Code)
		require.Zero(t, paid.Captured.Amount)
		require.Equal(t, order.StatusCancelled, o.Status)
		s.RequireReopened(t, before, after)
		return
	}
	require.Equal(t, saga.Completed, c.Status)
	require.Nil(t, c.Failure)
	require.Nil(t, paid.Failure)
	require.Equal(t, before.Total, paid.Captured)
	require.Equal(t, cart.StatusCheckedOut, after.Status)
	require.Equal(t, c.ID, *after.CheckoutID)
	for _, step := range c.Steps {
		require.Equal(t, saga.StepIsDone, step.Status, step.Name)
	}
	require.Equal(t, order.StatusConfirmed, o.Status)
	require.Equal(t, before.Total, o.Total)
	require.Equal(t, c.ID, o.CheckoutID)
	require.Equal(t, c.PaymentID, o.PaymentID)
	require.Equal(t, "ada@example.com", *o.Email)
	require.JSONEq(t, `{"city":"London"}`, string(o.ShippingAddress))
	require.NotEmpty(t, o.Number)
}

func (s Shopper) RequireReopened(t *testing.T, before, after CartView) {
	t.Helper()
	require.Equal(t, cart.StatusOpen, after.Status)
	require.Nil(t, after.CheckoutID)
	require.Equal(t, before.Items, after.Items)
	require.Equal(t, before.Total, after.Total)
	require.Equal(t, before.Version+2, after.Version, "checked out and reopened")
}

// CheckOutAtBank begins a checkout that must be confirmed at the bank.
func (s Shopper) CheckOutAtBank(t *testing.T, c CartView, method string) CheckoutView {
	t.Helper()
	asked := As[CheckoutView](t, s.CheckOut(t, c, method, Waiting), http.StatusAccepted)
	require.Equal(t, saga.RequiresAction, asked.Status)
	require.Equal(t, "redirect", asked.NextAction.Type)
	require.Equal(t, s.Base+"/simulator/payments/"+asked.PaymentID.String(), asked.NextAction.URL)
	require.Equal(t, "requires_action", Get[PaymentView](t, s.Site, "/v1/payments/"+asked.PaymentID.String(), s.Token).Status)
	require.Empty(t, s.Ledger(t, *asked.PaymentID))
	page := s.Send(t, http.MethodGet, strings.TrimPrefix(asked.NextAction.URL, s.Base), "", nil)
	require.Equal(t, http.StatusOK, page.StatusCode)
	require.Contains(t, string(page.Text), "Approve")
	return asked
}

func CheckOutFree(t *testing.T, s *Site, declined string) {
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	c := ada.Fill(t, sku)
	gift := map[string]any{"adjustments": []any{map[string]any{"code": "gift", "label": "Gift card", "amount": GBP(-500)}}}
	c = As[CartView](t, s.Send(t, http.MethodPut, "/v1/carts/"+c.ID.String()+"/adjustments", s.Admin, gift), http.StatusOK)
	require.Zero(t, c.Total.Amount)
	done := As[CheckoutView](t, ada.CheckOut(t, c, declined, Waiting), http.StatusCreated)
	require.Nil(t, done.PaymentID)
	for _, step := range done.Steps {
		require.NotContains(t, step.Name, "payment")
	}
	o := Get[OrderView](t, s, "/v1/orders/"+done.OrderID.String(), ada.Token)
	require.Equal(t, order.StatusConfirmed, o.Status)
	require.Equal(t, money.Of(0, "GBP"), o.Total)
	require.Equal(t, cart.StatusCheckedOut, ada.Cart(t, c.ID).Status)
	require.Nil(t, o.PaymentID)
	RequireProblem(t, ada.CancelCheckout(t, done.ID), http.StatusConflict, "too_late")
}

func (s *Site) Exec(t *testing.T, schema, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URLs[schema])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}
