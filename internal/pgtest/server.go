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

// Server is a PostgreSQL server of a test's own, which the test may end, as by a crash or in good order, and start again
// on the same data and at the same URL.
//
// It answers commits before the disk has them, and does without full pages. That forgets nothing here: what a process has
// written outlives the process in the operating system's cache, and no test cuts the power.
type Server struct {
	t       testing.TB
	config  database.EmbeddedConfig
	running *database.Embedded
}

// NewServer starts a server with one database, which holds every schema. It ends when the test does.
func NewServer(t testing.TB) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgserver") // short, as sockets want it, and open to the user that the server runs as
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

// URL is where the database is reached, whenever the server runs.
func (s *Server) URL() string { return s.running.URL("shop") }

// Start starts the server, and returns when it accepts connections: after its recovery, where it had crashed.
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

// Crash ends the server at once: every session is cut off, what was not yet written is lost, and the next start recovers.
func (s *Server) Crash() {
	if pid, err := s.postmaster(); err == nil {
		_ = syscall.Kill(pid, syscall.SIGQUIT) // first: what Stop asks for to begin with is good order
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

// Stop ends the server in good order: every session is told to go, and all is written.
func (s *Server) Stop() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := s.running.Stop(ctx); err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

// Connections are the attempts to connect that the server has seen since its first start, refused ones too.
func (s *Server) Connections() int {
	s.t.Helper()
	log, err := os.ReadFile(filepath.Join(s.config.Dir, "postgres.log"))
	if err != nil {
		s.t.Fatalf("pgtest: read the server's log: %v", err)
	}
	return bytes.Count(log, []byte("connection received:"))
}
