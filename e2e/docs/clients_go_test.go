package docs

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/oapi-codegen/runtime/types"
	"github.com/stretchr/testify/require"

	client "shopping-cart/docs/clients/go"
	"shopping-cart/e2e/harness"
)

// documenting is how the client speaks to the program: every answer is held against the API document, as with [site.try].
type documenting struct{}

func (documenting) Do(r *http.Request) (*http.Response, error) {
	a, err := harness.Browser.Do(r)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		return nil, err
	}
	a.Body = io.NopCloser(bytes.NewReader(text))
	return a, harness.AsDocumented(a, text)
}

// tourist is somebody with a client that oapi-codegen made of the API document.
type tourist struct {
	*testing.T
	*client.ClientWithResponses
}

func newTourist(t *testing.T, s *harness.Site, token string) tourist {
	t.Helper()
	c, err := client.NewClientWithResponses(s.Base, client.WithHTTPClient(documenting{}),
		client.WithRequestEditorFn(func(_ context.Context, r *http.Request) error {
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			return nil
		}))
	require.NoError(t, err)
	return tourist{t, c}
}

// good is what an answer holds that was granted.
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

// fills puts some of a SKU into a new cart.
func (p tourist) fills(sku string, quantity int64) client.Cart {
	p.Helper()
	opened, err := p.OpenCartWithResponse(p.Context(), nil, client.CartOpenRequest{Currency: "GBP"})
	c := good(p.T, opened.JSON201, opened, err)
	added, err := p.AddItemWithResponse(p.Context(), c.Id, nil, client.CartItemRequest{Sku: sku, Quantity: quantity})
	return good(p.T, added.JSON200, added, err)
}

func (p tourist) pays(c client.Cart, method, key string) *client.CheckOutResponse {
	p.Helper()
	wait := "wait=20"
	a, err := p.CheckOutWithResponse(p.Context(), c.Id, &client.CheckOutParams{IdempotencyKey: key, IfMatch: harness.Tag(c.Version), Prefer: &wait},
		client.CheckoutRequest{PaymentMethod: &method, Email: "ada@example.com"})
	require.NoError(p, err)
	return a
}

// follows is told of every change of a checkout until it has ended.
func (p tourist) follows(id types.UUID) (told []client.Checkout, err error) {
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
			told = append(told, c)
		}
	}
	return told, nil
}

// TestGoClient takes the tour of the README with the client that oapi-codegen makes of the API document.
func TestGoClient(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	operator, visitor := newTourist(t, s, s.Admin), newTourist(t, s, "")
	sku := "SKU " + uuid.NewString()

	// The shop sells a teapot and has 100 of them. A guest comes in.
	put, err := operator.PutProductWithResponse(t.Context(), sku, nil, client.ProductRequest{Name: "Teapot", Price: client.AmountRequest(pounds(1999))})
	require.Equal(t, "Teapot", good(t, put.JSON201, put, err).Name)
	counted, err := operator.PutStockWithResponse(t.Context(), sku, nil, client.StockRequest{OnHand: 100})
	require.EqualValues(t, 100, good(t, counted.JSON200, counted, err).Available)
	session, err := visitor.OpenSessionWithResponse(t.Context())
	ada := newTourist(t, s, good(t, session.JSON201, session, err).Token)

	// Sent again, a checkout is the same checkout.
	first, key := ada.fills(sku, 2), uuid.NewString()
	require.Equal(t, pounds(3998), first.Total)
	a := ada.pays(first, "sim_ok", key)
	bought := good(t, a.JSON201, a, nil)
	require.Equal(t, client.CheckoutStatusCompleted, bought.Status)
	again := ada.pays(first, "sim_ok", key)
	require.Equal(t, bought.Id, good(t, again.JSON201, again, nil).Id)
	require.Equal(t, "true", *again.Headers201.IdempotentReplayed)

	// A declined card leaves the cart open.
	second := ada.fills(sku, 3)
	declined := ada.pays(second, "sim_declined", uuid.NewString())
	require.Equal(t, "payment_declined", good(t, declined.ApplicationproblemJSON402, declined, nil).Code)
	got, err := ada.GetCartWithResponse(t.Context(), second.Id, nil)
	second = good(t, got.JSON200, got, err)
	require.Equal(t, client.Open, second.Status)

	order := ada.confirmsAtTheBank(s, second)
	refundedAndCancelled(operator, ada, order)
	toldInTheEnd(operator, ada, order)
}

// confirmsAtTheBank pays with a card that wants 3-D Secure. The stream tells how the checkout goes on when the bank has heard yes.
func (p tourist) confirmsAtTheBank(s *harness.Site, c client.Cart) (order types.UUID) {
	p.Helper()
	a := p.pays(c, "sim_requires_action", uuid.NewString())
	asked := good(p.T, a.JSON202, a, nil)
	require.Equal(p, client.CheckoutStatusRequiresAction, asked.Status)
	var all []client.Checkout
	following := make(chan error, 1)
	go func() {
		var err error
		all, err = p.follows(asked.Id)
		following <- err
	}()
	harness.Until(p, "somebody follows", func() bool {
		return bytes.Contains(s.Send(p, http.MethodGet, "/metrics", "", nil).Text, []byte("\nshopping_cart_http_streams_open 1\n"))
	})
	approved, err := newTourist(p.T, s, "").ApprovePaymentWithResponse(p.Context(), asked.PaymentId.String(), nil)
	require.NoError(p, err)
	require.Equal(p, http.StatusOK, approved.StatusCode(), string(approved.Body))
	require.NoError(p, <-following)
	require.NotEmpty(p, all)
	require.Equal(p, client.CheckoutStatusRequiresAction, all[0].Status)
	require.Equal(p, client.CheckoutStatusCompleted, all[len(all)-1].Status)
	return asked.OrderId
}

// refundedAndCancelled gives 5 pounds back, and then cancels the order.
func refundedAndCancelled(operator, ada tourist, id types.UUID) {
	operator.Helper()
	amount, wait := client.RefundAmountRequest(pounds(500)), "wait=20"
	refund, err := operator.RefundOrderWithResponse(operator.Context(), id, &client.RefundOrderParams{IdempotencyKey: uuid.NewString(), Prefer: &wait},
		client.RefundRequest{Amount: &amount, Reason: "The handle was loose."})
	require.Equal(operator, pounds(500), good(operator.T, refund.JSON201, refund, err).Amount)
	cancelled, err := ada.CancelOrderWithResponse(ada.Context(), id, &client.CancelOrderParams{IdempotencyKey: uuid.NewString()},
		client.CancelOrderJSONRequestBody{Reason: "I found a nicer one."})
	require.Equal(ada, client.OrderStatusCancelling, good(ada.T, cancelled.JSON202, cancelled, err).Status)
	harness.Until(ada, "the order is cancelled", func() bool {
		got, err := ada.GetOrderWithResponse(ada.Context(), id, nil)
		order := good(ada.T, got.JSON200, got, err)
		return order.Status == client.OrderStatusCancelled && order.Refunded == pounds(5997)
	})
}

// toldInTheEnd reads what happened, and whether every promise was kept.
func toldInTheEnd(operator, ada tourist, id types.UUID) {
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
