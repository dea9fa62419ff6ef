package telemetry_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/telemetry"
)

func TestLog(t *testing.T) {
	t.Parallel()

	t.Run("WritesTheFormatAskedForFromTheLevelUp", func(t *testing.T) {
		t.Parallel()
		for format, want := range map[string]string{"text": "msg=heard", "json": `"msg":"heard"`} {
			var out bytes.Buffer
			log, err := telemetry.Log(&out, "warn", format)
			require.NoError(t, err)
			log.Info("unheard")
			log.Warn("heard")
			require.Contains(t, out.String(), want)
			require.NotContains(t, out.String(), "unheard")
		}
	})
	t.Run("RefusesOtherWords", func(t *testing.T) {
		t.Parallel()
		_, err := telemetry.Log(io.Discard, "loud", "text")
		require.ErrorContains(t, err, "loud")
		_, err = telemetry.Log(io.Discard, "info", "xml")
		require.ErrorContains(t, err, "xml")
	})
}

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	require.Equal(t, 200, w.Code, w.Body.String())
	return w.Body.String()
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	m := telemetry.New()
	m.HTTP(t.Context(), "GET", "/v1/carts/:id", 200, 3*time.Millisecond)
	m.Command("cart", "done")
	m.Batch(t.Context(), 8, 2*time.Millisecond)
	m.Dispatched("saga.start", 5*time.Millisecond, nil)
	m.Dispatched("saga.start", 0, errors.New("not now"))
	m.SagaEnded("checkout", "completed", 40*time.Millisecond)
	m.SagaAge("checkout", func() (time.Duration, error) { return 90 * time.Second, nil })
	m.OutboxAge("cart", func() (time.Duration, error) { return 0, errors.New("away") })

	m.Subscriptions("orders", func() ([]telemetry.Subscription, error) {
		return []telemetry.Subscription{{Name: "daily_sales", Kind: "projection", Lag: 7, Oldest: 2 * time.Second, Parked: 3}}, nil
	})
	m.Subscriptions("cart", func() ([]telemetry.Subscription, error) { return nil, errors.New("away") })

	m.Providers(func() []telemetry.Provider {
		return []telemetry.Provider{{Name: "bank", Breaker: "open", InFlight: 4, Deferred: 9}}
	})
	m.ProviderCall(t.Context(), "bank", "capture", "held_open", time.Millisecond)

	out := scrape(t, m)
	for _, line := range []string{
		`shopping_cart_subscription_lag_events{kind="projection",store="orders",subscription="daily_sales"} 7`,
		`shopping_cart_subscription_oldest_seconds{kind="projection",store="orders",subscription="daily_sales"} 2`,
		`shopping_cart_subscription_parked_messages{kind="projection",store="orders",subscription="daily_sales"} 3`,
		`shopping_cart_subscription_parked_messages{kind="",store="cart",subscription=""} NaN`,
		`shopping_cart_http_requests_total{method="GET",route="/v1/carts/:id",status="200"} 1`,
		`shopping_cart_http_request_seconds_total{method="GET",route="/v1/carts/:id"} 0.003`,
		`shopping_cart_http_request_duration_seconds_count{method="GET"} 1`,
		`shopping_cart_commands_total{outcome="done",store="cart"} 1`,
		`shopping_cart_batch_commands_sum 8`,
		`shopping_cart_batch_duration_seconds_count 1`,
		`shopping_cart_dispatch_lag_seconds_count{subscription="saga.start"} 1`,
		`shopping_cart_dispatch_failures_total{subscription="saga.start"} 1`,
		`shopping_cart_saga_duration_seconds_count{kind="checkout",status="completed"} 1`,
		`shopping_cart_saga_oldest_unfinished_seconds{kind="checkout"} 90`,
		`shopping_cart_outbox_oldest_seconds{store="cart"} NaN`,
		`shopping_cart_provider_breaker_state{provider="bank",state="open"} 1`,
		`shopping_cart_provider_breaker_state{provider="bank",state="closed"} 0`,
		`shopping_cart_provider_calls_in_flight{provider="bank"} 4`,
		`shopping_cart_provider_held{provider="bank"} 9`,
		`shopping_cart_provider_call_duration_seconds_count{operation="capture",outcome="held_open",provider="bank"} 1`,
		`go_goroutines`,
		`process_start_time_seconds`,
	} {
		require.Contains(t, out, line)
	}
}

