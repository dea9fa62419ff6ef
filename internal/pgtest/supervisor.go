//go:build !windows

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/database"
)

const (
	superviseVariable = "PGTEST_SUPERVISE" // the directory of the server to supervise
	parentVariable    = "PGTEST_PARENT"    // the process id of the "go test" that it serves
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
	pollInterval = 250 * time.Millisecond

	// idleLimit is how long the server waits for the next test program while "go test" lives, since that may be compiling. A run
	// from a shell or an editor has a long-lived parent.
	idleLimit = 30 * time.Second
	// idleLimitOrphaned is the limit after "go test" has ended.
	idleLimitOrphaned = time.Second
)

// supervise runs the server in dir until it is unused, and removes its files. It returns the exit code.
func supervise(dir string) int {
	signal.Ignore(syscall.SIGHUP)
	removeAbandoned(dir)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	server, err := database.Start(ctx, database.EmbeddedConfig{
		Dir: dir, BinDir: os.Getenv("PG_BIN_DIR"), Database: "postgres", NoSync: true, Params: fast,
	})
	if err != nil {
		return failed(err)
	}
	stopPool := func() {}
	if Pooled() {
		base, err := pgx.ParseConfig(server.URL("postgres"))
		if err != nil {
			return failed(err)
		}
		if err := prepareRole(ctx, base); err != nil {
			return failed(err)
		}
		pooled := filepath.Join(dir, poolDir)
		if err := os.RemoveAll(pooled); err != nil { // from a supervisor that was killed
			return failed(err)
		}
		pool, err := startBouncer(ctx, pooled, base, poolSize)
		if err != nil {
			return failed(err)
		}
		stopPool = pool.stop
	}
	if err := publish(filepath.Join(dir, urlFile), server.URL("postgres")); err != nil {
		return failed(err)
	}
	parent, _ := strconv.Atoi(os.Getenv(parentVariable))
	users := awaitIdle(dir, parent, server.Done())
	stopPool()
	ctx, cancel = context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	_ = server.Stop(ctx) // killed or not, the data is thrown away
	_ = os.RemoveAll(dir)
	if users != nil {
		_ = users.Close() // last: a program that waits for this lock must find the directory gone
	}
	return 0
}

// prepareRole applies the settings that the manual requires for PgBouncer.
func prepareRole(ctx context.Context, base *pgx.ConnConfig) error {
	conn, err := pgx.ConnectConfig(ctx, base)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, database.ForRole(base.User))
	return err
}

func failed(err error) (code int) {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// removeAbandoned removes the unused directories of killed supervisors.
func removeAbandoned(ours string) {
	found, _ := filepath.Glob(directories() + "*")
	for _, dir := range found {
		if dir == ours {
			continue
		}
		users, err := lockFile(filepath.Join(dir, usersFile), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			continue
		}
		if server, err := lockFile(filepath.Join(dir, database.LockFile), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			_ = os.RemoveAll(dir)
			_ = server.Close()
		}
		_ = users.Close()
	}
}

// fast are settings for a server with disposable data.
var fast = map[string]string{
	"fsync":              "off",
	"synchronous_commit": "off",
	"full_page_writes":   "off",
	"max_connections":    "1000",
	"shared_buffers":     "256MB",
	"max_wal_size":       "2GB",
	"autovacuum_naptime": "10s",
}

// awaitIdle returns when no test program has used the server for a while, holding the lock that keeps new ones out, or when the
// server ended.
func awaitIdle(dir string, parent int, ended <-chan struct{}) *os.File {
	lastUsed := time.Now()
	for {
		users, err := lockFile(filepath.Join(dir, usersFile), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			lastUsed = time.Now()
		} else if limit := limitFor(parent); time.Since(lastUsed) > limit {
			return users
		} else {
			_ = users.Close()
		}
		select {
		case <-ended:
			return nil
		case <-time.After(pollInterval):
		}
	}
}

func limitFor(parent int) time.Duration {
	if parent <= 1 || errors.Is(syscall.Kill(parent, 0), syscall.ESRCH) {
		return idleLimitOrphaned
	}
	return idleLimit
}

// publish writes the file atomically.
func publish(path, text string) error {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func ping(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}
