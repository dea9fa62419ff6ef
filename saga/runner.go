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
	"go.opentelemetry.io/otel/trace"

	"shopping-cart/eventstore"
	"shopping-cart/payment"
	"shopping-cart/platform/backoff"
	"shopping-cart/platform/failpoint"
)

// stepTimeout bounds one attempt of a step, the provider's time-outs included.
const stepTimeout = 40 * time.Second

// runner executes sagas of any definition. It executes the steps that the state requires, and writes when the saga must wait or compensate
// and when it ends. Two processes may execute one saga: the version of its stream decides which of them may write, and the ids of the
// commands make the steps idempotent.
type runner struct {
	store        *eventstore.Store
	modules      Modules
	stepDeadline time.Duration
	metrics      Metrics
	log          *slog.Logger
	notifier     *notifier
	tracer       trace.Tracer // nil: no spans

	mu       sync.Mutex
	active   map[uuid.UUID]*execution
	stopping bool
	work     sync.WaitGroup
}

// execution is a saga that this process executes, and the pass that was requested meanwhile.
type execution struct{ next *pass }

// pass executes a saga from a given state, or from the store.
type pass struct {
	from   *eventstore.Stream[State]
	taken  []Event          // events of steps after from that are not written yet
	opened *payment.Opening // the first command of the charge that comes next, if a chain has executed it
	woken  bool             // execute steps that are not due, too
	cause  trace.SpanContext
	over   chan struct{} // closed at the end, after err was set
	err    error
}

func (r *pass) end(err error) {
	r.err = err
	close(r.over)
}

// errStopping means that the process stops before the end of the pass.
var errStopping = fmt.Errorf("the process stops: %w", context.Canceled)

// wake executes a saga because of an event, and returns when the pass has ended.
func (r *runner) wake(ctx context.Context, id uuid.UUID) error {
	asked := r.begin(id, pass{woken: true, cause: trace.SpanContextFromContext(ctx)})
	select {
	case <-asked.over:
		return asked.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin starts a pass, or requests another one if the saga is being executed. It returns at once.
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
		asked.from, asked.taken, asked.opened = nil, nil, nil // the state has changed; repeated steps change nothing
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
		case errors.Is(err, errOvertaken): // the other process may lack what we could not write
			r.begin(id, pass{woken: true})
			err = nil
		case errors.Is(err, errUnknownDefinition), errors.Is(err, eventstore.ErrNewerVersion):
			r.log.Warn("a newer version of the program must execute this saga", "saga", id, "error", err)
		case err != nil && !errors.Is(err, errStopping):
			r.log.Warn("saga store failed, will retry", "saga", id, "error", err)
			r.later(id, r.store.Now().Add(backoff.Jitter(storeRetryDelay)))
		}
		p.end(err)
	}
}

// nextPass returns the pass that was requested meanwhile. Without one it ends the execution.
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

// execute executes steps until the saga has ended or must wait. Completed steps are written with the next write: a crash only repeats
// commands with the same ids.
func (r *runner) execute(id uuid.UUID, p *pass) error {
	ctx := r.context(id, p)
	saga, err := r.load(id, p.from)
	if err != nil || !saga.Exists() || saga.State.Status.Ended() {
		return err
	}
	definition, err := definitionOf(saga.State)
	if err != nil {
		return err
	}
	x := &progress{saga: saga, opened: p.opened}
	err = r.take(ctx, x, p.taken)
	for woken := p.woken; err == nil && !x.ended; woken = false {
		if r.isStopping() {
			return errStopping
		}
		if x.saga.State.Status == NeedsAttention && !woken {
			return nil
		}
		reaction := definition.react(x.saga.State)
		if reaction.End != "" {
			return r.take(ctx, x, []Event{Ended{Status: reaction.End, At: r.store.Now()}})
		}
		due, next := partitionDue(x.saga.State, reaction.Do, r.store.Now(), woken)
		if len(due) == 0 {
			return r.suspend(ctx, x, next)
		}
		taken := r.executeDue(ctx, x, due, len(due) == len(reaction.Do))
		if isSameAttention(x.saga.State, taken) {
			return nil
		}
		err = r.take(ctx, x, taken)
	}
	return err
}

