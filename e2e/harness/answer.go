//go:build !windows

package harness

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin"
	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// Answer is a response.
type Answer struct {
	*http.Response
	Text []byte
}

func (a Answer) Decode(v any) error { return json.Unmarshal(a.Text, v) }

// Browser closes idle connections after 4 seconds, because the server closes an unused one after 5. A first use at that moment
// would fail.
var Browser = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 4 * time.Second}}

// Try sends a request and compares the answer with the API document.
func (s *Site) Try(ctx context.Context, method, path, token string, body any, headers ...string) (Answer, error) {
	a, err := s.Ask(ctx, method, path, token, body, headers...)
	if err == nil {
		err = CheckDocumented(a.Response, a.Text)
	}
	return a, err
}

// Ask sends a request. A nil body is none, a string is sent unchanged, and anything else as JSON. An empty token is none.
func (s *Site) Ask(ctx context.Context, method, path, token string, body any, headers ...string) (Answer, error) {
	var payload []byte
	switch body := body.(type) {
	case nil:
	case string:
		payload = []byte(body)
	default:
		payload, _ = json.Marshal(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, s.Base+path, bytes.NewReader(payload))
	if err != nil {
		return Answer{}, err
	}
	if len(payload) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := cmp.Or(s.Client, Browser).Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return Answer{response, text}, err
}

func (s *Site) Send(t testing.TB, method, path, token string, body any, headers ...string) Answer {
	t.Helper()
	a, err := s.Try(t.Context(), method, path, token, body, headers...)
	require.NoError(t, err)
	return a
}

// As decodes an answer, which must have one of the statuses.
func As[T any](t testing.TB, a Answer, statuses ...int) (v T) {
	t.Helper()
	require.Contains(t, statuses, a.StatusCode, "%s %s: %s", a.Request.Method, a.Request.URL.Path, a.Text)
	require.NoError(t, json.Unmarshal(a.Text, &v), string(a.Text))
	return v
}

// Problem is a refusal with its optional members.
type Problem struct {
	web.Problem
	CheckoutID uuid.UUID `json:"checkout_id"`
	Version    int64     `json:"version"`
	Lines      []struct {
		SKU                  string `json:"sku"`
		Requested, Available int64
		Was, Now             struct{ Amount int64 }
	} `json:"lines"`
}

// RequireProblem requires a complete refusal with that code.
func RequireProblem(t testing.TB, a Answer, status int, code string) Problem {
	t.Helper()
	p := As[Problem](t, a, status)
	require.Equal(t, code, p.Code, string(a.Text))
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	require.Equal(t, status, p.Status)
	require.NotEmpty(t, p.Detail)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Type)
	require.Equal(t, a.Header.Get("X-Request-Id"), p.RequestID)
	return p
}

// The views of the API.
type (
	CartView     = cart.View
	CheckoutView = saga.CheckoutView
	OrderView    = order.View
	PaymentView  = payment.View
	StockView    = order.StockView
	List[T any]  struct {
		Data       []T     `json:"data"`
		NextCursor *string `json:"next_cursor"`
	}
)

func Get[T any](t testing.TB, s *Site, path, token string) T {
	t.Helper()
	return As[T](t, s.Send(t, http.MethodGet, path, token, nil), http.StatusOK)
}

type ReadyAnswer struct {
	Status  any                   `json:"status"` // a word, or the number of a problem
	Modules []web.ModuleReadiness `json:"modules"`
}

type Entry = admin.TimelineEntry
