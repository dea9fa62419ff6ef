package cli

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/client"
	"shopping-cart/internal/demo"
	"shopping-cart/internal/replay"
)

// TestAwaitReady checks that a command waits for a server that is starting, and prints one notice.
func TestAwaitReady(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 4 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte(`{"status":"degraded","modules":[]}`))
	}))
	t.Cleanup(server.Close)
	var notices bytes.Buffer
	require.NoError(t, client.AwaitReady(t.Context(), server.URL, time.Minute, &notices))
	require.EqualValues(t, 4, asked.Load())
	require.Equal(t, server.URL+" is not ready yet; waiting for up to 1m0s: the server is not ready: 503 Service Unavailable\n", notices.String())

	t.Run("NotForEver", func(t *testing.T) {
		t.Parallel()
		err := client.AwaitReady(t.Context(), nobody(t), 200*time.Millisecond, &bytes.Buffer{})
		require.ErrorContains(t, err, "was not ready within 200ms")
	})
}

// TestPasswordOfBaseURL checks that no message shows the password in a server's address.
func TestPasswordOfBaseURL(t *testing.T) {
	t.Parallel()
	ready := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(ready.Close)
	withPassword := func(base string) string { return strings.Replace(base, "http://", "http://user:s3cr3tPW@", 1) }
	for _, base := range []string{withPassword(ready.URL), withPassword(nobody(t))} {
		var said bytes.Buffer
		for _, err := range []error{
			client.CheckAlive(t.Context(), base), client.AwaitReady(t.Context(), base, 0, &said), client.AwaitReady(t.Context(), base, 100*time.Millisecond, &said),
			(&Health{BaseURL: base}).Run(t.Context(), &said, nil), (&Health{BaseURL: base, JSON: true}).Run(t.Context(), &said, nil),
			(&Verify{BaseURL: withPassword(nobody(t)), Quiet: true}).Run(t.Context(), &said, nil),
		} {
			if err != nil {
				said.WriteString(err.Error())
			}
		}
		require.Contains(t, said.String(), "http://user:xxxxx@127.0.0.1:")
		require.NotContains(t, said.String(), "s3cr3tPW")
	}
}

// TestForeignServers checks that a foreign server is reported at once, and so is one with another secret for tokens.
func TestForeignServers(t *testing.T) {
	t.Parallel()
	run := map[string]func(base, token string) error{
		"verify": func(base, _ string) error {
			return (&Verify{Quiet: true}).Run(t.Context(), &bytes.Buffer{}, here{base})
		},
		"demo": func(base, token string) error {
			catalog, err := os.ReadFile("../../docs/data/online-retail-sample.csv.gz")
			require.NoError(t, err)
			return (&demo.Demo{Rate: 1, AdminToken: token}).Run(t.Context(), &bytes.Buffer{}, here{base}, catalog)
		},
		"replay": func(base, token string) error {
			r := &replay.Replay{File: "../../docs/data/online-retail-sample.csv.gz", Concurrency: 1, Quiet: true, AdminToken: token}
			return r.Run(t.Context(), &bytes.Buffer{}, here{base})
		},
		"health": func(base, _ string) error { return (&Health{}).Run(t.Context(), &bytes.Buffer{}, here{base}) },
	}
	for name, answers := range map[string]http.HandlerFunc{
		"NotFound":   http.NotFound,
		"Page":       func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<h1>It works!</h1>")) },
		"OtherWords": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"status":"UP"}`)) },
		"Locked":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) },
	} {
		server := httptest.NewServer(answers)
		t.Cleanup(server.Close)
		for command, run := range run {
			t.Run(name+" "+command, func(t *testing.T) {
				t.Parallel()
				require.ErrorContains(t, run(server.URL, ""), "the program at "+server.URL+" is not shopping-cart")
			})
		}
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			_, _ = w.Write([]byte(`{"status":"ok"}`))
		case "/readyz":
			_, _ = w.Write([]byte(`{"status":"ready"}`))
		case "/shop":
		default:
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"status":401,"code":"unauthenticated","detail":"The access token is not valid."}`))
		}
	}))
	t.Cleanup(other.Close)
	for _, command := range []string{"verify", "demo", "replay"} {
		t.Run("OtherSecret "+command, func(t *testing.T) {
			t.Parallel()
			err := run[command](other.URL, "")
			require.ErrorContains(t, err, "the server at "+other.URL+" does not use the settings of this folder")
			require.ErrorContains(t, err, "401")
			if command != "verify" {
				require.ErrorContains(t, run[command](other.URL, "mine"), "the server at "+other.URL+" refuses the token of --admin-token")
			}
		})
	}
}

// nobody returns an address without a server.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return "http://" + l.Addr().String()
}

// TestVerifyOfNobody checks that an absent server is not asked repeatedly. The error names the address.
func TestVerifyOfNobody(t *testing.T) {
	t.Parallel()
	base := nobody(t)
	err := (&Verify{Quiet: true}).Run(t.Context(), &bytes.Buffer{}, here{base})
	require.ErrorContains(t, err, "no server answers at "+base)
	var broken *Broken
	require.False(t, errors.As(err, &broken))
}
