package chaos

import "syscall"

// attributes: Ctrl-C is for us, and when we end, however that is, so do the replicas.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
