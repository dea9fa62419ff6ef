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
		Setpgid:    true, // Ctrl-C is for us: we drain, then stop the server
		Credential: o.account,
	}
}

// endLeftovers ends the postmaster that a killed predecessor left behind, with its backends. Here no signal tells it of
// our death, so it may still be serving. We hold the lock on the directory: it is nobody's.
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

// leftPostmaster reads the pid file; 0 when it names no process or one that is no server of this cluster.
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
