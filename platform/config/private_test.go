//go:build !windows

package config

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestOpenFilesAreRefused: who can read the secret can sign tokens, and who can write into its folder can replace it.
func TestOpenFilesAreRefused(t *testing.T) {
	t.Parallel()
	c := Config{DataDir: filepath.Join(t.TempDir(), "data")}
	secret := filepath.Join(c.DataDir, authSecretFile)
	fill := func() error {
		fresh := c
		return fresh.FillSecrets()
	}
	require.NoError(t, fill(), "what the program makes is private")
	for _, mode := range []os.FileMode{0o755, 0o770, 0o702, 0o720} {
		require.NoError(t, os.Chmod(c.DataDir, mode))
		require.EqualError(t, fill(), fmt.Sprintf("DATA_DIR: other users of this machine can read or change %s (mode %04o): chmod go-rw %[1]s", c.DataDir, mode))
	}
	require.NoError(t, os.Chmod(c.DataDir, 0o711))
	require.NoError(t, fill())
	for _, mode := range []os.FileMode{0o644, 0o640, 0o602, 0o660} {
		require.NoError(t, os.Chmod(secret, mode))
		require.EqualError(t, fill(), fmt.Sprintf("AUTH_SECRET: other users of this machine can read or change %s (mode %04o): chmod 600 %[1]s", secret, mode))
	}
	require.NoError(t, os.Chmod(secret, 0o400))
	require.NoError(t, fill())

	if os.Geteuid() != 0 {
		return // only root can give a file away
	}
	require.NoError(t, os.Chown(secret, 4711, -1))
	require.EqualError(t, fill(), fmt.Sprintf("AUTH_SECRET: %s belongs to the user with id 4711, who can read and change it: run as that user, or chown 0 %[1]s", secret))
	require.NoError(t, os.Chown(c.DataDir, 4711, -1))
	require.ErrorContains(t, fill(), "DATA_DIR: "+c.DataDir+" belongs to the user with id 4711")
	c.AuthSecret, c.AdminSecret, c.DatabaseURL = goodSecret, adminSecret, "postgres://app@db/shop"
	require.NoError(t, fill(), "nothing is kept there")
}
