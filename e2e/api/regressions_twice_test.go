package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/app"
	"shopping-cart/order"
	"shopping-cart/platform/fault"
)

// retriedAfterATimeout: calls that took effect without an answer, calls that were lost, and refusals for the moment are repeated
// until they are answered, and take effect once.
func retriedAfterATimeout(t *testing.T, _ *harness.Site) {
	s := harness.Open(t, harness.DatabaseEach)
	for _, method := range []string{"sim_timeout_applied", "sim_timeout_lost", "sim_flaky"} {
		t.Run("Capture/"+method, func(t *testing.T) {
			t.Parallel()
			ends(t, s, method, harness.Outcome{Payment: "captured", Ledger: []string{"authorize", "capture"}})
		})
		t.Run("Refund/"+method, func(t *testing.T) { t.Parallel(); retriedRefund(t, s, method) })
	}
}

// retriedRefund asks for a refund again, under the same key, while its outcome is open, when it is known, and when the receipt of the
// first request is long gone.
func retriedRefund(t *testing.T, s *harness.Site, method string) {
	ada := s.Shopper(t)
	c, _ := buys(t, ada, 1250, method)
	key := uuid.NewString()
	refund := posted{s.Admin, "/v1/orders/" + c.OrderID.String() + "/refunds", map[string]any{"reason": "Broken.", "amount": harness.GBP(500)}, key}
	id := uuid.Nil
	for range 2 {
		for _, a := range together(t, s, refund, refund, refund) {
			r := harness.As[harness.RefundView](t, a, http.StatusCreated)
			require.True(t, id == uuid.Nil || id == r.ID, "one key was two refunds")
			id = r.ID
		}
		forgetReceipts(t, s, *c.PaymentID)
	}
	require.Equal(t, []string{"authorize", "capture", "refund"}, s.Ledger(t, *c.PaymentID))
	require.EqualValues(t, 500, s.Order(t, c.OrderID).Refunded.Amount)
}

// forgetReceipts is what RECEIPT_RETENTION does in the end.
func forgetReceipts(t *testing.T, s *harness.Site, payment uuid.UUID) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URLs["payment"])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "delete from payment.receipts where stream = $1", payment)
	require.NoError(t, err)
}

// oneSKUTwice: what is added twice, or comes together in a merge, is one line and one claim on the stock.
func oneSKUTwice(t *testing.T, s *harness.Site) {
	ada, guest, sku := s.Shopper(t), s.Shopper(t), s.AddProduct(t, 1000)
	s.SetStock(t, sku, 3)
	c := harness.As[harness.CartView](t, ada.Add(t, ada.Fill(t, sku), sku, 1), http.StatusOK)
	c = merges(t, ada, c, guest, guest.Add(t, guest.Fill(t, sku), sku, 1))
	require.Len(t, c.Items, 1)
	p := harness.RequireProblem(t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusConflict, "out_of_stock")
	require.Len(t, p.Lines, 1)
	require.Equal(t, []int64{4, 3}, []int64{p.Lines[0].Requested, p.Lines[0].Available})
	require.EqualValues(t, 3, s.Stock(t, sku).Available)

	line := order.Line{SKU: sku, Name: "Mug", Quantity: 2, UnitPrice: 1000}
	refused, ok := fault.As(places(t, s, order.Place{
		OrderID: uuid.New(), CheckoutID: uuid.New(), PaymentID: uuid.New(), CartID: uuid.New(), CustomerID: ada.ID.String(),
		Currency: "GBP", Lines: []order.Line{line, line}, Total: 4000, ContactID: uuid.New(),
	}))
	require.True(t, ok, "two of one line and two of another were promised, of three")
	require.Equal(t, "out_of_stock", refused.Code)
	require.EqualValues(t, 3, s.Stock(t, sku).Available)
}

// places orders from within: a cart has one line for each SKU, so no shopper can order two.
func places(t *testing.T, s *harness.Site, place order.Place) error {
	t.Helper()
	p, err := app.New(t.Context(), s.Settings, s.URLs, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer p.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Databases[s.URLs["orders"]].Committer.Run(ctx) }()
	err = p.Orders.Handle(ctx, uuid.New(), uuid.New(), place)
	stop()
	require.NoError(t, <-ended)
	return err
}
