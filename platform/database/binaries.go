//go:build !windows

package database

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// oldestMajor is the oldest supported PostgreSQL.
const oldestMajor = 14

// binaries are the programs of one PostgreSQL installation.
type binaries struct {
	dir   string
	major int
}

func (b binaries) path(program string) string { return filepath.Join(b.dir, program) }

// findBinaries looks for initdb and postgres: in setting (PG_BIN_DIR) only, if it is set; otherwise on the PATH, in the folder
// that pg_config names, and in the usual folders. Existing data (major > 0) needs its own version. Otherwise the first version
// that is new enough is taken.
func findBinaries(setting string, major int) (binaries, error) {
	if setting != "" {
		b, err := inspect(setting)
		if err != nil {
			return b, fmt.Errorf("PG_BIN_DIR: %w", err)
		}
		if b.major < oldestMajor || major != 0 && b.major != major {
			return b, fmt.Errorf("PG_BIN_DIR: %s holds PostgreSQL %d, but %s is needed", setting, b.major, needed(major))
		}
		return b, nil
	}
	return firstFit(candidates, major)
}

func firstFit(dirs iter.Seq[string], major int) (binaries, error) {
	for dir := range dirs {
		b, err := inspect(dir)
		if err == nil && b.major >= oldestMajor && (major == 0 || b.major == major) {
			return b, nil
		}
		if errors.Is(err, syscall.EMFILE) {
			return binaries{}, fmt.Errorf("the limit of open files (ulimit -n) is too low: %w", err)
		}
	}
	return binaries{}, fmt.Errorf("found no programs of %s on this machine: install it, "+
		"or set PG_BIN_DIR to the folder of its initdb and postgres, "+
		"or set DATABASE_URL to a server that already runs", needed(major))
}

func needed(major int) string {
	if major != 0 {
		return fmt.Sprintf("PostgreSQL %d (the version that made the data directory)", major)
	}
	return fmt.Sprintf("PostgreSQL %d or newer", oldestMajor)
}

// candidates yields the folders to search, the likeliest first.
func candidates(yield func(dir string) bool) {
	if p, err := exec.LookPath("postgres"); err == nil {
		real, err := filepath.EvalSymlinks(p) // a link in /usr/local/bin has no initdb beside it
		if err == nil && !yield(filepath.Dir(real)) {
			return
		}
	}
	if out, err := output("pg_config", "--bindir"); err == nil && !yield(strings.TrimSpace(string(out))) {
		return
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu
		"/usr/pgsql-*/bin",          // the RPMs of postgresql.org
		"/usr/libexec/postgresql*",  // Alpine
		"/usr/local/pgsql*/bin",     // built from source
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found) // Glob sorts, so the newest comes first
		for _, dir := range found {
			if !yield(dir) {
				return
			}
		}
	}
}

// questionTimeout bounds a call of a program of an installation: its file system may hang.
const questionTimeout = 30 * time.Second

func output(program string, arguments ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), questionTimeout)
	defer cancel()
	return exec.CommandContext(ctx, program, arguments...).Output()
}

// inspect reads the version of the programs in dir, such as "postgres (PostgreSQL) 15.8 (Debian 15.8-1)".
func inspect(dir string) (binaries, error) {
	b := binaries{dir: dir}
	for _, program := range []string{"initdb", "postgres"} {
		if s, err := os.Stat(b.path(program)); err != nil || s.Mode()&0o111 == 0 {
			return b, fmt.Errorf("%s has no executable %s", dir, program)
		}
	}
	out, err := output(b.path("postgres"), "--version")
	if err != nil {
		return b, fmt.Errorf("ask %s for its version: %w", b.path("postgres"), err)
	}
	_, version, _ := strings.Cut(string(out), "(PostgreSQL) ")
	digits := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if b.major, err = strconv.Atoi(version[:max(digits, 0)]); err != nil {
		return b, fmt.Errorf("%s reports %q, not a version of PostgreSQL", b.path("postgres"), strings.TrimSpace(string(out)))
	}
	return b, nil
}
