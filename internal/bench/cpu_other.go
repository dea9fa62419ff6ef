//go:build !linux

package bench

import "time"

// Other systems have no /proc, so the server's processor time is unknown.
func parentOf(int) int              { return 0 }
func processTime(int) time.Duration { return -1 }
