//go:build !linux && !windows

package cluster

import "syscall"

// attributes keep Ctrl-C from the replicas.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
