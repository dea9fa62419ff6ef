package database

import "time"

// Limited bounds every call so, for tests that wait for it.
func (o Options) Limited(limit time.Duration) Options {
	o.limit = limit
	return o
}
