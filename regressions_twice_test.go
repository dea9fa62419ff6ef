package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/app"
	"shopping-cart/order"
	"shopping-cart/platform/fault"
)

// retriedAfterATimeout: calls that took effect without an answer, calls that were lost, and refusals for the moment are repeated
// until they are answered, and take effect once.
func retriedAfterATimeout(t *testing.T, _ *site) {
	s := open(t, databaseEach)
	for _, method := range []string{"sim_timeout_applied", "sim_timeout_lost", "sim_flaky"} {
		t.Run("Capture/"+method, func(t *testing.T) {
			t.Parallel()
			ends(t, s, method, outcome{payment: "captured", ledger: []string{"authorize", "capture"}})
		})
		t.Run("Refund/"+method, func(t *testing.T) { t.Parallel(); retriedRefund(t, s, method) })
	}
}

// retriedRefund asks for a refund again, under the same key, while its outcome is open, when it is known, and when the receipt of the
// first request is long gone.
func retriedRefund(t *testing.T, s *site, method string) {
	ada := s.shopper(t)
	c, _ := ada.buys(t, 1250, method)
	key := uuid.NewString()
	refund := posted{s.admin, "/v1/orders/" + c.OrderID.String() + "/refunds", map[string]any{"reason": "Broken.", "amount": gbp(500)}, key}
	id := uuid.Nil
	for range 2 {
		for _, a := range s.together(t, refund, refund, refund) {
			r := as[refundView](t, a, http.StatusCreated)
			require.True(t, id == uuid.Nil || id == r.ID, "one key was two refunds")
			id = r.ID
		}
		forgetReceipts(t, s, *c.PaymentID)
	}
	require.Equal(t, []string{"authorize", "capture", "refund"}, s.ledger(t, *c.PaymentID))
	require.EqualValues(t, 500, s.order(t, c.OrderID).Refunded.Amount)
}

// forgetReceipts is what RECEIPT_RETENTION does in the end.
func forgetReceipts(t *testing.T, s *site, payment uuid.UUID) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.urls["payment"])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), "delete from payment.receipts where stream = $1", payment)
	require.NoError(t, err)
}

// oneSKUTwice: what is added twice, or comes together in a merge, is one line and one claim on the stock.
func oneSKUTwice(t *testing.T, s *site) {
	ada, guest, sku := s.shopper(t), s.shopper(t), s.sells(t, 1000)
	s.stocks(t, sku, 3)
	c := as[cartView](t, ada.adds(t, ada.fills(t, sku), sku, 1), http.StatusOK)
	c = ada.merges(t, c, guest, guest.adds(t, guest.fills(t, sku), sku, 1))
	require.Len(t, c.Items, 1)
	p := refuses(t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusConflict, "out_of_stock")
	require.Len(t, p.Lines, 1)
	require.Equal(t, []int64{4, 3}, []int64{p.Lines[0].Requested, p.Lines[0].Available})
	require.EqualValues(t, 3, s.stock(t, sku).Available)

	line := order.Line{SKU: sku, Name: "Mug", Quantity: 2, UnitPrice: 1000}
	refused, ok := fault.As(s.places(t, order.Place{
		OrderID: uuid.New(), CheckoutID: uuid.New(), PaymentID: uuid.New(), CartID: uuid.New(), CustomerID: ada.id.String(),
		Currency: "GBP", Lines: []order.Line{line, line}, Total: 4000, ContactID: uuid.New(),
	}))
	require.True(t, ok, "two of one line and two of another were promised, of three")
	require.Equal(t, "out_of_stock", refused.Code)
	require.EqualValues(t, 3, s.stock(t, sku).Available)
}

// places orders from within: a cart has one line for each SKU, so no shopper can order two.
func (s *site) places(t *testing.T, place order.Place) error {
	t.Helper()
	p, err := app.New(t.Context(), s.settings, s.urls, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer p.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Databases[s.urls["orders"]].Committer.Run(ctx) }()
	err = p.Orders.Handle(ctx, uuid.New(), uuid.New(), place)
	stop()
	require.NoError(t, <-ended)
	return err
}
