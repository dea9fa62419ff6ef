//go:build unix

package web

import "syscall"

// OpenFiles returns the limit of open files and connections of this process, or 0 when it is not known.
func OpenFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
