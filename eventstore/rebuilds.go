package eventstore

import (
	"context"
	"runtime"
	"time"

	"shopping-cart/platform/bulkhead"
)

// A state at an old version, or one that another version of the program wrote, is rebuilt from all events of its stream. So few long
// streams are rebuilt at once for the callers of a process. There are no snapshots: shoppers can lengthen carts only, which end at 5,000
// events. Their rebuild took 4 ms with one line, 9 ms with 20, and 110 ms with the maximum of 1,000.

const (
	rebuildsWaiting = 16
	rebuildPatience = time.Second
	shortStream     = 200 // events: rebuilding them costs no more than other requests
)

func newRebuilds() *bulkhead.Bulkhead {
	return bulkhead.New(max(1, runtime.GOMAXPROCS(0)/2), rebuildsWaiting, rebuildPatience, ErrTooManyRebuilds)
}

// enterRebuild waits until a stream with a number of events may be rebuilt.
func (s *Store) enterRebuild(ctx context.Context, events int64) (leave func(), err error) {
	if events <= shortStream {
		return func() {}, nil
	}
	return s.db.Committer.rebuilds.Enter(ctx)
}
