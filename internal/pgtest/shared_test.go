//go:build !windows

package pgtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/database"
)

// patience limits the wait for a supervisor.
const patience = 30 * time.Second

func TestSharedServer(t *testing.T) {
	if testing.Short() || os.Getenv("TEST_DATABASE_URL") != "" {
		t.Skip("starts servers of its own")
	}
	t.Parallel()

	t.Run("IsOneForAllAndEndsAfterTheLast", func(t *testing.T) {
		t.Parallel()
		run := endedProcess(t)
		first, err := joinServer(run)
		require.NoError(t, err)
		second, err := joinServer(run)
		require.NoError(t, err)
		require.Equal(t, first.base.String(), second.base.String())

		require.NoError(t, first.users.Close())
		require.NoError(t, ping(second.base.String()))
		require.NoError(t, second.users.Close())
		requireRemoved(t, directory(run))
	})

	t.Run("IsReplacedWhenItsSupervisorWasKilled", func(t *testing.T) {
		t.Parallel()
		run := endedProcess(t)
		first, err := joinServer(run)
		require.NoError(t, err)
		killSupervisor(t, directory(run))

		second, err := joinServer(run)
		require.NoError(t, err)
		require.NoError(t, ping(second.base.String()))
		require.NoError(t, first.users.Close())
		require.NoError(t, second.users.Close())
		requireRemoved(t, directory(run))
	})

	t.Run("AbandonedDirectoryIsRemovedByTheNext", func(t *testing.T) {
		t.Parallel()
		abandoned := directory(endedProcess(t))
		formerly, err := register(abandoned)
		require.NoError(t, err)
		require.NoError(t, formerly.Close())
		used := directory(endedProcess(t))
		users, err := register(used)
		require.NoError(t, err)
		defer os.RemoveAll(used)
		defer users.Close()

		removeAbandoned("")

		require.NoDirExists(t, abandoned)
		require.DirExists(t, used)
	})
}

// endedProcess returns the id of a process that has ended, like a finished "go test".
func endedProcess(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("true")
	require.NoError(t, cmd.Run())
	return cmd.Process.Pid
}

func requireRemoved(t *testing.T, dir string) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	}, patience, 20*time.Millisecond)
}

// killSupervisor kills the supervisor of dir and waits until its server is gone too.
func killSupervisor(t *testing.T, dir string) {
	t.Helper()
	address, err := os.ReadFile(filepath.Join(dir, urlFile))
	require.NoError(t, err)
	owner, err := os.ReadFile(filepath.Join(dir, database.LockFile))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(owner)))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	require.Eventually(t, func() bool { return ping(string(address)) != nil }, patience, 10*time.Millisecond)
}
