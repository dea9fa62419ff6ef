package database

import "time"

// Limited sets the time limit of every call, for tests that wait for it.
func (o Options) Limited(limit time.Duration) Options {
	o.limit = limit
	return o
}
