package eventstore

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	loadQueries = 2  // for single streams, in each store at once
	loadLimit   = 64 // loads that share a query
)

// loader reads the rows of single streams. While loadQueries queries run, further loads wait and share the next one, as commands share a
// transaction. A query begins after its loads, so each load sees all commits before it.
type loader struct {
	store   *Store
	mu      sync.Mutex
	running int
	waiting []*rowLoad
}

// rowLoad is a load that waits for its row.
type rowLoad struct {
	id   uuid.UUID
	row  storedRow // of version 0 if there is none
	err  error
	done chan struct{}
}

// load returns the row of a stream.
func (l *loader) load(ctx context.Context, id uuid.UUID) (storedRow, error) {
	one := &rowLoad{id: id}
	if l.mayRun(one) {
		defer l.next()
		return l.readOne(ctx, id)
	}
	select {
	case <-one.done:
		return one.row, one.err
	case <-ctx.Done():
		return storedRow{}, fmt.Errorf("wait for a load: %w", ctx.Err())
	}
}

// mayRun reports whether a load may run a query for itself. Otherwise it waits.
func (l *loader) mayRun(one *rowLoad) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running < loadQueries {
		l.running++
		return true
	}
	one.done = make(chan struct{})
	l.waiting = append(l.waiting, one)
	return false
}

// next passes the place of a query to the loads that wait.
func (l *loader) next() {
	if some := l.take(); len(some) > 0 {
		go func() {
			for ; len(some) > 0; some = l.take() {
				l.readAll(some)
			}
		}()
	}
}

// take returns the loads of the next query. Without any, the place is free.
func (l *loader) take() []*rowLoad {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(loadLimit, len(l.waiting))
	some := l.waiting[:n:n]
	if l.waiting = l.waiting[n:]; n == 0 {
		l.running--
		l.waiting = nil
	}
	return some
}

func (l *loader) readOne(ctx context.Context, id uuid.UUID) (row storedRow, err error) {
	rows, _ := l.store.db.Query.Query(ctx, l.store.sql.readOne, [16]byte(id)) // its error is that of the rows
	_, err = pgx.ForEachRow(rows, row.targets(), func() error { return nil })
	return row, err
}

// readAll reads the rows of several loads. Their callers may have gone, so it has a time limit of its own.
func (l *loader) readAll(some []*rowLoad) {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	ids, byID := make([][16]byte, len(some)), make(map[uuid.UUID]storedRow, len(some))
	for i, one := range some {
		ids[i] = one.id
	}
	rows, _ := l.store.db.Query.Query(ctx, l.store.sql.read, ids)
	var row storedRow
	_, err := pgx.ForEachRow(rows, row.targets(), func() error {
		byID[row.id] = row
		return nil
	})
	for _, one := range some {
		one.row, one.err = byID[one.id], err
		close(one.done)
	}
}
