//go:build unix

package chaos

import "syscall"

// These freeze a replica and let it go on.
const (
	stopSignal     = syscall.SIGSTOP
	continueSignal = syscall.SIGCONT
)
