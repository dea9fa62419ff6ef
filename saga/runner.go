package saga

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/backoff"
	"shopping-cart/platform/failpoint"
)

// stepTimeout bounds one attempt of a step, the provider's time-outs included.
const stepTimeout = 40 * time.Second

// runner drives sagas of any definition: it takes the steps that the state asks for, records how they came out, and
// writes when it must wait or turn and when it ends. Two processes may drive one saga: the version of its stream
// decides whose record stands, and the ids of the commands make the steps happen once.
type runner struct {
	store        *eventstore.Store
	modules      Modules
	stepDeadline time.Duration
	metrics      Metrics
	log          *slog.Logger
	notifier     *notifier

	mu       sync.Mutex
	active   map[uuid.UUID]*execution
	stopping bool
	work     sync.WaitGroup
}

// execution is a saga that this process is busy with, and the round that was asked for meanwhile.
type execution struct{ next *pass }

// pass is one look at a saga, from a state at hand or from the store.
type pass struct {
	from  *eventstore.Stream[State]
	taken []Event       // steps taken on from and not written yet
	woken bool          // something happened: steps are tried though they are not due
	over  chan struct{} // closed at the end; then err says how it went
	err   error
}

func (r *pass) end(err error) {
	r.err = err
	close(r.over)
}

// errStopping: the saga was not looked at, or not to the end, since the process stops.
var errStopping = fmt.Errorf("the process stops: %w", context.Canceled)

// wake looks at a saga because something happened that concerns it, and returns when it has acted on that. An error
// means that it may not have.
func (r *runner) wake(ctx context.Context, id uuid.UUID) error {
	asked := r.begin(id, pass{woken: true})
	select {
	case <-asked.over:
		return asked.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin drives a saga, or has it looked at again where it is being driven. It returns at once.
func (r *runner) begin(id uuid.UUID, look pass) *pass {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked := &look
	asked.over = make(chan struct{})
	d := r.active[id]
	switch {
	case r.stopping:
		asked.end(errStopping)
	case d == nil:
		d = &execution{}
		r.active[id] = d
		r.work.Add(1)
		go r.run(id, d, asked)
	case d.next == nil:
		asked.from, asked.taken = nil, nil // it has moved on; what was taken is answered by its receipt
		d.next = asked
	default:
		d.next.woken = d.next.woken || look.woken
		return d.next
	}
	return asked
}

func (r *runner) run(id uuid.UUID, d *execution, p *pass) {
	defer r.work.Done()
	for ; p != nil; p = r.nextPass(id, d) {
		err := r.execute(id, p)
		switch {
		case errors.Is(err, errOvertaken): // what we know and could not write, the other one does not: ask again at once
			r.begin(id, pass{woken: true})
			err = nil
		case errors.Is(err, errUnknownDefinition), errors.Is(err, eventstore.ErrNewerVersion):
			r.log.Warn("a saga is left to a newer version of the program", "saga", id, "error", err)
		case err != nil && !errors.Is(err, errStopping):
			r.log.Warn("a saga stands still for a moment", "saga", id, "error", err)
			r.later(id, r.store.Now().Add(backoff.Jitter(storeRetryDelay)))
		}
		p.end(err)
	}
}

// nextPass is the round asked for meanwhile. Without one, the drive is over in the same moment.
func (r *runner) nextPass(id uuid.UUID, d *execution) *pass {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := d.next
	d.next = nil
	if next != nil && r.stopping {
		next.end(errStopping)
		next = nil
	}
	if next == nil {
		delete(r.active, id)
	}
	return next
}

// execute takes steps until the saga has ended or must wait. Steps that went well ride with the next write: a crash
// only repeats commands whose ids are derived.
func (r *runner) execute(id uuid.UUID, p *pass) error {
	saga, err := r.load(id, p.from)
	if err != nil || !saga.Exists() || saga.State.Status.Ended() {
		return err
	}
	definition, err := definitionOf(saga.State)
	if err != nil {
		return err
	}
	saga, unwritten, err := r.checkpoint(saga, nil, p.taken)
	for woken := p.woken; err == nil; woken = false {
		if r.isStopping() {
			return errStopping
		}
		if saga.State.Status == NeedsAttention && !woken {
			return nil
		}
		reaction := definition.react(saga.State)
		if reaction.End != "" {
			return r.end(saga, append(unwritten, Ended{Status: reaction.End, At: r.store.Now()}))
		}
		due, next := partitionDue(saga.State, reaction.Do, r.store.Now(), woken)
		if len(due) == 0 {
			return r.suspend(saga, unwritten, next)
		}
		taken := r.executeSteps(id, saga.State, due)
		if isSameAttention(saga.State, taken) {
			return nil
		}
		saga, unwritten, err = r.checkpoint(saga, unwritten, taken)
	}
	return err
}

// checkpoint adds what was taken to what is not written yet, and writes where the saga must wait or turn.
func (r *runner) checkpoint(saga eventstore.Stream[State], unwritten, taken []Event) (eventstore.Stream[State], []Event, error) {
	unwritten = append(unwritten, taken...)
	if mustWrite(taken) {
		saga, err := r.write(saga, unwritten)
		return saga, nil, err
	}
	for _, e := range taken {
		saga.State = evolve(saga.State, e)
	}
	return saga, unwritten, nil
}

// isSameAttention reports whether every step needs a person for the reason that it needed one for before: nothing is to be written.
func isSameAttention(s State, taken []Event) bool {
	return s.Status == NeedsAttention && !slices.ContainsFunc(taken, func(e Event) bool {
		again, ok := e.(AttentionNeeded)
		st := s.Step(again.Step)
		return !ok || !st.NeedsOperator || st.Error != again.Reason
	})
}

// suspend writes what is left, and looks again when a step falls due.
func (r *runner) suspend(saga eventstore.Stream[State], unwritten []Event, until time.Time) error {
	if len(unwritten) > 0 {
		if _, err := r.write(saga, unwritten); err != nil {
			return err
		}
	}
	r.later(saga.ID, until)
	return nil
}

// startFirstSteps takes the first steps of a saga while its start is being written: that it was asked for is durable already, in the
// outbox of another room, and whoever starts it after a crash repeats the same commands.
func (r *runner) startFirstSteps(id uuid.UUID, s State, of definition) <-chan []Event {
	taken := make(chan []Event, 1)
	go func() { taken <- r.executeSteps(id, s, of.react(s).Do) }()
	return taken
}

func (r *runner) end(saga eventstore.Stream[State], events []Event) error {
	saga, err := r.write(saga, events)
	if err == nil && r.metrics != nil {
		r.metrics.SagaEnded(saga.State.Type, string(saga.State.Status), saga.UpdatedAt.Sub(saga.CreatedAt))
	}
	return err
}

func (r *runner) load(id uuid.UUID, from *eventstore.Stream[State]) (eventstore.Stream[State], error) {
	if from != nil {
		return *from, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	return sagas.Load(ctx, r.store, id)
}

// partitionDue parts what is due from what must wait, and says until when.
func partitionDue(s State, all []Do, now time.Time, woken bool) (due []Do, next time.Time) {
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

// executeSteps takes steps side by side. One that needs a person comes last: a saga stops at it.
func (r *runner) executeSteps(id uuid.UUID, s State, all []Do) []Event {
	events := make([]Event, len(all))
	var wg sync.WaitGroup
	for i, d := range all {
		wg.Go(func() { events[i] = r.attempt(id, s, d) })
	}
	wg.Wait()
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(rank(a), rank(b)) })
	return events
}

func rank(e Event) int {
	if _, ok := e.(AttentionNeeded); ok {
		return 1
	}
	return 0
}

func (r *runner) attempt(id uuid.UUID, s State, d Do) Event {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	a := attempt{Do: d, began: r.store.Now(), jitter: rand.Float64()}
	if failpoint.Enabled {
		failpoint.Reach(failpoint.BeforeStep, s.Type+" "+d.Step)
	}
	a.Outcome = r.dispatchSafely(ctx, id, d)
	if failpoint.Enabled {
		failpoint.Reach(failpoint.AfterStep, s.Type+" "+d.Step)
	}
	a.ended = r.store.Now()
	return record(s, a, r.stepDeadline)
}

// dispatchSafely turns a panic into a doubt: one poisoned saga must not take the process, and all others, with it.
func (r *runner) dispatchSafely(ctx context.Context, id uuid.UUID, d Do) (o Outcome) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("a step panicked", "saga", id, "step", d.Step, "panic", p, "stack", string(debug.Stack()))
			o = Outcome{Kind: StepIsUnknown, Error: errorText(nil)}
		}
	}()
	return d.Command.dispatch(ctx, r.modules, CommandID(id, d.Step), id)
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

