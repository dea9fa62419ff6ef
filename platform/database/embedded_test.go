package database_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/database"
)

// patience bounds every wait for another process.
const patience = 30 * time.Second

func TestEmbedded(t *testing.T) {
	if testing.Short() {
		t.Skip("starts many servers")
	}
	t.Parallel()
	seed := newSeed(t)

	t.Run("MakesItsDatabase", func(t *testing.T) {
		t.Parallel()
		url := startServer(t, filepath.Join(openDir(t), "made", "when", "missing")).URL("shop")
		require.Equal(t, "app", query1[string](t, url, "select current_user"))
		require.Equal(t, "UTF8", query1[string](t, url, "show server_encoding"))
	})

	t.Run("DataSurvivesARestart", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		server := startServer(t, dir)
		exec1(t, server.URL("shop"), "create table kept (n int)")
		require.NoError(t, server.Stop(t.Context()))
		requireKept(t, startServer(t, dir))
	})

	t.Run("SecondServerOnADirectoryRefused", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		first := startServer(t, dir)
		_, err := database.Start(t.Context(), testConfig(dir))
		require.ErrorContains(t, err, fmt.Sprintf("another server (process %d) already uses the data directory %s", os.Getpid(), dir))
		exec1(t, first.URL("shop"), "select 1")
	})

	t.Run("NobodyElseCanConnect", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		url := startServer(t, dir).URL("shop")
		require.Empty(t, query1[string](t, url, "show listen_addresses"))
		requireMode(t, filepath.Join(dir, "socket"), 0o700)
		requireMode(t, filepath.Join(dir, "socket", ".s.PGSQL.5432"), 0o700)
	})

	t.Run("CommitsAreDurable", func(t *testing.T) {
		t.Parallel()
		c := testConfig(seed.dir(t))
		c.Params = nil
		server, err := database.Start(t.Context(), c)
		require.NoError(t, err)
		t.Cleanup(func() { _ = server.Stop(context.Background()) })
		for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes", "data_checksums"} {
			require.Equal(t, "on", query1[string](t, server.URL("shop"), "show "+name), name)
		}
	})

	t.Run("PathTooLongForASocket", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(openDir(t), strings.Repeat("long", 30))
		seed.copyTo(t, dir)
		server := startServer(t, dir)
		socketDir := query1[string](t, server.URL("shop"), "show unix_socket_directories")
		require.NotContains(t, socketDir, "longlong")
		requireMode(t, socketDir, 0o700)
		require.NoError(t, server.Stop(t.Context()))
		require.NoDirExists(t, socketDir)
	})

	t.Run("PathWithASeparator", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(openDir(t), "my data, all of it")
		seed.copyTo(t, dir)
		exec1(t, startServer(t, dir).URL("shop"), "select 1")
	})

	t.Run("StalePidFile", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		server := startServer(t, dir)
		exec1(t, server.URL("shop"), "create table kept (n int)")
		require.NoError(t, server.Stop(t.Context()))
		pidFile := filepath.Join(cluster(t, dir), "postmaster.pid")
		require.NoError(t, os.WriteFile(pidFile, fmt.Appendln(nil, processOfOwner(t, cluster(t, dir))), 0o644))
		requireKept(t, startServer(t, dir))
	})

	t.Run("LogIsPutAsideWhenItGrew", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		log := filepath.Join(dir, "postgres.log")
		require.NoError(t, os.WriteFile(log, make([]byte, 9<<20), 0o600))
		startServer(t, dir)
		s, err := os.Stat(log)
		require.NoError(t, err)
		require.Less(t, s.Size(), int64(1<<20))
		require.FileExists(t, log+".1")
	})

	t.Run("StopCutsRunningStatementsOff", func(t *testing.T) {
		t.Parallel()
		server := startServer(t, seed.dir(t))
		ended := sleepInDatabase(t, server.URL("shop"))
		require.NoError(t, server.Stop(t.Context()))
		require.ErrorContains(t, <-ended, "57P01")
		require.NoError(t, server.Stop(t.Context()), "to stop it again is no error")
	})

	t.Run("GivesUpWithTheReason", func(t *testing.T) {
		t.Parallel()
		c := testConfig(seed.dir(t))
		c.Params = map[string]string{"shared_buffers": "nonsense"}
		_, err := database.Start(t.Context(), c)
		require.ErrorContains(t, err, "the server ended while it started")
		require.ErrorContains(t, err, "postgres.log")
	})

	t.Run("HonoursItsContext", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := database.Start(ctx, testConfig(seed.dir(t)))
		require.ErrorIs(t, err, context.Canceled)
	})
}

// requireKept checks that a table of an earlier run exists.
func requireKept(t *testing.T, server *database.Embedded) {
	t.Helper()
	require.True(t, query1[bool](t, server.URL("shop"), "select to_regclass('kept') is not null"))
}

func requireMode(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	s, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, mode, s.Mode().Perm(), path)
}

// cluster returns the folder of the database files in dir.
func cluster(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "pg??"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	return found[0]
}

// processOfOwner returns the id of a running process of the owner of path. PostgreSQL itself recognizes that processes of other users,
// and its parent, are no postmaster.
func processOfOwner(t *testing.T, path string) int {
	t.Helper()
	cmd := exec.Command("sleep", "3600")
	s, err := os.Stat(path)
	require.NoError(t, err)
	if owner := s.Sys().(*syscall.Stat_t); os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	cmd.Dir = "/"
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd.Process.Pid
}

// postmaster returns the process id of the server in dir.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(cluster(t, dir), "postmaster.pid"))
	require.NoError(t, err)
	var pid int
	_, err = fmt.Sscan(string(text), &pid)
	require.NoError(t, err)
	return pid
}

// sleepInDatabase returns when a backend sleeps for longer than any test, with the channel of the result.
func sleepInDatabase(t *testing.T, url string) <-chan error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	pid := conn.PgConn().PID()
	ended := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "select pg_sleep(3600)")
		ended <- err
	}()
	awaitActive(t, url, pid)
	return ended
}

func awaitActive(t *testing.T, url string, pid uint32) {
	t.Helper()
	require.Eventually(t, func() bool {
		return query1[bool](t, url, fmt.Sprintf("select exists (select from pg_stat_activity where pid = %d and state = 'active')", pid))
	}, patience, 5*time.Millisecond)
}
