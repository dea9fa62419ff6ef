package cluster

import "syscall"

// attributes keep Ctrl-C from the replicas, and end them when this process ends for any reason.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
