package main

import (
	"net/http"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
	s := open(t, databaseEach, func(_ testing.TB, c *config.Config) { c.PaymentTimeout = 100 * time.Millisecond })
	ada, sku := s.shopper(t), s.sells(t, 1999)
	s.stocks(t, sku, 2)
	asked := ada.asksForAction(t, ada.fills(t, sku), "sim_requires_action")
	inDoubt := ada.fills(t, sku)
	begun := ada.starts(t, inDoubt, "sim_slow") // never answers in time
	until(t, "the doubt is recorded", func() bool {
		a := s.send(t, http.MethodGet, "/v1/payments/"+begun.PaymentID.String(), ada.token, nil)
		return a.StatusCode == http.StatusOK && as[paymentView](t, a, http.StatusOK).Status == "unknown"
	})

	told, sent := make(chan answer, 1), make(chan struct{})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
	go func() {
		a, _ := s.try(ctx, http.MethodGet, "/v1/checkouts/"+begun.ID.String(), ada.token, nil, "Prefer", waiting)
		told <- a
	}()
	<-sent
	for range 20 { // by the time these are answered, that one is being held
		ada.checkout(t, begun.ID)
	}
	s.stop(t)
	require.Equal(t, saga.Running, as[checkoutView](t, <-told, http.StatusOK).Status, "who waits is told what there is")

	s.settings.PaymentTimeout = 10 * time.Second
	s.start(t)
	require.Equal(t, http.StatusOK, s.bank(t, *asked.PaymentID, "approve").StatusCode)
	ada.reaches(t, asked.ID, saga.Completed)
	ada.ended(t, inDoubt, ada.reaches(t, begun.ID, saga.Completed), outcome{payment: "captured", ledger: []string{"authorize", "capture"}})
	require.Zero(t, s.stock(t, sku).Available)
}
