package bench

import "time"

// ownTime returns 0: PostgreSQL does not run under the program on Windows, so nothing is measured there.
func ownTime() time.Duration { return 0 }
