package bench

import (
	"context"
	"fmt"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/migrations"
	"shopping-cart/platform/database"
)

// Server is a PostgreSQL server for one run. It has default settings, except those that Start gets, and max_connections, which allows all callers. Every commit is on disk before it is answered.
type Server struct {
	embedded   *database.Embedded
	dir        string
	conn       *pgx.Conn
	postmaster int               // its process; 0 if processes are not visible
	busy       string            // the load at its start; empty if the system does not report it
	settings   map[string]string // that differ from the defaults, apart from max_connections
}

// MaxCallers is the limit of callers. The server has twice as many connections: those of pgbench and GORM, and those of the
// programs.
const MaxCallers = 256

// stopWithin limits the stop of a server with disposable data.
const stopWithin = 30 * time.Second

// Start starts a server in a temporary directory, which Stop removes. An empty binDir is searched for.
func Start(ctx context.Context, binDir string, settings map[string]string) (*Server, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // #nosec G302 -- the server may run as another user
		return nil, err
	}
	s, params := &Server{dir: dir, busy: loadAverage(), settings: settings}, map[string]string{"max_connections": strconv.Itoa(2*MaxCallers + 100)}
	maps.Copy(params, settings)
	s.embedded, err = database.Start(ctx, database.EmbeddedConfig{Dir: dir, BinDir: binDir, Params: params})
	if err == nil {
		s.conn, err = database.Connect(ctx, s.embedded.URL("shop"))
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	s.postmaster = parentOf(int(s.conn.PgConn().PID()))
	return s, nil
}

// loadAverage returns the system's load average of the last minute.
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

// Database makes a database with every schema.
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

// usage is the consumption since the start.
type usage struct {
	transactions int64         // writing ones
	wal          int64         // bytes
	postgres     time.Duration // processor time of all processes of the server; below 0: unknown
	own          time.Duration // of this process
}

// usage counts transactions by their ids, since only writing ones get an id and the statistics lag behind.
func (s *Server) usage(ctx context.Context) (u usage, err error) {
	err = s.conn.QueryRow(ctx, "select txid_snapshot_xmax(txid_current_snapshot()), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8").
		Scan(&u.transactions, &u.wal)
	if err != nil {
		return usage{}, fmt.Errorf("ask the server what it did: %w", err)
	}
	u.postgres, u.own = processTime(s.postmaster), ownTime()
	return u, nil
}
