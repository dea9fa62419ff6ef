package main

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/order"
)

func (s *site) adjustsStock(t testing.TB, sku string, delta int64) answer {
	t.Helper()
	return s.send(t, http.MethodPost, "/v1/stock/"+escape(sku)+"/adjustments", s.admin,
		map[string]any{"delta": delta, "reason": "Broken in the store room."}, "Idempotency-Key", uuid.NewString())
}

// TestLossOfReservedStock breaks goods that an order was promised. The order is cancelled in the end, and every promise is kept.
func TestLossOfReservedStock(t *testing.T) {
	t.Parallel()
	s := open(t, oneDatabase)
	ada := s.shopper(t)
	paid, sku := ada.buys(t, 1250, "sim_ok")

	lost := as[stockView](t, s.adjustsStock(t, sku, -5), http.StatusOK)
	require.Equal(t, stockView{SKU: sku, Reserved: 1, Short: 1}, lost)
	detail := get[order.StockDetailView](t, s, "/v1/stock/"+escape(sku), s.admin)
	require.Equal(t, lost, detail.StockView)
	require.Len(t, detail.Orders, 1)
	require.Equal(t, paid.OrderID, detail.Orders[0].ID)
	require.True(t, detail.OrdersComplete)
	require.Equal(t, []stockView{lost}, get[list[stockView]](t, s, "/v1/stock?short=true", s.admin).Data)
	s.keepsPromises(t)

	refuses(t, s.fulfils(t, paid.OrderID), http.StatusConflict, "stock_short")
	refuses(t, ada.checksOut(t, ada.fills(t, sku), "sim_ok", waiting), http.StatusConflict, "out_of_stock")
	as[orderView](t, ada.cancelsOrder(t, paid.OrderID), http.StatusAccepted)
	s.becomes(t, paid.OrderID, order.StatusCancelled)
	require.Equal(t, stockView{SKU: sku}, s.stock(t, sku))
	require.Empty(t, get[list[stockView]](t, s, "/v1/stock?short=true", s.admin).Data)
}
