//go:build !linux

package bench

import "time"

// Other systems have no /proc: the server's processor time stays unknown.
func parentOf(int) int              { return 0 }
func processTime(int) time.Duration { return -1 }
