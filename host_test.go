package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
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

// host runs the program as a process of its own, over and over on the same data.
type host struct {
	command  func() *exec.Cmd
	dir      string // of the embedded database
	database string // URL; empty: embedded

	mu       sync.Mutex
	base     string        // of the process that runs; empty while none does
	changed  chan struct{} // closed when base changes
	answers  int
	answered chan struct{} // has room for one: there is another answer
	process  *exec.Cmd
}

func newHost(t *testing.T, database []string) *host {
	program, err := os.Executable()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "killed") // short, and open to the user that the embedded database runs as
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	h := &host{dir: filepath.Join(dir, "data"), changed: make(chan struct{}), answered: make(chan struct{}, 1)}
	if len(database) > 0 {
		_, h.database, _ = strings.Cut(database[0], "=")
	}
	c := settings()
	env := append([]string{
		asProgram + "=1", "DATA_DIR=" + h.dir, "HTTP_ADDR=" + c.HTTPAddr, "AUTH_SECRET=" + c.AuthSecret, "AUTH_AUDIENCE=" + c.AuthAudience,
		"LOG_LEVEL=error", "PAYMENT_TIMEOUT=200ms", "GORACE=atexit_sleep_ms=0", // or each waits a second at its end
	}, database...)
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PG_BIN_DIR", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	h.command = func() *exec.Cmd {
		cmd := exec.Command(program)
		cmd.Dir, cmd.Env = dir, env
		return cmd
	}
	t.Cleanup(func() {
		if h.process != nil {
			assert.NoError(t, h.process.Process.Signal(syscall.SIGTERM))
			assert.NoError(t, h.process.Wait(), "a program that is asked to stop stops well")
		}
	})
	return h
}

// start starts the program, and returns when it serves.
func (h *host) start(t *testing.T) {
	t.Helper()
	cmd := h.command()
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	h.process = cmd
	greeting := bufio.NewScanner(out)
	for greeting.Scan() {
		if strings.Contains(greeting.Text(), "/swagger") {
			h.set(addressIn(t, greeting.Text()))
			return
		}
	}
	h.process = nil
	require.NoError(t, cmd.Wait(), log.String())
	t.Fatal("the program ended at its start")
}

// kill is kill -9.
func (h *host) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, h.process.Process.Kill())
	h.set("")
	require.ErrorContains(t, h.process.Wait(), "killed")
	h.process = nil
}

func (h *host) set(base string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.base = base
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *host) where() (base string, changed <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.base, h.changed
}

// up is the program that runs now, with its databases.
func (h *host) up(t *testing.T) *site {
	t.Helper()
	base, _ := h.where()
	c := settings()
	s := &site{base: base, settings: c, admin: mint(t, c, "operator", web.ScopeAdmin), urls: map[string]string{}}
	at := h.database
	if at == "" {
		at = embeddedIn(t, h.dir)
	}
	for _, schema := range migrations.Schemas {
		s.urls[schema] = at
	}
	return s
}

// embeddedIn is where the embedded database of a data directory answers: its own pid file names the socket.
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

// insists has the answer of whatever process runs by then.
func (h *host) insists(ctx context.Context, method, path, token string, body any, headers ...string) (answer, error) {
	for {
		base, changed := h.where()
		if base != "" {
			a, err := (&site{base: base}).try(ctx, method, path, token, body, headers...)
			if err == nil && a.StatusCode < 500 {
				h.count()
				return a, nil
			}
			if err == nil && a.StatusCode != http.StatusServiceUnavailable {
				return a, fmt.Errorf("%s %s: %s", method, path, a.body)
			}
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond): // it may have been busy
		case <-ctx.Done():
			return answer{}, ctx.Err()
		}
	}
}

func (h *host) count() {
	h.mu.Lock()
	h.answers++
	h.mu.Unlock()
	select {
	case h.answered <- struct{}{}:
	default:
	}
}

// awaitAnswers returns in the middle of everything, n answers from now.
func (h *host) awaitAnswers(t *testing.T, n int) {
	t.Helper()
	h.mu.Lock()
	enough := h.answers + n
	h.mu.Unlock()
	deadline := time.After(2 * patience)
	for {
		select {
		case <-h.answered:
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

// insister repeats a request, which must be safe to repeat, until it is answered.
type insister interface {
	insists(ctx context.Context, method, path, token string, body any, headers ...string) (answer, error)
}

// told is the answer to a request that cannot be refused.
func told[T any](ctx context.Context, to insister, method, path, token string, body any, headers ...string) (v T, err error) {
	a, err := to.insists(ctx, method, path, token, body, headers...)
	if err == nil && a.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s", method, path, a.body)
	}
	if err == nil {
		err = a.decode(&v)
	}
	return v, err
}

func member(a answer, name string) (uuid.UUID, error) {
	var members map[string]any
	if err := a.decode(&members); err != nil {
		return uuid.Nil, err
	}
	return uuid.Parse(fmt.Sprint(members[name]))
}