// errOvertaken: another process wrote to this saga. What we did, it finds done.
var errOvertaken = errors.New("another process drives this saga")

// write appends to the version that was read: the fence against everyone else who drives, or was frozen while driving.
func (r *runner) write(saga eventstore.Stream[State], events []Event) (eventstore.Stream[State], error) {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	cmd := eventstore.Command{Meta: eventstore.Meta{Actor: "saga", Correlation: saga.ID}}
	receipt, err := sagas.Handle(ctx, r.store, saga.ID, cmd, func(_ *eventstore.Tx, now eventstore.Stream[State]) ([]Event, error) {
		if now.Version != saga.Version {
			return nil, errOvertaken
		}
		return events, nil
	})
	if err != nil {
		return saga, fmt.Errorf("write saga %s: %w", saga.ID, err)
	}
	saga, err = sagas.Result(ctx, r.store, receipt)
	r.notifier.notify(saga)
	return saga, err
}

// soon is how far ahead a timer of our own is worth it. What falls due later is left to the sweep of wake_at.
const soon = 5 * time.Second

// storeRetryDelay is how long a saga rests, on average, when its own store fails. This process still has it in hand: nobody
// needs to wait for the lease to run out.
const storeRetryDelay = 2 * time.Second

// later looks again when a step falls due. The timer only saves time: wake_at stands in the row.
func (r *runner) later(id uuid.UUID, at time.Time) {
	if wait := at.Sub(r.store.Now()); wait < soon {
		time.AfterFunc(wait, func() { r.begin(id, pass{}) })
	}
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
