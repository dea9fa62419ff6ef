//go:build !windows

package pgtest

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"shopping-cart/internal/cluster"
	"shopping-cart/migrations"
	"shopping-cart/platform/database"
)

// Server is a private PostgreSQL server. A test may crash or stop it, and start it again with the same data and URL.
//
// It answers commits before they are on disk, and writes no full pages. That loses nothing here: the operating system's cache
// keeps the writes of an ended process, and no test cuts the power.
type Server struct {
	cluster.Postgres
	t testing.TB
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
	s := &Server{t: t, Postgres: cluster.Postgres{EmbeddedConfig: database.EmbeddedConfig{
		Dir: filepath.Join(dir, "data"), BinDir: os.Getenv("PG_BIN_DIR"), NoSync: true,
		Params: map[string]string{"fsync": "off", "full_page_writes": "off", "max_connections": "400", "log_connections": "on"},
	}}}
	s.Start()
	t.Cleanup(s.Crash) // the data is thrown away
	migrate(t, s.URL())
	return s
}

// migrate makes every schema in a database.
func migrate(t testing.TB, url string) {
	t.Helper()
	for _, schema := range migrations.Schemas {
		if err := database.Migrate(t.Context(), url, schema); err != nil {
			t.Fatalf("pgtest: migrate %s: %v", schema, err)
		}
	}
}

// Start starts the server, and returns when it accepts connections, after a recovery if it had crashed.
func (s *Server) Start() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := s.Postgres.Start(ctx); err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

// Stop shuts the server down in order.
func (s *Server) Stop() {
	s.t.Helper()
	if err := s.Postgres.Stop(); err != nil {
		s.t.Fatalf("pgtest: %v", err)
	}
}

// Connections returns the number of connection attempts since the first start, refused ones included.
func (s *Server) Connections() int {
	s.t.Helper()
	log, err := os.ReadFile(filepath.Join(s.Dir, "postgres.log"))
	if err != nil {
		s.t.Fatalf("pgtest: read the server's log: %v", err)
	}
	return bytes.Count(log, []byte("connection received:"))
}
