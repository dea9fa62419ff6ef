package saga

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/eventstore"
	"shopping-cart/platform/backoff"
	"shopping-cart/platform/web"
)

const (
	pollEvery = 500 * time.Millisecond // on average, between two looks at what other processes wrote
	pollPage  = 500                    // sagas read at once
)

// subscriber is a client that is told of every change of a checkout. What this process writes it hears of at once, through
// [notifier.notify]; what others write, by the next look of [Module.pollOthers], which is one for all followers.
type subscriber struct {
	id    uuid.UUID
	leave func() // no more is told

	mu     sync.Mutex
	sent   int64                    // the version that the client knows; none is told twice, nor an older one later
	newest eventstore.Stream[State] // heard of before there was a stream
	events *web.Events
}

// notify is told a checkout as it is now.
func (f *subscriber) notify(saga eventstore.Stream[State]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if saga.Version > f.newest.Version {
		f.newest = saga
	}
	f.send()
}

// start opens the stream for a client that knows a version, or none.
func (f *subscriber) start(events *web.Events, knows int64, saga eventstore.Stream[State]) {
	f.mu.Lock()
	f.events, f.sent = events, knows
	f.mu.Unlock()
	f.notify(saga)
}

func (f *subscriber) send() {
	saga := f.newest
	if f.events == nil || saga.Version <= f.sent {
		return
	}
	f.sent, f.newest = saga.Version, eventstore.Stream[State]{Version: saga.Version} // its state is not needed again
	data, _ := json.Marshal(viewOf(saga))                                            // of plain fields
	f.events.Send(web.Event{Name: "checkout", ID: strconv.FormatInt(saga.Version, 10), Data: data})
	if shown(saga.State).Ended() {
		f.events.End()
	}
}

func (f *subscriber) known() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sent
}

// subscribe adds a follower. It hears of every change from now on.
func (w *notifier) subscribe(id uuid.UUID) *subscriber {
	f := &subscriber{id: id}
	f.leave = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.subscribers[id] = slices.DeleteFunc(w.subscribers[id], func(other *subscriber) bool { return other == f })
		if len(w.subscribers[id]) == 0 {
			delete(w.subscribers, id)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subscribers[id] = append(w.subscribers[id], f)
	return f
}

func (w *notifier) subscribersOf(id uuid.UUID) []*subscriber {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.subscribers[id])
}

func (w *notifier) subscribed() []uuid.UUID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.subscribers))
}

// pollOthers looks, now and then and for all followers at once, at what other processes wrote, until ctx is done.
func (m *Module) pollOthers(ctx context.Context) {
	for backoff.Sleep(ctx, backoff.Jitter(pollEvery)) {
		if err := m.notifyOfOthers(ctx); err != nil && ctx.Err() == nil {
			m.store.Failed(fmt.Errorf("look for those who follow checkouts: %w", err))
		}
	}
}

// notifyOfOthers asks for the versions of all checkouts that are followed, and reads those that have moved on.
func (m *Module) notifyOfOthers(ctx context.Context) error {
	ids := m.notifier.subscribed()
	if len(ids) == 0 {
		return nil
	}
	rows, err := m.Query.Query(ctx, `select id, version from saga.streams where id = any($1)`, ids)
	if err != nil {
		return err
	}
	var moved []uuid.UUID
	var id uuid.UUID
	var version int64
	_, err = pgx.ForEachRow(rows, []any{&id, &version}, func() error {
		behind := func(f *subscriber) bool { return f.known() < version }
		if slices.ContainsFunc(m.notifier.subscribersOf(id), behind) {
			moved = append(moved, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for page := range slices.Chunk(moved, pollPage) {
		found, err := sagas.LoadKnown(ctx, m.store, page)
		if err != nil {
			return err
		}
		for _, saga := range found {
			m.notifier.notify(saga)
		}
	}
	return nil
}
