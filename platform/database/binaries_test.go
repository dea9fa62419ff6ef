package database

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindBinaries(t *testing.T) {
	t.Parallel()
	old, fine, newer := installation(t, 13), installation(t, 15), installation(t, 17)
	dirs := func(d ...string) func(func(string) bool) { return slices.Values(d) }

	t.Run("NoneNamesTheThreeWaysOut", func(t *testing.T) {
		_, err := firstFit(dirs(t.TempDir(), old), 0)
		require.ErrorContains(t, err, "PostgreSQL 14 or newer")
		require.ErrorContains(t, err, "install it")
		require.ErrorContains(t, err, "set PG_BIN_DIR")
		require.ErrorContains(t, err, "set DATABASE_URL")
	})

	t.Run("TooOldIsPassedOver", func(t *testing.T) {
		b, err := firstFit(dirs(old, fine, newer), 0)
		require.NoError(t, err)
		require.Equal(t, binaries{fine, 15}, b)
	})

	t.Run("DataDecidesTheVersion", func(t *testing.T) {
		b, err := firstFit(dirs(fine, newer), 17)
		require.NoError(t, err)
		require.Equal(t, binaries{newer, 17}, b)
		_, err = firstFit(dirs(fine, newer), 16)
		require.ErrorContains(t, err, "PostgreSQL 16 (the version that made the data directory)")
	})

	t.Run("TheSettingAloneCounts", func(t *testing.T) {
		b, err := findBinaries(newer, 0)
		require.NoError(t, err)
		require.Equal(t, binaries{newer, 17}, b)
		_, err = findBinaries(old, 0)
		require.ErrorContains(t, err, "PG_BIN_DIR")
		_, err = findBinaries(t.TempDir(), 0)
		require.ErrorContains(t, err, "PG_BIN_DIR")
		require.ErrorContains(t, err, "no executable initdb")
	})
}

// installation returns a folder with programs that report a version.
func installation(t *testing.T, major int) string {
	t.Helper()
	dir := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %d.3 (Made up %d.3-1)'\n", major, major)
	for _, program := range []string{"initdb", "postgres"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755))
	}
	return dir
}
