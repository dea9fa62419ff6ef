package saga

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// How often a watcher looks by itself, since another replica may be the one that drives: sooner at first, as most
// checkouts take no longer.
const (
	firstRecheck = 250 * time.Millisecond
	lastRecheck  = time.Second
)

// notifier tells those who wait for a saga that it has changed.
type notifier struct {
	draining <-chan struct{} // closed when the server stops; nil without a server

	mu          sync.Mutex
	waiting     map[uuid.UUID][]chan eventstore.Stream[State] // each has room for one: the newest
	subscribers map[uuid.UUID][]*subscriber
}

func newNotifier() *notifier {
	return &notifier{waiting: map[uuid.UUID][]chan eventstore.Stream[State]{}, subscribers: map[uuid.UUID][]*subscriber{}}
}

func (w *notifier) isDraining() bool {
	select {
	case <-w.draining:
		return true
	default:
		return false
	}
}

// notify hands the saga as it is now to those who wait for it, and to those who follow it. Version 0: they must look
// themselves.
func (w *notifier) notify(saga eventstore.Stream[State]) {
	w.notifyWaiting(saga)
	for _, f := range w.subscribersOf(saga.ID) {
		f.notify(saga)
	}
}

func (w *notifier) notifyWaiting(saga eventstore.Stream[State]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.waiting[saga.ID] {
		select {
		case <-c: // not seen yet, and old now
		default:
		}
		c <- saga
	}
}

// listen receives each change from now on; of several that nobody took, the last.
func (w *notifier) listen(id uuid.UUID) (changes <-chan eventstore.Stream[State], forget func()) {
	c := make(chan eventstore.Stream[State], 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[id] = append(w.waiting[id], c)
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.waiting[id] = slices.DeleteFunc(w.waiting[id], func(other chan eventstore.Stream[State]) bool { return other == c })
		if len(w.waiting[id]) == 0 {
			delete(w.waiting, id)
		}
	}
}

// until calls look at once (unless the saga is only about to begin), at every change, and now and then, until it says that
// it has seen enough or ctx is done. look is told the saga where this process has just written it, and reads it otherwise.
func (w *notifier) until(ctx context.Context, id uuid.UUID, begins bool, look func(told eventstore.Stream[State]) (enough bool, err error)) error {
	changes, forget := w.listen(id)
	defer forget()
	told := eventstore.Stream[State]{ID: id}
	for pause := firstRecheck; ; pause = min(2*pause, lastRecheck) {
		if !begins {
			if enough, err := look(told); enough || err != nil {
				return err
			}
		}
		begins = false
		t := time.NewTimer(pause)
		select {
		case told = <-changes:
		case <-t.C:
			told = eventstore.Stream[State]{ID: id}
		case <-ctx.Done():
			t.Stop()
			return nil
		}
		t.Stop()
	}
}
