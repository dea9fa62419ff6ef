//go:build !linux && !windows

package database

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const canMapUsers = false

func (o owner) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Setpgid:    true, // the program handles Ctrl-C: it drains, then stops the server
		Credential: o.account,
	}
}

// endLeftovers ends the postmaster of a killed predecessor, with its backends. These systems do not signal the postmaster when
// its parent dies, so the postmaster may still run. Nobody else uses it, since this process holds the lock on the directory.
func (e *Embedded) endLeftovers(ctx context.Context) error {
	for began := time.Now(); ; {
		pid := leftPostmaster(e.data)
		if pid == 0 {
			return nil
		}
		signal := syscall.SIGINT
		if time.Since(began) > 5*time.Second {
			signal = syscall.SIGQUIT
		}
		_ = syscall.Kill(pid, signal)
		select {
		case <-ctx.Done():
			return fmt.Errorf("process %d of an earlier server does not end: %w", pid, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// leftPostmaster returns the process id in the pid file, or 0 when that is no server of this cluster.
func leftPostmaster(data string) int {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 1 {
		return 0
	}
	command, err := exec.Command("ps", "-ww", "-o", "command=", "-p", first).Output()
	if err != nil || !strings.Contains(string(command), data) {
		return 0
	}
	return pid
}