// progress is how far a pass has come.
type progress struct {
	saga      eventstore.Stream[State] // as written, with the steps of unwritten
	unwritten []Event
	opened    *payment.Opening
	ended     bool
}

// executeDue executes steps, and in a chain with them what follows if they succeed. all says that no other step is to be executed.
func (r *runner) executeDue(ctx context.Context, x *progress, due []Do, all bool) (taken []Event) {
	opened := x.opened
	if x.opened = nil; !all {
		return r.executeSteps(ctx, x.saga.ID, x.saga.State, due, around{})
	}
	c, began := &chain{}, r.store.Now()
	if r.follow(ctx, c, x.saga.ID, x.saga.State, x.saga.Version, x.unwritten); len(c.steps) > 0 {
		if taken = r.sent(ctx, x, c, began, r.send(ctx, c, x.saga.ID)); len(taken) > 0 {
			return taken
		}
	}
	if len(due) > 1 {
		return r.executeSteps(ctx, x.saga.ID, x.saga.State, due, around{})
	}
	then := &payment.FollowUp{Links: func(ctx context.Context) []eventstore.Link {
		done := StepDone{Step: due[0].Step, BeganAt: began, At: r.store.Now()}
		c = &chain{}
		r.follow(ctx, c, x.saga.ID, evolve(x.saga.State, done), x.saga.Version, append(slices.Clone(x.unwritten), done))
		r.beginSteps(ctx, x.saga.ID, c)
		return c.links
	}}
	taken = r.executeSteps(ctx, x.saga.ID, x.saga.State, due, around{opened, then})
	if then.Results != nil && !mustWrite(taken) {
		taken = append(taken, r.sent(ctx, x, c, began, then.Results)...)
	}
	return taken
}

// sent takes in the results of a chain, and returns the events of its steps.
func (r *runner) sent(ctx context.Context, x *progress, c *chain, began time.Time, results []eventstore.Result) []Event {
	taken := r.conclude(c, began, results)
	saga, ended, err := r.ended(ctx, c, results)
	if ended && err == nil {
		x.saga, x.ended = saga, true
	}
	x.opened = c.opened()
	return taken
}

