//go:build !windows

// Package pgtest gives each test a real database of its own, cloned from a template that was migrated once.
//
//	func TestMain(m *testing.M) { pgtest.Main(m) }
//
//	func TestCheckout(t *testing.T) {
//		url := pgtest.New(t)
//
// With TEST_DATABASE_URL set, the databases are made on that server, by a role that may create databases. Otherwise all test
// programs of one "go test" run share a private server. The first that needs it starts it as a separate process, which outlives
// that program and ends after the run.
//
// With TEST_PGBOUNCER=1 tests reach that server through a PgBouncer in transaction mode with few connections.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/migrations"
)

// Main runs the tests of a package that calls New. TestMain must call it: the shared server runs in a second process of the test
// program, and Main distinguishes the two.
func Main(m *testing.M) {
	if dir := os.Getenv(superviseVariable); dir != "" {
		os.Exit(supervise(dir))
	}
	mainCalled = true
	os.Exit(m.Run())
}

var mainCalled bool

// New makes an empty database with every schema and returns its URL. It is dropped when the test ends.
func New(t testing.TB) string {
	t.Helper()
	s := server(t)
	ctx, cancel := deadline(t)
	defer cancel()
	template, err := s.template(ctx)
	if err != nil {
		t.Fatalf("pgtest: make the template: %v", err)
	}
	return s.create(t, template)
}

// NewEmpty makes a database without schemas and returns its URL. It is dropped when the test ends.
func NewEmpty(t testing.TB) string {
	t.Helper()
	return server(t).create(t, "template0")
}

// NewModules makes a database for each schema and returns the URLs by schema. Each has all schemas, but a module that reads
// another's schema finds it empty.
func NewModules(t testing.TB) map[string]string {
	t.Helper()
	urls := make(map[string]string, len(migrations.Schemas))
	for _, schema := range migrations.Schemas {
		urls[schema] = New(t)
	}
	return urls
}

// NewLimited makes a database without schemas, and a role that owns it and has a limited number of connections. It returns the
// URL with that role. Both are dropped when the test ends.
func NewLimited(t testing.TB, connections int) string {
	t.Helper()
	NeedsSessions(t, "the limit is the pooler's there")
	s := server(t)
	ctx, cancel := deadline(t)
	defer cancel()
	role, password := "role_"+strings.ToLower(rand.Text()), rand.Text()
	create := fmt.Sprintf("create role %s login password '%s' connection limit %d", quote(role), password, connections)
	if err := s.exec(ctx, create); err != nil {
		t.Fatalf("pgtest: make a role: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.exec(ctx, "drop role "+quote(role)); err != nil {
			t.Errorf("pgtest: drop the role: %v", err)
		}
	})
	u, err := url.Parse(NewEmpty(t))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	if err := s.exec(ctx, "alter database "+quote(name)+" owner to "+quote(role)); err != nil {
		t.Fatalf("pgtest: give the database to the role: %v", err)
	}
	u.User = url.UserPassword(role, password)
	return u.String()
}

func server(t testing.TB) *testServer {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return s
}

// dropWithin is long, because the server writes a checkpoint first, and a slow disk may be busy with other tests.
const dropWithin = 5 * time.Minute

// create makes a database as a copy of template.
func (s *testServer) create(t testing.TB, template string) string {
	t.Helper()
	ctx, cancel := deadline(t)
	defer cancel()
	name := "test_" + strings.ToLower(rand.Text())
	if err := s.exec(ctx, "create database "+quote(name)+" template "+quote(template)); err != nil {
		t.Fatalf("pgtest: make a database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), dropWithin)
		defer cancel()
		if err := s.exec(ctx, "drop database if exists "+quote(name)+" with (force)"); err != nil {
			t.Errorf("pgtest: drop the database: %v", err)
		}
	})
	return s.url(name)
}

// url returns the URL of a database, through the pool if there is one.
func (s *testServer) url(database string) string {
	if s.pool != nil {
		return s.pool.url(database)
	}
	return s.direct(database)
}

func (s *testServer) direct(database string) string {
	u := *s.base
	u.Path = "/" + database
	return u.String()
}

// Direct returns the URL without the pool of a database of New or NewModules. Use it for a session that blocks others, so that it
// does not hold one of the pool's few connections.
func Direct(t testing.TB, pooled string) string {
	t.Helper()
	u, err := url.Parse(pooled)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return server(t).direct(strings.TrimPrefix(u.Path, "/"))
}

// exec runs one statement on a connection of its own.
func (s *testServer) exec(ctx context.Context, sql string) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, sql)
	return err
}

// connect opens a session on the server. The role of the tests may have the short lock_timeout of reads. The session has none,
// since tests that copy one template wait for each other.
func (s *testServer) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, s.base.String())
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "set lock_timeout = 0"); err != nil {
		return nil, errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
	}
	return conn, nil
}

func deadline(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), time.Minute)
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func parseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, fmt.Errorf("TEST_DATABASE_URL must be a URL like postgres://user:password@host:5432/postgres")
	}
	return u, nil
}
