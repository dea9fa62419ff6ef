//go:build !windows

package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// pooledVariable puts PgBouncer between every test and its databases.
const pooledVariable = "TEST_PGBOUNCER"

// Pooled reports whether the URLs of New lead through PgBouncer in transaction mode.
func Pooled() bool { return os.Getenv(pooledVariable) != "" }

// NeedsSessions skips a test that needs a session of its own.
func NeedsSessions(t testing.TB, why string) {
	t.Helper()
	if Pooled() {
		t.Skip("needs a session: " + why)
	}
}

// Bouncer starts a PgBouncer in transaction mode for a database, with a limited number of server connections, and returns the URL
// of the database through it. It ends with the test.
func Bouncer(t testing.TB, database string, connections int) string {
	t.Helper()
	if _, err := findBouncer(); err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "pgbouncer")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatalf("pgtest: make a directory: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	server, err := pgx.ParseConfig(database)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	b, err := startBouncer(t.Context(), filepath.Join(dir, "pooled"), server, connections)
	if err != nil {
		t.Fatalf("pgtest: start PgBouncer: %v", err)
	}
	t.Cleanup(b.stop)
	return b.url(server.Database)
}

// poolSize is the number of connections that all clients of one database share. It is below the limit of one module's pools.
const poolSize = 4

// bouncer is a PgBouncer in transaction mode on a socket, configured like Debian's package except for the pool size.
type bouncer struct {
	dir, user string
	stop      func()
}

func findBouncer() (string, error) {
	for _, path := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} { // Debian keeps it off a user's PATH
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", errors.New("pgbouncer is not installed")
}

// startBouncer returns when PgBouncer answers. A shell in between ends it when this process ends for any reason.
func startBouncer(ctx context.Context, dir string, server *pgx.ConnConfig, connections int) (*bouncer, error) {
	program, err := findBouncer()
	if err != nil {
		return nil, err
	}
	account, err := bouncerAccount(server.Host)
	if err != nil {
		return nil, err
	}
	if err := writeBouncer(dir, server, connections, account); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", "-c", `"$0" "$1" & cat; kill $!; wait`, program, filepath.Join(dir, "pgbouncer.ini"))
	cmd.Dir = "/"
	cmd.Stderr, cmd.Stdout = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true}
	alive, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	b := &bouncer{dir: dir, user: server.User, stop: func() { _ = alive.Close(); _ = cmd.Wait() }}
	if err := b.await(ctx, server.Database); err != nil {
		b.stop()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return b, nil
}

// await returns when a database answers through it.
func (b *bouncer) await(ctx context.Context, database string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := ping(b.url(database))
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// url disables prepared statements, because this version of PgBouncer does not track them.
func (b *bouncer) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(b.user), Path: "/" + database}
	u.RawQuery = url.Values{"host": {b.dir}, "port": {"6432"}, "sslmode": {"disable"}, "default_query_exec_mode": {"cache_describe"}}.Encode()
	return u.String()
}

// bouncerAccount returns the account to run as when we are root, since PgBouncer refuses root: the owner of the server's socket,
// else nobody.
func bouncerAccount(socket string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	if s, err := os.Stat(socket); err == nil && s.Sys().(*syscall.Stat_t).Uid != 0 {
		is := s.Sys().(*syscall.Stat_t)
		return &syscall.Credential{Uid: is.Uid, Gid: is.Gid}, nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, err
	}
	uid, uidErr := strconv.ParseUint(u.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(uidErr, gidErr)
}

func writeBouncer(dir string, server *pgx.ConnConfig, connections int, account *syscall.Credential) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	if account != nil {
		if err := os.Chown(dir, int(account.Uid), int(account.Gid)); err != nil {
			return err
		}
	}
	login := ""
	if server.Password != "" {
		login = " password=" + server.Password
	}
	config := fmt.Sprintf(`[databases]
* = host=%s port=%d%s
[pgbouncer]
pool_mode = transaction
default_pool_size = %d
max_client_conn = 2000
auth_type = trust
auth_file = %s/users
listen_port = 6432
unix_socket_dir = %[5]s
`, server.Host, server.Port, login, connections, dir)
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "users"), []byte(fmt.Sprintf("%q \"\"\n", server.User)), 0o644),
		os.WriteFile(filepath.Join(dir, "pgbouncer.ini"), []byte(config), 0o644))
}
