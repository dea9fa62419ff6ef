package database_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const serverDiesWithProgram = true

// PostgreSQL refuses to run as root and as a user without a name; we must not.
func TestEmbeddedRunsAsAnyUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be everybody")
	}
	if testing.Short() {
		t.Skip("starts a server for each kind of user")
	}
	t.Parallel()

	t.Run("Root", func(t *testing.T) {
		t.Parallel()
		dir := openDir(t)
		startServer(t, dir)
		require.NotZero(t, ownerOf(t, cluster(t, dir)), "as an account that is not root")
	})

	t.Run("RootWhereNobodyElseCanGo", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "data")
		server := startServer(t, dir)
		exec1(t, server.URL("shop"), "create table kept (n int)")
		require.NoError(t, server.Stop(t.Context()))
		require.Zero(t, ownerOf(t, cluster(t, dir)), "in a user namespace")
		requireKept(t, startServer(t, dir))
	})

	for name, uid := range map[string]uint32{"AnAccount": nobody, "AnAccountWithoutAName": 54321} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := openDir(t)
			require.NoError(t, os.Chown(dir, int(uid), int(uid)))
			v := startVictim(t, dir, &syscall.Credential{Uid: uid, Gid: uid})
			v.awaitReady(t)
			require.Equal(t, uid, ownerOf(t, cluster(t, dir)))
			require.NoError(t, v.Process.Signal(os.Interrupt))
			require.NoError(t, v.Wait())
		})
	}
}

const nobody = 65534

func ownerOf(t *testing.T, path string) uint32 {
	t.Helper()
	s, err := os.Stat(path)
	require.NoError(t, err)
	return s.Sys().(*syscall.Stat_t).Uid
}
