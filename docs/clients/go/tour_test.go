// Package tour_test buys and refunds with the client that oapi-codegen makes of the API document:
//
//	mkdir client
//	go tool oapi-codegen -package client -generate types,client -o client/client.gen.go ../../openapi.json
//	API_URL=http://localhost:8080 ADMIN_TOKEN="$(shopping-cart token --admin)" go test .
//
// TestGoClient of the program runs these commands in a copy of this folder.
package tour_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"tour/client"
)

var baseURL = os.Getenv("API_URL")

// tourist calls the API with one token.
type tourist struct {
	*testing.T
	*client.ClientWithResponses
}

func newTourist(t *testing.T, token string) tourist {
	t.Helper()
	authorize := func(_ context.Context, r *http.Request) error {
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return nil
	}
	c, err := client.NewClientWithResponses(baseURL, client.WithRequestEditorFn(authorize))
	require.NoError(t, err)
	return tourist{t, c}
}

// good returns the body of a successful answer.
func good[V any](t *testing.T, v *V, a interface {
	Status() string
	GetBody() []byte
}, err error) V {
	t.Helper()
	require.NoError(t, err)
	require.NotNil(t, v, "%s: %s", a.Status(), a.GetBody())
	return *v
}

func pounds(pence int64) client.Amount { return client.Amount{Amount: pence, Currency: "GBP"} }

// tag quotes a version for If-Match.
func tag(version int64) string { return fmt.Sprintf(`"%d"`, version) }

// until checks a condition at each tick, and fails the test after a minute.
func (p tourist) until(what string, holds func() bool) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			require.Fail(p, "in vain: until "+what)
		}
	}
}

// fill puts a quantity of a SKU into a new cart.
func (p tourist) fill(sku string, quantity int64) client.Cart {
	p.Helper()
	opened, err := p.OpenCartWithResponse(p.Context(), nil, client.CartOpenRequest{Currency: "GBP"})
	c := good(p.T, opened.JSON201, opened, err)
	added, err := p.AddItemWithResponse(p.Context(), c.Id, nil, client.CartItemRequest{Sku: sku, Quantity: quantity})
	return good(p.T, added.JSON200, added, err)
}

// pay checks a cart out.
func (p tourist) pay(c client.Cart, method, key string) *client.CheckOutResponse {
	p.Helper()
	wait := "wait=20"
	a, err := p.CheckOutWithResponse(p.Context(), c.Id, &client.CheckOutParams{IdempotencyKey: key, IfMatch: tag(c.Version), Prefer: &wait},
		client.CheckoutRequest{PaymentMethod: &method, Email: "ada@example.com"})
	require.NoError(p, err)
	return a
}

// follow reads the stream of a checkout until the checkout has ended.
func (p tourist) follow(id uuid.UUID) (changes []client.Checkout, err error) {
	a, err := p.FollowCheckoutWithResponse(p.Context(), id, nil)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(a.Body)) {
		if data, is := strings.CutPrefix(line, "data: "); is {
			var c client.Checkout
			if err := json.Unmarshal([]byte(data), &c); err != nil {
				return nil, err
			}
			changes = append(changes, c)
		}
	}
	return changes, nil
}

func TestTour(t *testing.T) {
	operator, visitor := newTourist(t, os.Getenv("ADMIN_TOKEN")), newTourist(t, "")
	sku := "SKU " + uuid.NewString()

	// An operator puts 100 teapots on sale. A guest opens a session.
	put, err := operator.PutProductWithResponse(t.Context(), sku, nil, client.ProductRequest{Name: "Teapot", Price: client.AmountRequest(pounds(1999))})
	require.Equal(t, "Teapot", good(t, put.JSON201, put, err).Name)
	counted, err := operator.PutStockWithResponse(t.Context(), sku, nil, client.StockRequest{OnHand: 100})
	require.EqualValues(t, 100, good(t, counted.JSON200, counted, err).Available)
	session, err := visitor.OpenSessionWithResponse(t.Context())
	ada := newTourist(t, good(t, session.JSON201, session, err).Token)

	// Repeating a checkout with the same key returns the same checkout.
	first, key := ada.fill(sku, 2), uuid.NewString()
	require.Equal(t, pounds(3998), first.Total)
	a := ada.pay(first, "sim_ok", key)
	bought := good(t, a.JSON201, a, nil)
	require.Equal(t, client.CheckoutStatusCompleted, bought.Status)
	again := ada.pay(first, "sim_ok", key)
	require.Equal(t, bought.Id, good(t, again.JSON201, again, nil).Id)
	require.Equal(t, "true", *again.Headers201.IdempotentReplayed)

	// A declined card leaves the cart open.
	second := ada.fill(sku, 3)
	declined := ada.pay(second, "sim_declined", uuid.NewString())
	require.Equal(t, "payment_declined", good(t, declined.ApplicationproblemJSON402, declined, nil).Code)
	got, err := ada.GetCartWithResponse(t.Context(), second.Id, nil)
	second = good(t, got.JSON200, got, err)
	require.Equal(t, client.Open, second.Status)

	order := ada.confirmAtTheBank(second)
	refundAndCancel(operator, ada, order)
	readTheEnd(operator, ada, order)
}

