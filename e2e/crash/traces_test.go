package crash

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/saga"
)

const (
	checkoutRequest = "POST /v1/carts/:id/checkout"
	webhookRequest  = "POST /v1/webhooks/payments/:provider"
)

// TestTraces requires that a checkout is one trace, from its request to the end of its saga.
func TestTraces(t *testing.T) {
	t.Parallel()

	t.Run("WithAWebhook", func(t *testing.T) {
		t.Parallel()
		seen := harness.NewCollector(t)
		f := harness.NewFleet(t, 1, pgtest.New(t), seen.Settings()...)
		s := f.Up(t)
		ada, sku := s.Shopper(t), s.AddProduct(t, 450)
		c := ada.Fill(t, sku)
		const client, clientsSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
		asked := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_requires_action", harness.Waiting,
			"traceparent", "00-"+client+"-"+clientsSpan+"-01"), http.StatusAccepted)
		require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode)
		inTrace := func(s harness.Span) bool { return s.Trace == client }
		seen.Await(t, "saga step checkout/cart.complete", inTrace)
		f.Replicas[0].Stop(t) // it exports the rest

		all := seen.Spans(inTrace)
		requireConnected(t, all, clientsSpan)
		for name, attributes := range map[string]map[string]string{
			checkoutRequest:                     {"cart.id": c.ID.String()},
			"command cart.check_out":            {"cart.id": c.ID.String(), "command.outcome": "done"},
			"batch":                             nil,
			"command saga.start":                {"saga.id": asked.ID.String()},
			"saga step checkout/order.place":    {"checkout.id": asked.ID.String(), "order.id": asked.OrderID.String()},
			"command order.place":               {"order.id": asked.OrderID.String()},
			"saga step checkout/payment.charge": {"payment.id": asked.PaymentID.String(), "saga.outcome": "saga.step_waits"},
			"provider simulator authorize":      {"payment.id": asked.PaymentID.String(), "provider.outcome": "answered"},
			"webhook simulator":                 {"payment.id": asked.PaymentID.String()},
			"command payment.notify":            nil,
			"provider simulator look_up":        nil,
			"provider simulator capture":        nil,
			"saga step checkout/order.confirm":  nil,
			"saga step checkout/cart.complete":  {"saga.outcome": "saga.step_done"},
		} {
			requireSpan(t, all, name, attributes)
		}
		received := seen.Spans(func(s harness.Span) bool { return s.Name == webhookRequest })
		require.Len(t, received, 1)
		require.NotEqual(t, client, received[0].Trace, "the provider's request has a trace of its own")
		linked := seen.Spans(func(s harness.Span) bool { return s.Name == "webhook simulator" })
		require.Equal(t, []string{received[0].Trace}, linked[0].Links)
		for _, s := range seen.Spans(func(harness.Span) bool { return true }) {
			for key, text := range s.Attributes {
				require.NotContains(t, text, "ada@", "%s of %s", key, s.Name)
				require.NotContains(t, text, ada.ID.String(), "%s of %s", key, s.Name)
				require.NotContains(t, text, ada.Token, "%s of %s", key, s.Name)
			}
		}
	})

	t.Run("AcrossADeathAndAReplica", func(t *testing.T) {
		t.Parallel()
		seen, url := harness.NewCollector(t), pgtest.New(t)
		f := harness.NewFleet(t, 2, url, append(seen.Settings(), "PAYMENT_TIMEOUT=20s")...)
		dies, lives := f.Replicas[0].Up(t), f.Replicas[1].Up(t)
		ada, sku := dies.Shopper(t), dies.AddProduct(t, 450)
		c := ada.Fill(t, sku)
		begun := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_slow", harness.NoWait), http.StatusAccepted)
		first := seen.Await(t, checkoutRequest, func(s harness.Span) bool { return s.Attributes["cart.id"] == c.ID.String() })
		inTrace := func(s harness.Span) bool { return s.Trace == first.Trace }
		seen.Await(t, "command payment.charge", inTrace)
		f.Replicas[0].Kill(t) // while the provider answers
		before := seen.Spans(inTrace)
		requireNoSpan(t, before, "provider simulator authorize")
		requireNoSpan(t, before, "saga step checkout/payment.charge")
		require.NoError(t, passTime(t.Context(), url)) // the other replica waits until the first one must be lost

		ada.Site = lives
		ada.AwaitStatus(t, begun.ID, saga.Completed)
		f.Replicas[1].Stop(t)
		all := seen.Spans(inTrace)
		for _, name := range []string{
			"command cart.check_out", "provider simulator authorize", "provider simulator capture", "saga step checkout/payment.charge",
			"command order.confirm", "saga step checkout/cart.complete", "command cart.complete", "command saga.record",
		} {
			requireSpan(t, all, name, nil)
		}
		requireNoOtherTrace(t, seen, begun, first.Trace)
	})
}

// requireSpan requires a span with the name and at least the attributes.
func requireSpan(t *testing.T, all []harness.Span, name string, attributes map[string]string) {
	t.Helper()
	for _, s := range all {
		same := s.Name == name
		for key, text := range attributes {
			same = same && s.Attributes[key] == text
		}
		if same {
			return
		}
	}
	require.Fail(t, "no such span", "%s %v in %s", name, attributes, namesOf(all))
}

func requireNoSpan(t *testing.T, all []harness.Span, name string) {
	t.Helper()
	for _, s := range all {
		require.NotEqual(t, name, s.Name)
	}
}

func namesOf(all []harness.Span) string {
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return strings.Join(names, ", ")
}

// requireConnected requires that every span of a trace has its parent in the trace, or is a child of root.
func requireConnected(t *testing.T, all []harness.Span, root string) {
	t.Helper()
	ids := map[string]bool{root: true}
	for _, s := range all {
		ids[s.ID] = true
	}
	for _, s := range all {
		require.True(t, ids[s.Parent], "%s has no parent", s.Name)
	}
}

// requireNoOtherTrace requires that the work on a checkout, except the reads of its shopper, is in one trace.
func requireNoOtherTrace(t *testing.T, seen *harness.Collector, c harness.CheckoutView, trace string) {
	t.Helper()
	for _, s := range seen.Spans(func(s harness.Span) bool { return s.Trace != trace && !strings.HasPrefix(s.Name, "GET ") }) {
		for _, key := range []string{"checkout.id", "order.id", "payment.id", "saga.id"} {
			id := s.Attributes[key]
			require.False(t, id == c.ID.String() || id == c.OrderID.String() || id == c.PaymentID.String(), "%s is in another trace", s.Name)
		}
	}
}
