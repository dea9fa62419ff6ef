package bench

import "time"

// ownTime is unknown on Windows: no PostgreSQL of our own runs there, so nothing is measured.
func ownTime() time.Duration { return 0 }
