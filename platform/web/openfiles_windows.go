package web

// OpenFiles returns 0, since Windows has no such limit.
func OpenFiles() uint64 { return 0 }
