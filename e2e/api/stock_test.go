package api

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/order"
)

// TestLossOfReservedStock breaks goods that an order was promised. The order is cancelled in the end, and every promise is kept.
func TestLossOfReservedStock(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	ada := s.Shopper(t)
	paid, sku := buys(t, ada, 1250, "sim_ok")

	lost := harness.As[harness.StockView](t, s.AdjustStock(t, sku, -5), http.StatusOK)
	require.Equal(t, harness.StockView{SKU: sku, Reserved: 1, Short: 1}, lost)
	detail := harness.Get[order.StockDetailView](t, s, "/v1/stock/"+harness.Escape(sku), s.Admin)
	require.Equal(t, lost, detail.StockView)
	require.Len(t, detail.Orders, 1)
	require.Equal(t, paid.OrderID, detail.Orders[0].ID)
	require.True(t, detail.OrdersComplete)
	require.Equal(t, []harness.StockView{lost}, harness.Get[harness.List[harness.StockView]](t, s, "/v1/stock?short=true", s.Admin).Data)
	s.RequirePromises(t)

	harness.RequireProblem(t, s.Fulfil(t, paid.OrderID), http.StatusConflict, "stock_short")
	harness.RequireProblem(t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusConflict, "out_of_stock")
	harness.As[harness.OrderView](t, ada.CancelOrder(t, paid.OrderID), http.StatusAccepted)
	becomes(t, s, paid.OrderID, order.StatusCancelled)
	require.Equal(t, harness.StockView{SKU: sku}, s.Stock(t, sku))
	require.Empty(t, harness.Get[harness.List[harness.StockView]](t, s, "/v1/stock?short=true", s.Admin).Data)
}
