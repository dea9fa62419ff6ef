package saga

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// stepTimeout bounds one attempt of a step, the provider's time-outs included.
const stepTimeout = 40 * time.Second

// runner drives sagas of any definition: it takes the steps that the state asks for, records how they came out, and
// writes when it must wait or turn and when it ends. Two processes may drive one saga: the version of its stream
// decides whose record stands, and the ids of the commands make the steps happen once.
type runner struct {
	store    *eventstore.Store
	send     func(context.Context, State, Do) Outcome
	patience time.Duration
	ended    func(kind, status string, took time.Duration)
	log      *slog.Logger
	watch    *watch

	mu       sync.Mutex
	active   map[uuid.UUID]*drive
	stopping bool
	work     sync.WaitGroup
}

// drive is a saga that this process is busy with.
type drive struct{ again bool }

// nudge looks at a saga now: something happened that concerns it, or something fell due. It returns at once.
func (r *runner) nudge(id uuid.UUID) { r.begin(id, nil) }

// begin drives a saga from a state that is at hand, or from the one in the store.
func (r *runner) begin(id uuid.UUID, from *eventstore.Stream[State]) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopping {
		return
	}
	if d := r.active[id]; d != nil { // look again when this round is over
		d.again = true
		return
	}
	d := &drive{}
	r.active[id] = d
	r.work.Add(1)
	go r.run(id, d, from)
}

func (r *runner) run(id uuid.UUID, d *drive, from *eventstore.Stream[State]) {
	defer r.work.Done()
	for {
		if err := r.drive(id, from); err != nil {
			r.log.Warn("a saga stands still until the next sweep", "saga", id, "error", err)
		}
		r.mu.Lock()
		if !d.again || r.stopping {
			delete(r.active, id)
			r.mu.Unlock()
			return
		}
		d.again, from = false, nil
		r.mu.Unlock()
	}
}

// drive takes steps until the saga has ended or must wait. Steps that went well ride with the next write: a crash
// only repeats commands whose ids are derived.
func (r *runner) drive(id uuid.UUID, from *eventstore.Stream[State]) error {
	saga, err := r.load(id, from)
	if err != nil || !saga.Exists() {
		return err
	}
	var unwritten []Event
	for woken := true; !saga.State.Status.Ended() && !r.isStopping(); woken = false {
		reaction := checkout.react(saga.State)
		if reaction.End != "" {
			ended := Ended{Status: reaction.End, At: now()}
			if saga, err = r.write(saga, append(unwritten, ended)); err == nil {
				r.ended(saga.State.Type, string(ended.Status), ended.At.Sub(saga.CreatedAt))
			}
			return ignoreOvertaken(err)
		}
		due, next := split(saga.State, reaction.Do, now(), woken)
		if len(due) == 0 {
			r.later(id, next)
			return nil
		}
		events := r.take(saga.State, due)
		unwritten = append(unwritten, events...)
		if mustWrite(events) {
			if saga, err = r.write(saga, unwritten); err != nil {
				return ignoreOvertaken(err)
			}
			unwritten = nil
			if saga.State.Status == NeedsAttention {
				return nil
			}
			continue
		}
		for _, e := range events {
			saga.State = evolve(saga.State, e)
		}
	}
	return nil
}

func (r *runner) load(id uuid.UUID, from *eventstore.Stream[State]) (eventstore.Stream[State], error) {
	if from != nil {
		return *from, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	return sagas.Load(ctx, r.store, id)
}

// split parts what is due from what must wait, and says until when.
func split(s State, all []Do, now time.Time, woken bool) (due []Do, next time.Time) {
	for _, d := range all {
		at := s.Step(d.Step).DueAt
		if woken || !at.After(now) {
			due = append(due, d)
		} else if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return due, next
}

// take takes steps side by side.
func (r *runner) take(s State, all []Do) []Event {
	events := make([]Event, len(all))
	var wg sync.WaitGroup
	for i, d := range all {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
			defer cancel()
			a := attempt{Do: d, began: now(), luck: rand.Float64()}
			a.Outcome = r.send(ctx, s, d)
			a.ended = now()
			events[i] = record(s, a, r.patience)
		})
	}
	wg.Wait()
	return events
}

// mustWrite: everything but a step that went well is a wait or a turn.
func mustWrite(events []Event) bool {
	for _, e := range events {
		if _, ok := e.(StepDone); !ok {
			return true
		}
	}
	return false
}

// errOvertaken: another process wrote to this saga. It drives on; what we did, it finds done.
var errOvertaken = errors.New("another process drives this saga")

func ignoreOvertaken(err error) error {
	if errors.Is(err, errOvertaken) {
		return nil
	}
	return err
}

// write appends to the version that was read: the fence against everyone else who drives, or was frozen while driving.
func (r *runner) write(saga eventstore.Stream[State], events []Event) (eventstore.Stream[State], error) {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	receipt, err := r.store.Do(ctx, eventstore.Command{
		Meta:    eventstore.Meta{Actor: "saga", Correlation: saga.ID},
		Streams: []eventstore.Ref{sagas.Ref(saga.ID)},
		Decide: func(tx *eventstore.Tx) error {
			if tx.Match(saga.ID, &saga.Version) != nil {
				return errOvertaken
			}
			sagas.Append(tx, saga.ID, events...)
			return nil
		},
	})
	if err != nil {
		return saga, fmt.Errorf("write saga %s: %w", saga.ID, err)
	}
	r.watch.changed(saga.ID)
	return sagas.Result(ctx, r.store, receipt)
}

// later looks again when a step falls due. The timer only saves time: wake_at stands in the row.
func (r *runner) later(id uuid.UUID, at time.Time) {
	time.AfterFunc(time.Until(at), func() { r.nudge(id) })
}

// stop ends driving: the steps under way end, and nothing new begins.
func (r *runner) stop() {
	r.mu.Lock()
	r.stopping = true
	r.mu.Unlock()
	r.work.Wait()
}

func (r *runner) isStopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopping
}

// now is the time for the timeline: microseconds, as the database keeps them.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
