package eventstore

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
)

// Link is a command of a chain.
type Link struct {
	Store   *Store
	Command Command
	// Handles names a subscription that the command takes the place of, for the events of the commands before it. Once the command is
	// done, these events need no row in the outbox.
	Handles string
}

// Result is the result of a command of a chain.
type Result struct {
	Receipt Receipt
	Err     error
	Stopped bool // it ended the chain
}

// Chain decides commands in order, each on the states that the ones before it left, until one is refused or calls [Tx.Stop]. It returns the
// results of the commands that were decided: all but the last are done. What was decided before a refusal stands. Each command has its own
// receipt and events, as if it were sent alone.
//
// The commands commit in one transaction if one committer has their stores, and otherwise one after the other. They also go one after the
// other if the transaction fails, since another session may hold the lock of one command only. So a chain saves commits and promises nothing
// else: whoever sends it must also cope with a part of it. An error that is no refusal says nothing about the commands from that result on.
func Chain(ctx context.Context, links ...Link) []Result {
	links = slices.Clone(links) // those of the caller stay as they are
	c := newChain(ctx, links)
	results := c.together(ctx, links)
	if errors.Is(results[0].Err, ErrDissolved) {
		results = c.oneByOne(ctx)
	}
	c.endSpans(results)
	return results
}

// ChainWhole is Chain for commands that must not go one by one. Then nothing is written, and the only result is ErrDissolved.
func ChainWhole(ctx context.Context, links ...Link) []Result {
	links = slices.Clone(links)
	c := newChain(ctx, links)
	results := c.together(ctx, links)
	c.endSpans(results)
	return results
}

// Earlier returns the last event of type E that the commands before this one in its chain have appended. It returns false if there is none,
// also if such a command was done before.
func Earlier[E any](tx *Tx) (event E, ok bool) {
	for _, e := range slices.Backward(tx.earlier) {
		if event, ok = e.(E); ok {
			return event, true
		}
	}
	return event, false
}

// Stop ends the chain after this command, which must be harmless: a receipt does not say that it stopped.
func (tx *Tx) Stop() { tx.stopped = true }

// ErrDissolved means that nothing of a chain was written, and that its commands must go one by one.
var ErrDissolved = errors.New("the commands of the chain must go one by one")

// chain is a chain that is sent.
type chain struct {
	jobs  []*job
	spans []trace.Span
}

func newChain(ctx context.Context, links []Link) *chain {
	c := &chain{}
	for i := range links {
		l := &links[i]
		in, span := l.Store.startCommand(ctx, &l.Command)
		l.Command.Meta.setSpan(trace.SpanContextFromContext(in))
		c.jobs = append(c.jobs, &job{Command: &l.Command, store: l.Store, handles: l.Handles, span: span})
		c.spans = append(c.spans, span)
	}
	return c
}

// together sends the commands in one transaction.
func (c *chain) together(ctx context.Context, links []Link) []Result {
	if backend := links[0].Store.db.Committer.backend; backend != nil {
		return backend.Do(ctx, links)
	}
	if slices.ContainsFunc(links, func(l Link) bool { return l.Store.db.Committer != links[0].Store.db.Committer }) {
		return []Result{{Err: ErrDissolved}}
	}
	head := c.jobs[0]
	head.rest, head.done = c.jobs[1:], make(chan struct{}, 1)
	if err := head.store.db.Committer.do(ctx, head); err != nil {
		return []Result{{Err: err}}
	}
	results := make([]Result, 0, len(c.jobs))
	for one := range head.all {
		if one.decided {
			results = append(results, Result{one.receipt, one.err, one.stopped})
		}
	}
	return results
}

// oneByOne sends each command alone.
func (c *chain) oneByOne(ctx context.Context) (results []Result) {
	var before []any
	for _, j := range c.jobs {
		var r Result
		r, before = j.alone(ctx, before)
		if results = append(results, r); r.Err != nil || r.Stopped {
			break
		}
	}
	return results
}

// alone sends the command of a job without its chain. before are the events of the commands before it, and after also those of this one.
func (j *job) alone(ctx context.Context, before []any) (r Result, after []any) {
	if backend := j.store.db.Committer.backend; backend != nil {
		return backend.Do(ctx, []Link{{Store: j.store, Command: *j.Command}})[0], nil
	}
	alone := &job{Command: j.Command, store: j.store, span: j.span, before: before, done: make(chan struct{}, 1)}
	if err := j.store.db.Committer.do(ctx, alone); err != nil {
		return Result{Err: err}, nil
	}
	return Result{alone.receipt, alone.err, alone.stopped}, alone.after
}

func (c *chain) endSpans(results []Result) {
	for i, span := range c.spans {
		if i < len(results) {
			endCommand(span, results[i].Receipt, results[i].Err)
		} else {
			span.End() // the chain ended before
		}
	}
}

// all returns the commands of a job in order.
func (j *job) all(yield func(*job) bool) {
	if !yield(j) {
		return
	}
	for _, next := range j.rest {
		if !yield(next) {
			return
		}
	}
}

// commandsIn returns the number of commands of a batch.
func commandsIn(batch []*job) (n int) {
	for _, j := range batch {
		n += 1 + len(j.rest)
	}
	return n
}

// isChain reports whether a job has several commands.
func (j *job) isChain() bool { return len(j.rest) > 0 }

// reset forgets the results of an earlier attempt.
func (j *job) reset() {
	j.receipt, j.err, j.decided, j.stopped = Receipt{}, nil, false, false
}

// fail gives a job an error in place of a result. After an error that may concern one command alone, the others are tried without it.
func (j *job) fail(err error) {
	for one := range j.all {
		one.reset()
	}
	j.err, j.decided = err, true
	if j.isChain() && !isConnectionLost(err) {
		j.err = ErrDissolved
	}
}

// decideAll decides the commands of a job until one is refused.
func decideAll(j *job, workOf func(*Store) *storeBatch) {
	earlier := j.before
	for one := range j.all {
		w := workOf(one.store)
		one.work, one.from = w, len(w.events)
		one.earlier = earlier
		decide(one, w)
		if one.to, one.decided = len(w.events), true; one.err != nil {
			return
		}
		for _, e := range w.events[one.from:one.to] {
			earlier = append(earlier[:len(earlier):len(earlier)], e.event)
		}
		if one.handles != "" {
			j.handledUntil(one)
		}
		if j.after = earlier; one.stopped {
			return
		}
	}
}

// handledUntil marks the events of the commands before one that only its subscription handles.
func (j *job) handledUntil(one *job) {
	for before := range j.all {
		if before == one {
			return
		}
		for i := before.from; i < before.to; i++ {
			e := &before.work.events[i]
			if subs := before.store.subs[e.Type]; len(subs) == 1 && subs[0].name == one.handles {
				e.handled = true
			}
		}
	}
}

// take adds a command to the batch.
func (w *storeBatch) take(j *job) {
	w.jobs++
	if !j.Harmless {
		w.commands = append(w.commands, j.ID)
	}
	w.name(j.Reads, false)
	w.name(j.Streams, true)
}

// ensureIDs gives the commands of a job ids.
func (j *job) ensureIDs() {
	for one := range j.all {
		if one.ID == uuid.Nil {
			one.ID = uuid.Must(uuid.NewV7())
		}
	}
}

// failure returns the error that a chain failed with as a whole, or nil.
func (j *job) failure() error {
	if errors.Is(j.err, ErrDissolved) {
		return j.err
	}
	return nil
}
