package saga

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// How often a watcher looks by itself, since another replica may be the one that drives: sooner at first, as most
// checkouts take no longer.
const (
	firstRecheck = 250 * time.Millisecond
	lastRecheck  = time.Second
)

// watch tells those who wait for a saga that it has changed.
type watch struct {
	draining <-chan struct{} // closed when the server stops; nil without a server

	mu      sync.Mutex
	waiting map[uuid.UUID][]chan struct{}
}

func (w *watch) isDraining() bool {
	select {
	case <-w.draining:
		return true
	default:
		return false
	}
}

func (w *watch) changed(id uuid.UUID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.waiting[id] {
		close(c)
	}
	delete(w.waiting, id)
}

// on is closed at the next change.
func (w *watch) on(id uuid.UUID) (changed <-chan struct{}, forget func()) {
	c := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[id] = append(w.waiting[id], c)
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for i, other := range w.waiting[id] {
			if other == c {
				w.waiting[id] = append(w.waiting[id][:i], w.waiting[id][i+1:]...)
				break
			}
		}
		if len(w.waiting[id]) == 0 {
			delete(w.waiting, id)
		}
	}
}

// until calls look at every change, and now and then, until it says that it has seen enough or ctx is done.
func (w *watch) until(ctx context.Context, id uuid.UUID, look func() (enough bool, err error)) error {
	for pause := firstRecheck; ; pause = min(2*pause, lastRecheck) {
		changed, forget := w.on(id)
		enough, err := look()
		if enough || err != nil {
			forget()
			return err
		}
		t := time.NewTimer(pause)
		select {
		case <-changed:
		case <-t.C:
		case <-ctx.Done():
			forget()
			t.Stop()
			return nil
		}
		t.Stop()
		forget()
	}
}
