package crash

import (
	"net/http"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

// TestRestart stops the program in good order, with checkouts under way and a shopper who waits for one of them, and
// starts it again on the same databases.
func TestRestart(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a provider that takes two seconds a call")
	}
	s := harness.Open(t, harness.DatabaseEach, func(_ testing.TB, c *config.Config) { c.PaymentTimeout = 100 * time.Millisecond })
	ada, sku := s.Shopper(t), s.AddProduct(t, 1999)
	s.SetStock(t, sku, 2)
	asked := ada.CheckOutAtBank(t, ada.Fill(t, sku), "sim_requires_action")
	inDoubt := ada.Fill(t, sku)
	begun := ada.StartCheckout(t, inDoubt, "sim_slow") // never answers in time
	harness.Until(t, "the doubt is recorded", func() bool {
		a := s.Send(t, http.MethodGet, "/v1/payments/"+begun.PaymentID.String(), ada.Token, nil)
		return a.StatusCode == http.StatusOK && harness.As[harness.PaymentView](t, a, http.StatusOK).Status == "unknown"
	})

	told, sent := make(chan harness.Answer, 1), make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
	go func() {
		a, _ := s.Try(ctx, http.MethodGet, "/v1/checkouts/"+begun.ID.String(), ada.Token, nil, "Prefer", harness.Waiting)
		told <- a
	}()
	<-sent
	for range 20 { // by the time these are answered, that one is being held
		ada.Checkout(t, begun.ID)
	}
	s.Stop(t)
	require.Equal(t, saga.Running, harness.As[harness.CheckoutView](t, <-told, http.StatusOK).Status, "who waits is told what there is")

	s.Settings.PaymentTimeout = 10 * time.Second
	s.Start(t)
	require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode)
	ada.AwaitStatus(t, asked.ID, saga.Completed)
	ada.RequireOutcome(t, inDoubt, ada.AwaitStatus(t, begun.ID, saga.Completed), harness.Outcome{Payment: "captured", Ledger: []string{"authorize", "capture"}})
	require.Zero(t, s.Stock(t, sku).Available)
}
