package client

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// script starts a server that answers each request with the next of its lines.
func script(t *testing.T, lines ...http.HandlerFunc) (c *Client, keys func() []string) {
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		line := lines[min(len(seen), len(lines)-1)]
		seen = append(seen, r.Header.Get("Idempotency-Key"))
		mu.Unlock()
		line(w, r)
	}))
	t.Cleanup(server.Close)
	return New(server.URL, 2), func() []string { mu.Lock(); defer mu.Unlock(); return seen }
}

func says(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"3"`)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func hangsUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestClient(t *testing.T) {
	t.Parallel()
	write := Call{Method: http.MethodPost, Path: "/v1/carts", Key: "k", Body: map[string]int{"a": 1}}
	t.Run("TriesAgainUnderTheSameKey", func(t *testing.T) {
		t.Parallel()
		c, keys := script(t, says(503, `{"code":"busy"}`), hangsUp, says(429, "slow down"), says(502, "<html>"), says(201, `{"id":"x"}`))
		got, err := c.Do(t.Context(), write)
		require.NoError(t, err)
		require.Equal(t, Response{ETag: `"3"`, Header: got.Header, Status: 201, Body: []byte(`{"id":"x"}`)}, got)
		require.Equal(t, []string{"k", "k", "k", "k", "k"}, keys())
	})
	t.Run("TakesARefusalForAnAnswer", func(t *testing.T) {
		t.Parallel()
		for status, body := range map[int]string{
			409: `{"code":"cart_closed","detail":"Closed."}`, 500: `{"code":"internal"}`, 401: "", 503: `{"code":"provider_unavailable","checkout_id":"c"}`,
		} {
			c, keys := script(t, says(status, body))
			_, err := c.Do(t.Context(), write)
			var no *Refusal
			require.ErrorAs(t, err, &no)
			require.Equal(t, status, no.Status)
			require.Len(t, keys(), 1)
		}
	})
	t.Run("GivesUpAfterItsPatience", func(t *testing.T) {
		t.Parallel()
		c, keys := script(t, hangsUp)
		c.Patience = 200 * time.Millisecond
		_, err := c.Do(t.Context(), write)
		require.ErrorContains(t, err, "POST /v1/carts: tried for 200ms")
		require.Greater(t, len(keys()), 1)
	})
	t.Run("WaitsAsLongAsTheServerAsks", func(t *testing.T) {
		t.Parallel()
		c, keys := script(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		c.Patience = 50 * time.Second
		_, err := c.Do(t.Context(), write)
		require.ErrorContains(t, err, "503")
		require.Len(t, keys(), 1)
	})
	t.Run("InProcessMakesOneAttempt", func(t *testing.T) {
		t.Parallel()
		calls := 0
		c := InProcess(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			calls++
			says(http.StatusServiceUnavailable, `{"code":"unavailable","detail":"`+r.RequestURI+`","unavailable":["saga"]}`)(w, r)
		}))
		_, err := c.Do(t.Context(), Call{Method: http.MethodGet, Path: "/v1/orders?limit=1"})
		var no *Refusal
		require.ErrorAs(t, err, &no)
		require.Equal(t, &Refusal{Status: 503, Code: "unavailable", Detail: "/v1/orders?limit=1", Unavailable: []string{"saga"}}, no)
		require.Equal(t, 1, calls)
	})
	t.Run("StopsWhenToldTo", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		c, _ := script(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			cancel()
		})
		_, err := c.Do(ctx, write)
		require.ErrorIs(t, err, context.Canceled)
	})
}
