package database

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const canMapUsers = true

// nobody is the id of the user "nobody" on Linux.
const nobody = 65534

func (o owner) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{
		Setpgid:    true,            // the program handles Ctrl-C: it drains, then stops the server
		Pdeathsig:  syscall.SIGQUIT, // kill -9 of the program ends the server at once; it recovers at the next start
		Credential: o.account,
	}
	if o.mapped {
		a.Cloneflags = syscall.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Geteuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getegid(), Size: 1}}
	}
	return a
}

// endLeftovers ends the processes of a killed predecessor and then removes its pid file. Every process of a server has the
// cluster as its working directory. While one is left, even a single busy backend, a second postmaster would destroy the data.
// When none is left, a pid file is stale, even if another process has that id now.
func (e *Embedded) endLeftovers(ctx context.Context) error {
	for began, killed := time.Now(), false; ; {
		left := processesIn(e.data)
		if len(left) == 0 {
			break
		}
		if !killed {
			signal := syscall.SIGQUIT
			if killed = time.Since(began) > time.Second; killed {
				signal = syscall.SIGKILL // loses nothing: commits are in the write-ahead log
			}
			for _, pid := range left {
				_ = syscall.Kill(pid, signal)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %v of an earlier server do not end: %w", left, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
	for _, stale := range []string{
		filepath.Join(e.data, "postmaster.pid"),
		filepath.Join(e.socketDir, ".s.PGSQL.5432.lock"),
		filepath.Join(e.socketDir, ".s.PGSQL.5432"),
	} {
		_ = os.Remove(stale)
	}
	return nil
}

func processesIn(dir string) (pids []int) {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		if cwd, err := os.Readlink(link); err != nil || cwd != dir {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