// confirmAtTheBank pays with a card that requires 3-D Secure. The stream of the checkout shows the effect of the confirmation.
func (p tourist) confirmAtTheBank(c client.Cart) (order uuid.UUID) {
	p.Helper()
	a := p.pay(c, "sim_requires_action", uuid.NewString())
	asked := good(p.T, a.JSON202, a, nil)
	require.Equal(p, client.CheckoutStatusRequiresAction, asked.Status)
	var all []client.Checkout
	following := make(chan error, 1)
	go func() {
		var err error
		all, err = p.follow(asked.Id)
		following <- err
	}()
	p.until("the stream is open", func() bool {
		a, err := http.Get(baseURL + "/metrics")
		require.NoError(p, err)
		defer a.Body.Close()
		text, err := io.ReadAll(a.Body)
		return err == nil && strings.Contains(string(text), "\nshopping_cart_http_streams_open 1\n")
	})
	approved, err := newTourist(p.T, "").ApprovePaymentWithResponse(p.Context(), asked.PaymentId.String(), nil)
	require.NoError(p, err)
	require.Equal(p, http.StatusOK, approved.StatusCode(), string(approved.Body))
	require.NoError(p, <-following)
	require.NotEmpty(p, all)
	require.Equal(p, client.CheckoutStatusRequiresAction, all[0].Status)
	require.Equal(p, client.CheckoutStatusCompleted, all[len(all)-1].Status)
	return asked.OrderId
}

// refundAndCancel refunds 5 pounds and then cancels the order.
func refundAndCancel(operator, ada tourist, id uuid.UUID) {
	operator.Helper()
	amount, wait := client.RefundAmountRequest(pounds(500)), "wait=20"
	refund, err := operator.RefundOrderWithResponse(operator.Context(), id, &client.RefundOrderParams{IdempotencyKey: uuid.NewString(), Prefer: &wait},
		client.RefundRequest{Amount: &amount, Reason: "The handle was loose."})
	require.Equal(operator, pounds(500), good(operator.T, refund.JSON201, refund, err).Amount)
	cancelled, err := ada.CancelOrderWithResponse(ada.Context(), id, &client.CancelOrderParams{IdempotencyKey: uuid.NewString()},
		client.CancelOrderJSONRequestBody{Reason: "I found a nicer one."})
	require.Equal(ada, client.OrderStatusCancelling, good(ada.T, cancelled.JSON202, cancelled, err).Status)
	ada.until("the order is cancelled", func() bool {
		got, err := ada.GetOrderWithResponse(ada.Context(), id, nil)
		order := good(ada.T, got.JSON200, got, err)
		return order.Status == client.OrderStatusCancelled && order.Refunded == pounds(5997)
	})
}

// readTheEnd checks the timeline of the order and the reconciliation.
func readTheEnd(operator, ada tourist, id uuid.UUID) {
	operator.Helper()
	limit := 100
	timeline, err := ada.GetOrderTimelineWithResponse(ada.Context(), id, &client.GetOrderTimelineParams{Limit: &limit})
	var kinds []string
	for _, entry := range good(ada.T, timeline.JSON200, timeline, err).Data {
		kinds = append(kinds, entry.Type)
	}
	require.Contains(ada, kinds, "payment.refunded")
	verdict, err := operator.ShowReconciliationWithResponse(operator.Context(), nil)
	require.Empty(operator, good(operator.T, verdict.JSON200, verdict, err).Data)
}