// take takes in the events of steps. It writes if the saga must wait, compensate or end, and what follows then in the same chain. The steps of
// a chain that has ended the saga are written.
func (r *runner) take(ctx context.Context, x *progress, taken []Event) error {
	for !x.ended && len(taken) > 0 {
		x.unwritten = append(x.unwritten, taken...)
		if !mustWrite(taken) {
			for _, e := range taken {
				x.saga.State = evolve(x.saga.State, e)
			}
			return nil
		}
		var err error
		if taken, err = r.write(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

// write writes the events of steps, and executes what follows in the same chain. It returns the events of that.
func (r *runner) write(ctx context.Context, x *progress) ([]Event, error) {
	id, s, c, began := x.saga.ID, x.written(), &chain{}, r.store.Now()
	events := x.unwritten
	c.add(r.recording(id, x.saga.Version, func(time.Time) []Event { return events }))
	if !s.Status.Ended() {
		r.follow(ctx, c, id, s, x.saga.Version+int64(len(events)), nil)
	}
	results := r.send(ctx, c, id)
	if err := results[0].Err; err != nil {
		return nil, fmt.Errorf("write saga %s: %w", id, err)
	}
	saga, err := sagas.Result(ctx, r.store, results[0].Receipt)
	if err != nil {
		return nil, err
	}
	r.notifier.notify(saga)
	x.saga, x.unwritten = saga, nil
	if saga.State.Status.Ended() {
		x.ended = true
		r.countEnd(saga)
		return nil, nil
	}
	return r.sent(ctx, x, c, began, results), nil
}

// written returns the state of a saga with all its events.
func (x *progress) written() State {
	s := x.saga.State
	for _, e := range x.unwritten {
		s = evolve(s, e)
	}
	return s
}

// isSameAttention reports whether all steps need attention for the same reason as before.
func isSameAttention(s State, taken []Event) bool {
	return s.Status == NeedsAttention && !slices.ContainsFunc(taken, func(e Event) bool {
		again, ok := e.(AttentionNeeded)
		st := s.Step(again.Step)
		return !ok || !st.NeedsOperator || st.Error != again.Reason
	})
}

// suspend writes what is left, and continues when a step falls due.
func (r *runner) suspend(ctx context.Context, x *progress, until time.Time) error {
	if len(x.unwritten) > 0 {
		if _, err := r.write(ctx, x); err != nil {
			return err
		}
	}
	r.later(x.saga.ID, until)
	return nil
}

func (r *runner) countEnd(saga eventstore.Stream[State]) {
	if r.metrics != nil {
		r.metrics.SagaEnded(saga.State.Type, string(saga.State.Status), saga.UpdatedAt.Sub(saga.CreatedAt))
	}
}

func (r *runner) load(id uuid.UUID, from *eventstore.Stream[State]) (eventstore.Stream[State], error) {
	if from != nil {
		return *from, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	return sagas.Load(ctx, r.store, id)
}

// partitionDue returns the steps that are due, and when the next one falls due.
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

// executeSteps executes steps in parallel. A step that needs attention comes last.
func (r *runner) executeSteps(ctx context.Context, id uuid.UUID, s State, all []Do, with around) []Event {
	events := make([]Event, len(all))
	var wg sync.WaitGroup
	for i, d := range all {
		wg.Go(func() { events[i] = r.attempt(ctx, id, s, d, with) })
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

func (r *runner) attempt(ctx context.Context, id uuid.UUID, s State, d Do, with around) Event {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	ctx, span := r.startStep(ctx, id, s, d.Step)
	a := attempt{Do: d, began: r.store.Now(), jitter: rand.Float64()}
	if failpoint.Enabled {
		failpoint.Reach(failpoint.BeforeStep, s.Type+" "+d.Step)
	}
	a.Outcome = r.dispatchSafely(ctx, id, d, with)
	if failpoint.Enabled {
		failpoint.Reach(failpoint.AfterStep, s.Type+" "+d.Step)
	}
	a.ended = r.store.Now()
	event := record(s, a, r.stepDeadline)
	endStep(span, a.Outcome, event)
	return event
}

// dispatchSafely turns a panic into an unknown outcome, so that one saga cannot stop the process.
func (r *runner) dispatchSafely(ctx context.Context, id uuid.UUID, d Do, with around) (o Outcome) {
	defer func() {
		if p := recover(); p != nil {
			r.log.Error("a step panicked", "saga", id, "step", d.Step, "panic", p, "stack", string(debug.Stack()))
			o = Outcome{Kind: StepIsUnknown, Error: errorText(nil)}
		}
	}()
	return d.Command.dispatch(ctx, r.modules, CommandID(id, d.Step), id, with)
}

// mustWrite reports whether an event is more than a completed step.
func mustWrite(events []Event) bool {
	for _, e := range events {
		if _, ok := e.(StepDone); !ok {
			return true
		}
	}
	return false
}

// errOvertaken means that another process wrote to the saga.
var errOvertaken = errors.New("another process executes this saga")

// soon is the longest delay that an in-process timer handles. The sweep of wake_at handles longer ones.
const soon = 5 * time.Second

// storeRetryDelay is the average pause after a failure of the saga's store. It is shorter than the lease.
const storeRetryDelay = 2 * time.Second

// later continues when a step falls due. The timer only saves time, since wake_at is stored.
func (r *runner) later(id uuid.UUID, at time.Time) {
	if wait := at.Sub(r.store.Now()); wait < soon {
		time.AfterFunc(wait, func() { r.begin(id, pass{}) })
	}
}

// stop waits for the steps in progress, and begins no others.
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
