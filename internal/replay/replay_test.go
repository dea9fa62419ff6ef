package replay

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/client"
	"shopping-cart/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// engine is the real program, serving.
type engine struct {
	program, base, token string
	env                  []string
}

// serve builds the program and runs it until the test ends.
func serve(t *testing.T) *engine {
	e := &engine{program: filepath.Join(t.TempDir(), "shopping-cart")}
	built, err := exec.CommandContext(t.Context(), "go", "build", "-o", e.program, "../..").CombinedOutput()
	require.NoError(t, err, string(built))
	address := freeAddress(t)
	e.base = "http://" + address
	e.env = append(os.Environ(), "HTTP_ADDR="+address, "DATABASE_URL="+pgtest.New(t), "AUTH_SECRET=2d5724a228fca7acb1a9d9e9bb6a98d484815863ea9ebce52aa4f7ea8feeecbb", "ADMIN_SECRET=9d0f7c21b65f4b0e8a3c5d1e2f6a7b8c9e4d3f2a1b0c8d7e6f5a4b3c2d1e0f9a",
		"PAYMENT_PROVIDER=simulator", "LOG_LEVEL=warn", "DATA_DIR="+t.TempDir())

	server := exec.Command(e.program)
	server.Env, server.Stdout, server.Stderr = e.env, t.Output(), t.Output()
	require.NoError(t, server.Start())
	t.Cleanup(func() {
		require.NoError(t, server.Process.Signal(syscall.SIGTERM))
		require.NoError(t, server.Wait())
	})
	require.Eventually(t, func() bool {
		return client.CheckReady(t.Context(), e.base) == nil
	}, 30*time.Second, 20*time.Millisecond)
	e.token = strings.TrimSpace(e.run(t, "token", "--admin"))
	return e
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// run runs the program with the settings of the server, and requires success.
func (e *engine) run(t *testing.T, arguments ...string) string {
	command := exec.CommandContext(t.Context(), e.program, arguments...)
	command.Env, command.Stderr = e.env, t.Output()
	out, err := command.Output()
	require.NoError(t, err, string(out))
	return string(out)
}

// behind puts a proxy between the replay and the server.
func (e *engine) behind(t *testing.T, change func(*http.Response) error) *Replay {
	target, err := url.Parse(e.base)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.ModifyResponse = change
	proxy.ErrorHandler = hangsUpFor
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return &Replay{File: sample, Concurrency: 8, BaseURL: server.URL, AdminToken: e.token, Quiet: true}
}

func hangsUpFor(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }

var threeTimes = regexp.MustCompile(`total of the file +19,777\.80 GBP\n +confirmed orders +19,777\.80 GBP\n +ledger +19,777\.80 GBP\n`)

func TestReplay(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds and runs the whole program")
	}
	e := serve(t)
	t.Run("TheSampleComesOutToThePenny", func(t *testing.T) {
		t.Parallel()
		for range 2 { // a second run on the same server counts only its own orders
			out := e.run(t, "replay", sample)
			require.Regexp(t, threeTimes, out)
			require.Regexp(t, `orders +44\n`, out)
		}
	})
	t.Run("AnswersThatGetLostChangeNothing", func(t *testing.T) {
		t.Parallel()
		var writes, lost atomic.Int64
		replay := e.behind(t, func(r *http.Response) error {
			if r.Request.Method != http.MethodGet && writes.Add(1)%5 == 0 {
				lost.Add(1)
				return io.ErrUnexpectedEOF
			}
			return nil
		})
		var out strings.Builder
		require.NoError(t, replay.Run(t.Context(), &out, nil))
		require.Regexp(t, threeTimes, out.String())
		require.Greater(t, lost.Load(), int64(100))
	})
	t.Run("LedgerThatTellsAnotherStoryIsAnError", func(t *testing.T) {
		t.Parallel()
		var told atomic.Bool
		replay := e.behind(t, func(r *http.Response) error {
			if r.Request.URL.Path != "/simulator/ledger" || told.Swap(true) {
				return nil
			}
			text, err := io.ReadAll(r.Body)
			text = bytes.Replace(text, []byte(`"capture"`), []byte(`"nothing"`), 1)
			r.Body = io.NopCloser(bytes.NewReader(text))
			return err
		})
		var out strings.Builder
		require.ErrorIs(t, replay.Run(t.Context(), &out, nil), errTotalsDiffer)
		require.Contains(t, out.String(), "0.00 GBP in the ledger")
		require.Contains(t, out.String(), "do NOT agree: 1 wrong.")
	})
	t.Run("ForeignTokenIsRefusedAtOnce", func(t *testing.T) {
		t.Parallel()
		replay := &Replay{File: sample, Concurrency: 1, BaseURL: e.base, AdminToken: "x", Quiet: true}
		require.ErrorContains(t, replay.Run(t.Context(), io.Discard, nil), "refuses the token of --admin-token: 401 unauthorized")
	})
	t.Run("NoServerIsSaidAtOnce", func(t *testing.T) {
		t.Parallel()
		replay := &Replay{File: sample, Concurrency: 1, BaseURL: "http://" + freeAddress(t), AdminToken: "x", Quiet: true}
		require.ErrorContains(t, replay.Run(t.Context(), io.Discard, nil), "connection refused")
	})
	t.Run("WholeFile", func(t *testing.T) {
		path := os.Getenv("REPLAY_FILE")
		if path == "" {
			t.Skip("REPLAY_FILE names no file, such as online-retail-2010-12.csv.gz")
		}
		out := e.run(t, "replay", path)
		t.Log(out)
		if filepath.Base(path) == "online-retail-2010-12.csv.gz" {
			require.Equal(t, 3, strings.Count(out, "823,746.14 GBP"))
			require.Regexp(t, `orders +1,559\n`, out)
		}
	})
}

func TestAbreast(t *testing.T) {
	t.Parallel()
	t.Run("DoesEachOnce", func(t *testing.T) {
		t.Parallel()
		var sum atomic.Int64
		require.NoError(t, client.Parallel(t.Context(), 7, 1000, func(_ context.Context, i int) error { sum.Add(int64(i)); return nil }))
		require.EqualValues(t, 999*1000/2, sum.Load())
	})
	t.Run("StopsAtTheFirstError", func(t *testing.T) {
		t.Parallel()
		require.ErrorIs(t, client.Parallel(t.Context(), 3, 1000, func(_ context.Context, i int) error {
			if i == 5 {
				return errFull
			}
			return nil
		}), errFull)
	})
}
