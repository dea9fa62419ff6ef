package saga

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

const (
	// startTimeout limits the wait for the start of a saga, which takes one commit.
	startTimeout = 10 * time.Second

	// A waiter also reads the saga now and then, since another process may drive it. Most checkouts end before the second read.
	firstRecheck = 250 * time.Millisecond
	lastRecheck  = time.Second
)

// Await waits until a checkout that was just sealed has ended, or until ctx is done.
func (m *Module) Await(ctx context.Context, id uuid.UUID) (CheckoutView, error) {
	saga, err := m.await(ctx, eventstore.Stream[State]{ID: id}, true, time.Hour, func(s State) bool { return s.Status.Ended() })
	return viewOf(saga), err
}

// await waits for the start of a saga and then, for up to patience, until enough reports true. It does not wait if the given saga
// is enough, or if the server stops. begins means that this process is about to start the saga.
func (m *Module) await(
	ctx context.Context, saga eventstore.Stream[State], begins bool, patience time.Duration, enough func(State) bool,
) (_ eventstore.Stream[State], err error) {
	began := time.Now()
	isOver := func() bool {
		if !saga.Exists() {
			return time.Since(began) >= max(patience, startTimeout)
		}
		return enough(saga.State) || time.Since(began) >= patience || m.notifier.isDraining()
	}
	if isOver() {
		return saga, nil
	}
	id, changes, pause := saga.ID, make(waiter, 1), time.Duration(0)
	m.notifier.waiters.add(id, changes)
	defer m.notifier.waiters.remove(id, func(w waiter) bool { return w == changes })
	if begins {
		pause = firstRecheck
	}
	for !isOver() {
		told, ok := changes.receive(ctx, pause, patience-time.Since(began))
		if !ok {
			break
		}
		if !told.Exists() {
			if told, err = sagas.Load(ctx, m.store, id); err != nil {
				return saga, err
			}
		}
		saga, pause = told, min(max(2*pause, firstRecheck), lastRecheck)
	}
	if !saga.Exists() {
		err = eventstore.ErrBusy
	}
	return saga, err
}

// receive returns the next state, or one of version 0 after a pause or when the waiter's time is up. It is false if ctx is done.
func (w waiter) receive(ctx context.Context, pause, left time.Duration) (saga eventstore.Stream[State], ok bool) {
	if left > 0 {
		pause = min(pause, left)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case saga = <-w:
	case <-timer.C:
	case <-ctx.Done():
		return saga, false
	}
	return saga, true
}
