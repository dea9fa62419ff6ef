//go:build !windows

package harness

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/migrations"
	"shopping-cart/platform/web"
)

// Host runs the program as a process, repeatedly on the same data.
type Host struct {
	Command  func() *exec.Cmd
	dir      string // of the embedded database
	database string // URL; empty: embedded

	mu       sync.Mutex
	Base     string        // of the running process; empty if there is none
	Changed  chan struct{} // closed when Base changes
	answers  int
	Answered chan struct{} // buffered by one: signals another answer
	Process  *exec.Cmd
}

func NewHost(t *testing.T, database []string) *Host {
	program, err := os.Executable()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "killed") // short, and readable by the user of the embedded database
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	h := &Host{dir: filepath.Join(dir, "data"), Changed: make(chan struct{}), Answered: make(chan struct{}, 1)}
	if len(database) > 0 {
		_, h.database, _ = strings.Cut(database[0], "=")
	}
	c := Settings()
	env := append([]string{
		AsProgram + "=1", "DATA_DIR=" + h.dir, "HTTP_ADDR=" + c.HTTPAddr, "AUTH_SECRET=" + c.AuthSecret, "AUTH_AUDIENCE=" + c.AuthAudience,
		"LOG_LEVEL=error", "PAYMENT_TIMEOUT=200ms", "GORACE=atexit_sleep_ms=0", // otherwise each process waits a second at its end
	}, database...)
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PG_BIN_DIR", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	h.Command = func() *exec.Cmd {
		cmd := exec.Command(program)
		cmd.Dir, cmd.Env = dir, env
		return cmd
	}
	t.Cleanup(func() {
		if h.Process != nil {
			assert.NoError(t, h.Process.Process.Signal(syscall.SIGTERM))
			assert.NoError(t, h.Process.Wait(), "a program that is asked to stop stops well")
		}
	})
	return h
}

// Start starts the program, and returns when it serves.
func (h *Host) Start(t *testing.T) {
	t.Helper()
	cmd := h.Command()
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	h.Process = cmd
	greeting := bufio.NewScanner(out)
	for greeting.Scan() {
		if strings.Contains(greeting.Text(), "/swagger") {
			h.Set(AddressIn(t, greeting.Text()))
			return
		}
	}
	h.Process = nil
	require.NoError(t, cmd.Wait(), log.String())
	t.Fatal("the program ended at its start")
}

// Kill sends SIGKILL.
func (h *Host) Kill(t *testing.T) {
	t.Helper()
	require.NoError(t, h.Process.Process.Kill())
	h.Set("")
	require.ErrorContains(t, h.Process.Wait(), "killed")
	h.Process = nil
}

func (h *Host) Set(base string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Base = base
	close(h.Changed)
	h.Changed = make(chan struct{})
}

func (h *Host) Where() (base string, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.Base, h.Changed
}

// Up returns the running program with its databases.
func (h *Host) Up(t *testing.T) *Site {
	t.Helper()
	base, _ := h.Where()
	c := Settings()
	s := &Site{Base: base, Settings: c, Admin: Mint(t, c, "operator", web.ScopeAdmin), URLs: map[string]string{}}
	at := h.database
	if at == "" {
		at = embeddedIn(t, h.dir)
	}
	for _, schema := range migrations.Schemas {
		s.URLs[schema] = at
	}
	return s
}

// embeddedIn returns the URL of the embedded database of a data directory. Its pid file names the socket.
func embeddedIn(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "pg*", "postmaster.pid"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	text, err := os.ReadFile(files[0])
	require.NoError(t, err)
	const socketLine = 4
	u := url.URL{Scheme: "postgres", User: url.User("app"), Path: "/shop"}
	u.RawQuery = url.Values{"host": {strings.Split(string(text), "\n")[socketLine]}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// Retry repeats a request until the process that runs by then answers.
func (h *Host) Retry(ctx context.Context, method, path, token string, body any, headers ...string) (Answer, error) {
	for {
		base, changed := h.Where()
		if base != "" {
			a, err := (&Site{Base: base}).Try(ctx, method, path, token, body, headers...)
			if err == nil && a.StatusCode < 500 {
				h.count()
				return a, nil
			}
			if err == nil && a.StatusCode != http.StatusServiceUnavailable {
				return a, fmt.Errorf("%s %s: %s", method, path, a.Text)
			}
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond): // it may have been busy
		case <-ctx.Done():
			return Answer{}, ctx.Err()
		}
	}
}

func (h *Host) count() {
	h.mu.Lock()
	h.answers++
	h.mu.Unlock()
	select {
	case h.Answered <- struct{}{}:
	default:
	}
}

// AwaitAnswers returns after n more answers, in the middle of the traffic.
func (h *Host) AwaitAnswers(t *testing.T, n int) {
	t.Helper()
	h.mu.Lock()
	enough := h.answers + n
	h.mu.Unlock()
	deadline := time.After(2 * Patience)
	for {
		select {
		case <-h.Answered:
		case <-deadline:
			t.Fatal("nothing is answered any more")
		}
		h.mu.Lock()
		reached := h.answers >= enough
		h.mu.Unlock()
		if reached {
			return
		}
	}
}

// Retrier repeats an idempotent request until it is answered.
type Retrier interface {
	Retry(ctx context.Context, method, path, token string, body any, headers ...string) (Answer, error)
}

// RetryAs returns the answer to a request that cannot be refused.
func RetryAs[T any](ctx context.Context, to Retrier, method, path, token string, body any, headers ...string) (v T, err error) {
	a, err := to.Retry(ctx, method, path, token, body, headers...)
	if err == nil && a.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s", method, path, a.Text)
	}
	if err == nil {
		err = a.Decode(&v)
	}
	return v, err
}

func member(a Answer, name string) (uuid.UUID, error) {
	var members map[string]any
	if err := a.Decode(&members); err != nil {
		return uuid.Nil, err
	}
	return uuid.Parse(fmt.Sprint(members[name]))
}

// Runs makes a host run another program than this test.
func (h *Host) Runs(program string) {
	command := h.Command
	h.Command = func() *exec.Cmd {
		cmd := command()
		cmd.Path, cmd.Args = program, []string{program}
		return cmd
	}
}

// FreeAddress returns an unused address.
func FreeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
