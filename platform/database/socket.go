//go:build !windows

package database

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// longestSocketDir is the longest directory that fits into the address of a Unix socket (104 bytes on macOS, 108 on Linux) beside
// the socket's own name.
const longestSocketDir = 104 - len("/.s.PGSQL.5432") - 1

// makeSocketDir creates a directory that only the owner can enter. It lies in the data directory, unless that path is too long
// for a socket or contains a character that PostgreSQL or its clients read as a separator.
func (e *Embedded) makeSocketDir(context.Context) error {
	e.socketDir = filepath.Join(e.config.Dir, "socket")
	if fitsSocket(e.socketDir) {
		return e.owner.makeDir(e.socketDir)
	}
	temp := os.TempDir()
	if len(temp) > longestSocketDir/2 {
		temp = "/tmp"
	}
	// The name derives from the data directory: a restart has the same URL and leaves no stale directory. makeDir refuses a
	// directory of another user.
	e.socketDir = filepath.Join(temp, fmt.Sprintf("shop-%d-%.8x", os.Geteuid(), sha256.Sum256([]byte(e.config.Dir))))
	return e.owner.makeDir(e.socketDir)
}

func fitsSocket(dir string) bool {
	return len(dir) <= longestSocketDir && !strings.ContainsAny(dir, `,"'\@`) && strings.TrimSpace(dir) == dir
}
