//go:build !windows

package cluster

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// freeze returns when the process has stopped.
func freeze(p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		_, err := syscall.Wait4(p.Pid, &status, syscall.WUNTRACED, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err == nil && !status.Stopped():
			return fmt.Errorf("it ended instead: %v", status)
		default:
			return err
		}
	}
}

func thaw(p *os.Process) { _ = p.Signal(syscall.SIGCONT) }