func TestPoolsAreShownAtEachScrape(t *testing.T) {
	t.Parallel()
	config, err := pgxpool.ParseConfig("host=127.0.0.1 port=1 user=nobody dbname=none pool_max_conns=7")
	require.NoError(t, err)
	pool, err := pgxpool.NewWithConfig(t.Context(), config) // connects on first use, and none is made
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	m := telemetry.New()
	require.NotContains(t, scrape(t, m), "shopping_cart_pool")
	m.WatchPool("cart", "write", pool.Stat)
	m.WatchPool("cart", "query", pool.Stat)

	out := scrape(t, m)
	require.Contains(t, out, `shopping_cart_pool_connections_max{pool="cart",purpose="write"} 7`)
	require.Contains(t, out, `shopping_cart_pool_connections{pool="cart",purpose="query",state="idle"} 0`)
	require.Contains(t, out, `shopping_cart_pool_acquire_wait_seconds_total{pool="cart",purpose="write"} 0`)
}

// TestScrapesShareOneReading checks that a flood of scrapes gathers once a second.
func TestScrapesShareOneReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m, read := telemetry.New(), 0
		m.OutboxAge("cart", func() (time.Duration, error) { read++; return time.Duration(read) * time.Second, nil })
		handler := m.Handler()
		ask := func(accept, coding string) *httptest.ResponseRecorder {
			r, w := httptest.NewRequestWithContext(t.Context(), "GET", "/metrics?name[]=go_goroutines", nil), httptest.NewRecorder()
			r.Header.Set("Accept", accept)
			r.Header.Set("Accept-Encoding", coding)
			handler.ServeHTTP(w, r)
			require.Equal(t, 200, w.Code)
			return w
		}
		for range 3 {
			require.Contains(t, ask("", "").Body.String(), `shopping_cart_outbox_oldest_seconds{store="cart"} 1`+"\n")
			require.Equal(t, "gzip", ask("text/plain", "gzip, br").Header().Get("Content-Encoding"))
			require.Contains(t, ask("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "").Header().Get("Content-Type"), "protobuf")
		}
		require.Equal(t, 1, read)
		time.Sleep(time.Second)
		require.Contains(t, ask("", "").Body.String(), `shopping_cart_outbox_oldest_seconds{store="cart"} 2`+"\n")
	})
}

// TestScrapeIsSmall checks that a busy shop's metrics have at most 64 KB.
func TestScrapeIsSmall(t *testing.T) {
	t.Parallel()
	m, ctx := telemetry.New(), t.Context()
	for route := range 60 {
		for _, status := range []int{200, 404, 429} {
			m.HTTP(ctx, "GET", fmt.Sprintf("/v1/some-resources/:id/%d", route), status, time.Millisecond)
		}
	}
	for i := range 12 {
		m.Dispatched(fmt.Sprintf("some-module.reaction-%d", i), time.Second, nil)
	}
	for _, kind := range []string{"checkout", "cancellation", "refund"} {
		for _, status := range []string{"completed", "failed", "cancelled"} {
			m.SagaEnded(kind, status, time.Second)
		}
	}
	for _, operation := range []string{"authorize", "capture", "void", "refund", "look_up"} {
		for _, outcome := range []string{"answered", "failed"} {
			m.ProviderCall(ctx, "simulator", operation, outcome, time.Second)
		}
	}
	text := scrape(t, m)
	t.Log(len(text), "bytes")
	require.Less(t, len(text), 64<<10)
}
