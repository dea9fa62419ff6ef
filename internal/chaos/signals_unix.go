//go:build unix

package chaos

import "syscall"

// The signals that freeze and continue a replica.
const (
	stopSignal     = syscall.SIGSTOP
	continueSignal = syscall.SIGCONT
)
