//go:build !windows

package pgtest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"shopping-cart/migrations"
	"shopping-cart/platform/database"
)

// Server is a private PostgreSQL server. A test may crash or stop it, and start it again with the same data and URL.
//
// It answers commits before they are on disk, and writes no full pages. That loses nothing here: the operating system's cache
// keeps the writes of an ended process, and no test cuts the power.
type Server struct {
	t       testing.TB
	config  database.EmbeddedConfig
	running *database.Embedded
}

// NewServer starts a server with one database that has every schema. It ends with the test.
func NewServer(t testing.TB) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgserver") // short, for the limit of socket paths, and readable by the user of the server
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatalf("pgtest: make a data directory: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &Server{t: t, config: database.EmbeddedConfig{
		Dir: filepath.Join(dir, "data"), BinDir: os.Getenv("PG_BIN_DIR"), NoSync: true,
		Params: map[string]string{"fsync": "off", "full_page_writes": "off", "max_connections": "400", "log_connections": "on"},
	}}
	s.Start()
	t.Cleanup(s.Crash) // the data is thrown away
	for _, schema := range migrations.Schemas {
		if err := database.Migrate(t.Context(), s.URL(), schema); err != nil {
			t.Fatalf("pgtest: migrate %s: %v", schema, err)
		}
	}
	return s
}

// URL returns the URL of the database.
func (s *Server) URL() string { return s.running.URL("shop") }

// Start starts the server, and returns when it accepts connections, after a recovery if it had crashed.
func (s *Server) Start() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	running, err := database.Start(ctx, s.config)
	if err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
	s.running = running
}

// Crash ends the server at once. Sessions are cut, unwritten data is lost, and the next start recovers.
func (s *Server) Crash() {
	if pid, err := s.postmaster(); err == nil {
		_ = syscall.Kill(pid, syscall.SIGQUIT) // first, since Stop begins with an orderly shutdown
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.running.Stop(now)
}

func (s *Server) postmaster() (pid int, err error) {
	files, _ := filepath.Glob(filepath.Join(s.config.Dir, "pg*", "postmaster.pid"))
	if len(files) != 1 {
		return 0, errors.New("no server runs")
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		return 0, err
	}
	first, _, _ := strings.Cut(string(text), "\n")
	return strconv.Atoi(first)
}

// Stop shuts the server down in order. Every session is terminated and everything is written.
func (s *Server) Stop() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := s.running.Stop(ctx); err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

// Connections returns the number of connection attempts since the first start, refused ones included.
func (s *Server) Connections() int {
	s.t.Helper()
	log, err := os.ReadFile(filepath.Join(s.config.Dir, "postgres.log"))
	if err != nil {
		s.t.Fatalf("pgtest: read the server's log: %v", err)
	}
	return bytes.Count(log, []byte("connection received:"))
}
