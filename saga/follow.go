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
	followEvery = 500 * time.Millisecond // on average, between two looks at what other processes wrote
	followPage  = 500                    // sagas read at once
)

// follower is a client that is told of every change of a checkout. What this process writes it hears of at once, through
// [watch.changed]; what others write, by the next look of [Module.follow], which is one for all followers.
type follower struct {
	id    uuid.UUID
	leave func() // no more is told

	mu     sync.Mutex
	told   int64                    // the version that the client knows; none is told twice, nor an older one later
	newest eventstore.Stream[State] // heard of before there was a stream
	events *web.Events
}

// hears is told a checkout as it is now.
func (f *follower) hears(saga eventstore.Stream[State]) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if saga.Version > f.newest.Version {
		f.newest = saga
	}
	f.tell()
}

// begins opens the stream for a client that knows a version, or none.
func (f *follower) begins(events *web.Events, knows int64, saga eventstore.Stream[State]) {
	f.mu.Lock()
	f.events, f.told = events, knows
	f.mu.Unlock()
	f.hears(saga)
}

func (f *follower) tell() {
	saga := f.newest
	if f.events == nil || saga.Version <= f.told {
		return
	}
	f.told, f.newest = saga.Version, eventstore.Stream[State]{Version: saga.Version} // its state is not needed again
	data, _ := json.Marshal(viewOf(saga))                                            // of plain fields
	f.events.Send(web.Event{Name: "checkout", ID: strconv.FormatInt(saga.Version, 10), Data: data})
	if shown(saga.State).Ended() {
		f.events.End()
	}
}

func (f *follower) knows() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told
}

// follow adds a follower. It hears of every change from now on.
func (w *watch) follow(id uuid.UUID) *follower {
	f := &follower{id: id}
	f.leave = func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.following[id] = slices.DeleteFunc(w.following[id], func(other *follower) bool { return other == f })
		if len(w.following[id]) == 0 {
			delete(w.following, id)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.following[id] = append(w.following[id], f)
	return f
}

func (w *watch) followers(id uuid.UUID) []*follower {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.following[id])
}

func (w *watch) followed() []uuid.UUID {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Collect(maps.Keys(w.following))
}

// follow looks, now and then and for all followers at once, at what other processes wrote, until ctx is done.
func (m *Module) follow(ctx context.Context, failed func(error)) {
	for backoff.Sleep(ctx, backoff.Jitter(followEvery)) {
		if err := m.lookForFollowers(ctx); err != nil && ctx.Err() == nil {
			failed(fmt.Errorf("look for those who follow checkouts: %w", err))
		}
	}
}

// lookForFollowers asks for the versions of all checkouts that are followed, and reads those that have moved on.
func (m *Module) lookForFollowers(ctx context.Context) error {
	ids := m.watch.followed()
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
		behind := func(f *follower) bool { return f.knows() < version }
		if slices.ContainsFunc(m.watch.followers(id), behind) {
			moved = append(moved, id)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for page := range slices.Chunk(moved, followPage) {
		found, err := sagas.LoadKnown(ctx, m.store, page)
		if err != nil {
			return err
		}
		for _, saga := range found {
			m.watch.changed(saga)
		}
	}
	return nil
}
