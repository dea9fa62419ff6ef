package stripe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
)

// TestEnds maps each answer of Stripe to a capture to one of the three ends of the port. There is one request and no repetition.
func TestEnds(t *testing.T) {
	t.Parallel()
	const (
		transient = "transient"
		limited   = "limited"
		unknown   = "unknown"
		refused   = "refused"
	)
	fault := `{"error":{"type":"api_error","message":"An unknown error occurred"}}`
	invalid := func(code, param string) string {
		return fmt.Sprintf(`{"error":{"type":"invalid_request_error","code":%q,"param":%q,"message":"No."}}`, code, param)
	}
	for name, c := range map[string]struct {
		status int
		retry  string // Stripe-Should-Retry
		body   string
		want   string
	}{
		"NoKey":                  {401, "", invalid("", ""), transient},
		"KeyTooWeak":             {403, "", invalid("", ""), transient},
		"TooMany":                {429, "", invalid("rate_limit", ""), limited},
		"Locked":                 {429, "true", invalid("lock_timeout", ""), transient},
		"TooManyNoUse":           {429, "false", invalid("rate_limit", ""), unknown},
		"SameKeyElsewhere":       {409, "true", `{"error":{"type":"idempotency_error","code":"idempotency_key_in_use"}}`, unknown},
		"OtherParameters":        {400, "", `{"error":{"type":"idempotency_error"}}`, unknown},
		"Fault":                  {500, "false", fault, unknown},
		"FaultTryAgain":          {500, "true", fault, unknown},
		"Unavailable":            {503, "true", fault, unknown},
		"NotStripe":              {502, "", "<html>Bad gateway</html>", unknown},
		"NotStripeAtAll":         {200, "", "<html>Welcome to our hotel</html>", unknown},
		"Redirect":               {302, "", "", unknown},
		"NoSuchIntent":           {404, "", invalid("resource_missing", "intent"), unknown},
		"InvalidRequest":         {400, "", invalid("amount_too_large", "amount_to_capture"), refused},
		"InvalidRequestTryAgain": {400, "true", invalid("charge_expired_for_capture", ""), refused},
		"UnknownStatus":          {200, "", `{"id":"pi_1","status":"dreaming"}`, unknown},
		"Processing":             {200, "", `{"id":"pi_1","status":"processing"}`, unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var posts atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					_, _ = w.Write([]byte(`{"id":"pi_1","status":"requires_capture"}`))
					return
				}
				posts.Add(1)
				w.Header().Set("Location", "/elsewhere")
				if c.retry != "" {
					w.Header().Set("Stripe-Should-Retry", c.retry)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			t.Cleanup(server.Close)
			answer, err := captureAt(t, server.URL)
			require.EqualValues(t, 1, posts.Load())
			if c.want == refused {
				require.NoError(t, err)
				require.Equal(t, payment.Refused, answer.Status)
				return
			}
			require.Error(t, err)
			require.Equal(t, c.want == transient || c.want == limited, errors.As(err, new(*payment.Transient)), err)
			require.Equal(t, c.want == limited, errors.As(err, new(*payment.RateLimited)), err)
			require.NotContains(t, err.Error(), "hotel")
		})
	}
}

func captureAt(t *testing.T, url string) (payment.Answer, error) {
	p := New(Config{SecretKey: "sk_test", BaseURL: url, Log: slog.New(slog.DiscardHandler)})
	c := under(callFor("pm"), "capture")
	c.ProviderReference = "pi_1"
	return p.Capture(t.Context(), c)
}

func TestConnections(t *testing.T) {
	t.Parallel()
	t.Run("NobodyListens", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, l.Close())
		_, err = captureAt(t, "http://"+l.Addr().String())
		require.ErrorAs(t, err, new(*payment.Transient))
	})
	t.Run("NotTrusted", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		_, err := captureAt(t, server.URL)
		require.ErrorAs(t, err, new(*payment.Transient))
	})
	t.Run("CutOff", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		t.Cleanup(server.Close)
		_, err := captureAt(t, server.URL)
		require.Error(t, err)
		require.False(t, errors.As(err, new(*payment.Transient)), err)
	})
	t.Run("CutOffInTheAnswer", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"id":"pi_1","client_secret":"pi_1_secret_x","sta`))
		}))
		t.Cleanup(server.Close)
		_, err := captureAt(t, server.URL)
		require.Error(t, err)
		require.False(t, errors.As(err, new(*payment.Transient)), err)
		require.NotContains(t, err.Error(), "secret")
	})
	t.Run("ARefundUnderWayIsNotWithoutEffect", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				w.WriteHeader(http.StatusTooManyRequests)
				_, _ = w.Write([]byte(`{"error":{"type":"invalid_request_error","code":"rate_limit"}}`))
				return
			}
			_, _ = w.Write([]byte(`{"id":"re_1","status":"pending"}`))
		}))
		t.Cleanup(server.Close)
		p, c := New(Config{SecretKey: "sk_test", BaseURL: server.URL}), under(callFor("pm"), "refund/1")
		c.ProviderReference = "pi_1"
		_, err := p.Refund(t.Context(), c)
		require.Error(t, err)
		require.False(t, errors.As(err, new(*payment.Transient)), err)
	})
}

// TestSecretsStay checks that no error and no log contains a key, a card or a client secret.
func TestSecretsStay(t *testing.T) {
	t.Parallel()
	secrets := []string{"sk_test_quiet", "pi_1_secret_quiet", "4242", "Ada Lovelace", "nobody must read this"}
	prose := `"message":"nobody must read this: sk_test_quiet"`
	object := `"id":"pi_1","client_secret":"pi_1_secret_quiet",` +
		`"payment_method":{"card":{"last4":"4242"},"billing_details":{"name":"Ada Lovelace"}}`
	for _, status := range []int{200, 302, 400, 401, 402, 404, 409, 429, 500, 503} {
		for _, body := range []string{
			`{"error":{"type":"card_error","code":"card_declined",` + prose + `,"payment_intent":{` + object + `}}}`,
			`{"error":{"type":"invalid_request_error",` + prose + `,"payment_intent":{` + object + `}}}`,
			`{"error":{"type":"api_error",` + prose + `,"payment_intent":{` + object + `}}}`,
			`{` + object + `,"status":["nobody must read this"]}`,
			`nobody must read this sk_test_quiet`,
		} {
			var log bytes.Buffer
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(status)
				_, _ = w.Write([]byte(body))
			}))
			p := New(Config{SecretKey: "sk_test_quiet", BaseURL: server.URL, Log: slog.New(slog.NewTextHandler(&log, nil))})
			text := everyError(t.Context(), p) + log.String()
			server.Close()
			for _, secret := range secrets {
				require.NotContains(t, text, secret, "%d %s", status, body)
			}
		}
	}
}

func everyError(ctx context.Context, p *Provider) (text string) {
	c := callFor("pm_1")
	known := c
	known.ProviderReference = "pi_1"
	for _, c := range []payment.Call{c, known} {
		_, err := p.LookUp(ctx, c)
		text += fmt.Sprintln(err)
		for key, op := range map[string]operation{
			"authorize": p.Authorize, "capture": p.Capture, "void": p.Void, "refund/1": p.Refund,
		} {
			_, err := op(ctx, under(c, key))
			text += fmt.Sprintln(err)
		}
	}
	return text
}
