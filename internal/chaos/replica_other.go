//go:build !linux && !windows

package chaos

import "syscall"

// attributes: Ctrl-C is for us.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
