//go:build !windows

package harness

import (
	"bytes"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/cluster"
	"shopping-cart/migrations"
	"shopping-cart/platform/web"
)

// Host runs the program as a process, repeatedly on the same data.
type Host struct {
	cluster.Replica
	Program  string       // this test, unless it is set
	Log      bytes.Buffer // standard error of the last process; read it after its end
	dir      string       // of the embedded database
	database string       // URL; empty: embedded
	thaw     func()
}

// NewHost returns a host without a process. A DATABASE_URL as the first setting replaces the embedded database. The process stops
// at the end of the test.
func NewHost(t *testing.T, settings []string) *Host {
	program, err := os.Executable()
	require.NoError(t, err)
	dir, err := os.MkdirTemp("", "killed") // short, and readable by the user of the embedded database
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, os.RemoveAll(dir)) })
	require.NoError(t, os.Chmod(dir, 0o755))
	h := &Host{Program: program, dir: filepath.Join(dir, "data")}
	if len(settings) > 0 {
		_, h.database, _ = strings.Cut(settings[0], "=")
	}
	c := Settings()
	env := append([]string{
		AsProgram + "=1", "DATA_DIR=" + h.dir, "HTTP_ADDR=" + c.HTTPAddr, "AUTH_SECRET=" + c.AuthSecret, "ADMIN_SECRET=" + c.AdminSecret, "AUTH_AUDIENCE=" + c.AuthAudience,
		"LOG_LEVEL=error", "LIMITS=false", "PAYMENT_ONE_DECLINE=false", "PAYMENT_TIMEOUT=200ms", "GORACE=atexit_sleep_ms=0", // otherwise each process waits a second at its end
	}, settings...)
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PG_BIN_DIR", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	h.Command = func() *exec.Cmd {
		h.Log.Reset()
		cmd := exec.Command(h.Program)
		cmd.Dir, cmd.Env, cmd.Stderr = dir, env, &h.Log
		return cmd
	}
	t.Cleanup(func() { h.Stop(t) })
	return h
}

// Start starts the program, and returns when it serves.
func (h *Host) Start(t *testing.T) {
	t.Helper()
	if err := h.Replica.Start(); err != nil {
		t.Fatalf("%v: %s", err, h.Log.String())
	}
}

// Kill kills the process (SIGKILL). It fails the test if the process had ended by itself.
func (h *Host) Kill(t *testing.T) {
	t.Helper()
	err := h.Replica.Kill()
	assert.ErrorContains(t, err, "killed", "it ended by itself: %s", &h.Log)
}

// Stop requires that the program stops cleanly.
func (h *Host) Stop(t *testing.T) {
	t.Helper()
	Browser.CloseIdleConnections() // a server waits five seconds for the first request of a connection
	assert.NoError(t, h.Replica.Stop(), "a program that is asked to stop stops well")
}

// Freeze stops the process, and returns when it has stopped.
func (h *Host) Freeze(t *testing.T) {
	t.Helper()
	h.thaw = h.Replica.Freeze()
	require.NotNil(t, h.thaw, "no process to freeze")
}

// Thaw continues the process.
func (h *Host) Thaw() { h.thaw() }

// Up returns the running program with its databases.
func (h *Host) Up(t *testing.T) *Site {
	t.Helper()
	c := Settings()
	s := &Site{Base: h.Base(), Settings: c, Admin: Mint(t, c, "operator", web.ScopeAdmin), URLs: map[string]string{}}
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

// FreeAddress returns an unused address.
func FreeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
