package bench

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/migrations"
	"shopping-cart/platform/database"
)

// Server is a PostgreSQL for one run, at its defaults but for room for all callers: every commit is on disk before it
// is answered.
type Server struct {
	embedded   *database.Embedded
	dir        string
	conn       *pgx.Conn
	postmaster int    // its process; 0 where processes cannot be looked at
	busy       string // how much else ran when it started; empty where the system does not tell
}

// MaxCallers is how many the server has room for, twice: pgbench's and GORM's connections, beside those of programs.
const MaxCallers = 256

// stopWithin bounds the end of a server whose data nobody needs.
const stopWithin = 30 * time.Second

// Start brings up a server in a directory of its own, which goes with it. binDir is searched for when empty.
func Start(ctx context.Context, binDir string) (*Server, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // #nosec G302 -- the server may run as another user
		return nil, err
	}
	s, params := &Server{dir: dir, busy: loadAverage()}, map[string]string{"max_connections": strconv.Itoa(2*MaxCallers + 100)}
	s.embedded, err = database.Start(ctx, database.EmbeddedConfig{Dir: dir, BinDir: binDir, Params: params})
	if err != nil {
		s.Stop()
		return nil, err
	}
	if s.conn, err = database.Connect(ctx, s.embedded.URL("shop")); err != nil {
		s.Stop()
		return nil, err
	}
	s.postmaster = parentOf(int(s.conn.PgConn().PID()))
	return s, nil
}

// loadAverage is that of the last minute, as the system says it.
func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	average, _, _ := strings.Cut(string(text), " ")
	return average
}

// Stop ends the server and removes its data.
func (s *Server) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if s.conn != nil {
		_ = s.conn.Close(ctx)
	}
	if s.embedded != nil {
		_ = s.embedded.Stop(ctx)
	}
	_ = os.RemoveAll(s.dir)
}

// Version is that of the server, such as "PostgreSQL 15.18".
func (s *Server) Version() string {
	return "PostgreSQL " + s.conn.PgConn().ParameterStatus("server_version")
}

// Database makes a database with every schema in it.
func (s *Server) Database(ctx context.Context, name string) (url string, err error) {
	if _, err := s.conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize()); err != nil {
		return "", fmt.Errorf("create database %s: %w", name, err)
	}
	url = s.embedded.URL(name)
	for _, schema := range migrations.Schemas {
		if err := database.Migrate(ctx, url, schema); err != nil {
			return "", err
		}
	}
	return url, nil
}

// usage is what was used up since the start.
type usage struct {
	transactions int64         // that wrote
	wal          int64         // bytes
	postgres     time.Duration // processor time of all processes of the server; below 0: unknown
	own          time.Duration // of this process
}

// usage counts transactions by their ids, which only those that write are given: the statistics lag behind.
func (s *Server) usage(ctx context.Context) (u usage, err error) {
	err = s.conn.QueryRow(ctx, "select txid_snapshot_xmax(txid_current_snapshot()), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8").
		Scan(&u.transactions, &u.wal)
	if err != nil {
		return usage{}, fmt.Errorf("ask the server what it did: %w", err)
	}
	u.postgres, u.own = processTime(s.postmaster), ownTime()
	return u, nil
}
