package database_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestEmbeddedSurvives(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills many servers")
	}
	t.Parallel()
	seed := newSeed(t)

	t.Run("CtrlC", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		v := startVictim(t, dir, nil)
		v.awaitReady(t)
		require.NoError(t, syscall.Kill(-v.Process.Pid, syscall.SIGINT)) // a terminal signals the whole group
		require.True(t, v.lines.Scan())
		require.Equal(t, "drained", v.lines.Text())
		require.NoError(t, v.Wait())
	})

	t.Run("KillOfTheProgram", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		v := startVictim(t, dir, nil)
		exec1(t, v.awaitReady(t), "create table kept (n int)")
		pid := postmaster(t, dir)
		v.kill(t)
		requireKept(t, startServer(t, dir))
		requireGone(t, pid)
	})

	t.Run("KillOfTheProgramEndsTheServerToo", func(t *testing.T) {
		t.Parallel()
		if !serverDiesWithProgram {
			t.Skip("only the next start ends it on this system")
		}
		dir := seed.dir(t)
		v := startVictim(t, dir, nil)
		v.awaitReady(t)
		pid := postmaster(t, dir)
		v.kill(t)
		requireGone(t, pid)
	})

	t.Run("KillOfThePostmaster", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		server := startServer(t, dir)
		pools := openPools(t, server.URL("shop"))
		_, err := pools.Write.Exec(t.Context(), "create table kept (n int)")
		require.NoError(t, err)
		ended := sleepInDatabase(t, server.URL("shop"))
		require.NoError(t, syscall.Kill(postmaster(t, dir), syscall.SIGKILL))
		require.Error(t, <-ended)
		require.Eventually(t, func() bool {
			_, err := pools.Write.Exec(t.Context(), "insert into kept values (1)")
			return err == nil
		}, patience, 10*time.Millisecond)
		select {
		case <-server.Done():
			require.Fail(t, "it was started again, so it is not done")
		default:
		}
	})

	t.Run("KillOfEveryPostmaster", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		server := startServer(t, dir)
		exec1(t, server.URL("shop"), "create table kept (n int)")
		require.Eventually(t, func() bool { // it gives up instead of spinning
			killPostmaster(dir)
			return isDone(server.Done())
		}, patience, 10*time.Millisecond)
		requireKept(t, startServer(t, dir))
	})

	t.Run("KillOfBothWithABusyBackend", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		v := startVictim(t, dir, nil)
		url := v.awaitReady(t)
		exec1(t, url, "create table kept (n int)")
		backend := countForever(t, url)
		require.NoError(t, syscall.Kill(postmaster(t, dir), syscall.SIGKILL))
		v.kill(t)
		requireKept(t, startServer(t, dir))
		requireGone(t, backend)
	})

	t.Run("KillOfBothWithAFrozenBackend", func(t *testing.T) {
		t.Parallel()
		dir := seed.dir(t)
		v := startVictim(t, dir, nil)
		url := v.awaitReady(t)
		exec1(t, url, "create table kept (n int)")
		backend := countForever(t, url)
		require.NoError(t, syscall.Kill(backend, syscall.SIGSTOP))
		require.NoError(t, syscall.Kill(postmaster(t, dir), syscall.SIGKILL))
		v.kill(t)
		requireKept(t, startServer(t, dir))
		requireGone(t, backend)
	})

	t.Run("KillDuringInitdb", func(t *testing.T) {
		t.Parallel()
		dir := openDir(t)
		v := startVictim(t, dir, nil)
		require.Eventually(t, func() bool {
			found, _ := filepath.Glob(filepath.Join(dir, "pg*", "PG_VERSION"))
			return len(found) > 0
		}, patience, time.Millisecond)
		// Neither may clean up: initdb empties its directory when it is interrupted, the program when initdb fails.
		require.NoError(t, v.Process.Signal(syscall.SIGSTOP))
		killChildren(t, v.Process.Pid)
		v.kill(t)
		left, err := filepath.Glob(filepath.Join(dir, "pg*", "PG_VERSION"))
		require.NoError(t, err)
		require.NotEmpty(t, left, "initdb was to leave a half-made cluster")
		exec1(t, startServer(t, dir).URL("shop"), "select 1")
		halves, err := filepath.Glob(filepath.Join(dir, "*.init*"))
		require.NoError(t, err)
		require.Empty(t, halves)
	})
}

func killChildren(t *testing.T, of int) {
	t.Helper()
	out, err := exec.Command("pgrep", "-P", strconv.Itoa(of)).Output()
	require.NoError(t, err, "it has no children")
	for _, child := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(child)
		require.NoError(t, err)
		require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	}
}

// requireGone waits until its new parent has reaped a killed process.
func requireGone(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, patience, 5*time.Millisecond)
}

// countForever returns when a backend is too busy to notice the death of its postmaster.
func countForever(t *testing.T, url string) (pid int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	backend := conn.PgConn().PID()
	go func() {
		_, _ = conn.Exec(context.Background(), "select count(*) from (select generate_series(1, 1000000000000)) endless")
	}()
	awaitActive(t, url, backend)
	return int(backend)
}

// killPostmaster kills the current postmaster, if there is one.
func killPostmaster(dir string) {
	found, _ := filepath.Glob(filepath.Join(dir, "pg*", "postmaster.pid"))
	for _, file := range found {
		if pid := pidIn(file); pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func pidIn(file string) (pid int) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for _, c := range text {
		if c < '0' || c > '9' {
			break
		}
		pid = pid*10 + int(c-'0')
	}
	return pid
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
