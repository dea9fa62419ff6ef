package saga

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"shopping-cart/eventstore"
	"shopping-cart/payment"
	"shopping-cart/platform/failpoint"
	"shopping-cart/platform/fault"
)

// chain is what follows in a saga if each step succeeds, up to the first call to a provider. Its commands commit together where one database has
// them. It only saves commits: a step that is not done after it is executed alone, since the commands of steps are harmless when repeated.
type chain struct {
	links   []eventstore.Link
	steps   []chained
	opening *payment.Opening // of the charge that comes next; nil if there is none
	opens   int              // its place in links
	isOpen  bool             // the chain has executed it
	ends    bool             // the last link writes the end of the saga
}

// chained is a step of a chain.
type chained struct {
	Do
	at    int   // its place in links
	state State // before it
	span  trace.Span
}

func (c *chain) add(l eventstore.Link) { c.links = append(c.links, l) }

func (c toOrder) addTo(ctx context.Context, to Modules, id, saga uuid.UUID, in *chain) bool {
	l, err := to.Orders.Link(ctx, id, saga, c.Command)
	if err == nil {
		in.add(l)
	}
	return err == nil
}

func (c toCart) addTo(_ context.Context, to Modules, id, saga uuid.UUID, in *chain) bool {
	in.add(to.Carts.Link(id, saga, c.Command))
	return true
}

// addTo adds the intent of a charge. The provider is called after the commit.
func (c toCharge) addTo(_ context.Context, to Modules, _, saga uuid.UUID, in *chain) bool {
	if c.attempts == 0 {
		in.opening, in.opens = to.Payments.OpenCharge(saga, c.Charge), len(in.links)
		in.add(in.opening.Link)
	}
	return false
}

// addTo adds the tombstone. If a provider must be called after it, it ends the chain.
func (c toUndo) addTo(_ context.Context, to Modules, _, saga uuid.UUID, in *chain) bool {
	in.add(to.Payments.OpenUndo(saga, c.Undo))
	return true
}

func (toRefund) addTo(context.Context, Modules, uuid.UUID, uuid.UUID, *chain) bool { return false }
func (toVerify) addTo(context.Context, Modules, uuid.UUID, uuid.UUID, *chain) bool { return false }

// follow adds what follows in a saga if each step succeeds. version is that of its stream before, and unwritten are the events of done steps
// that its state has and its stream has not.
func (r *runner) follow(ctx context.Context, c *chain, id uuid.UUID, s State, version int64, unwritten []Event) {
	d, err := definitionOf(s)
	if err != nil {
		return
	}
	var assumed []string
	for {
		reaction := d.react(s)
		if reaction.End != "" {
			c.ends = true
			c.add(r.ending(id, version, unwritten, assumed, reaction.End))
			return
		}
		for _, do := range reaction.Do {
			if s.Step(do.Step).DueAt.After(r.store.Now()) || s.Step(do.Step).NeedsOperator {
				return
			}
			step := chained{Do: do, at: len(c.links), state: s}
			if !do.Command.addTo(ctx, r.modules, CommandID(id, do.Step), id, c) {
				return
			}
			c.steps, assumed = append(c.steps, step), append(assumed, do.Step)
			s = evolve(s, StepDone{Step: do.Step, BeganAt: r.store.Now(), At: r.store.Now()})
		}
	}
}

// ending returns the command that writes the end of a saga, with the steps that its chain has done before it.
func (r *runner) ending(id uuid.UUID, version int64, unwritten []Event, assumed []string, end Status) eventstore.Link {
	began := r.store.Now()
	return r.recording(id, version, func(now time.Time) []Event {
		events := unwritten[:len(unwritten):len(unwritten)]
		for _, step := range assumed {
			events = append(events, StepDone{Step: step, BeganAt: began, At: now})
		}
		return append(events, Ended{Status: end, At: now})
	})
}

// recording returns the command that writes events to a saga at a version. It is harmless, since it changes the version.
func (r *runner) recording(id uuid.UUID, version int64, events func(now time.Time) []Event) eventstore.Link {
	cmd := eventstore.Command{Meta: eventstore.Meta{Actor: "saga", Correlation: id}, Named: "record", Harmless: true}
	return eventstore.Link{Store: r.store, Command: sagas.Command(id, cmd, func(tx *eventstore.Tx, now eventstore.Stream[State]) ([]Event, error) {
		if now.Version != version {
			return nil, errOvertaken
		}
		return events(tx.Now()), nil
	})}
}

// send sends a chain.
func (r *runner) send(ctx context.Context, c *chain, id uuid.UUID) []eventstore.Result {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	r.beginSteps(ctx, id, c)
	return eventstore.Chain(ctx, c.links...)
}

// beginSteps starts the spans of the steps.
func (r *runner) beginSteps(ctx context.Context, id uuid.UUID, c *chain) {
	for i := range c.steps {
		step := &c.steps[i]
		_, step.span = r.startStep(ctx, id, step.state, step.Step)
		if failpoint.Enabled {
			failpoint.Reach(failpoint.BeforeStep, step.state.Type+" "+step.Step)
		}
	}
}

// conclude returns the events of the steps that a chain has done or that were refused for good. A chain may hold commands that follow others:
// results are those of its links.
func (r *runner) conclude(c *chain, began time.Time, results []eventstore.Result) (taken []Event) {
	if c.opening != nil && c.opens < len(results) && results[c.opens].Err == nil {
		c.opening.Result, c.isOpen = results[c.opens], true
	}
	for i, step := range c.steps {
		if step.at >= len(results) || results[step.at].Stopped || !isDecided(step.Do, results[step.at].Err) {
			for _, rest := range c.steps[i:] {
				endSpan(rest.span)
			}
			return taken
		}
		a := attempt{Do: step.Do, Outcome: outcomeOf(results[step.at].Err), began: began, ended: r.store.Now()}
		event := record(step.state, a, r.stepDeadline)
		if step.span != nil {
			endStep(step.span, a.Outcome, event)
		}
		if failpoint.Enabled {
			failpoint.Reach(failpoint.AfterStep, step.state.Type+" "+step.Step)
		}
		taken = append(taken, event)
	}
	return taken
}

// opened returns the first command of the charge that comes next, if the chain has executed it.
func (c *chain) opened() *payment.Opening {
	if !c.isOpen {
		return nil
	}
	return c.opening
}

// isDecided reports whether a step is done, or refused for good so that a repetition would be refused too.
func isDecided(d Do, err error) bool {
	if err == nil {
		return true
	}
	f, ok := fault.As(err)
	return ok && d.Step == PlaceOrder && f.Kind != fault.Unavailable && f.Kind != fault.TooMany && f.Kind != fault.Internal
}

func endSpan(span trace.Span) {
	if span != nil {
		span.End()
	}
}

// ended returns the saga as the last link of a chain has ended it.
func (r *runner) ended(ctx context.Context, c *chain, results []eventstore.Result) (saga eventstore.Stream[State], ok bool, err error) {
	if !c.ends || len(results) < len(c.links) || results[len(c.links)-1].Err != nil {
		return saga, false, nil
	}
	saga, err = sagas.Result(ctx, r.store, results[len(c.links)-1].Receipt)
	if err != nil {
		return saga, false, fmt.Errorf("end saga: %w", err)
	}
	r.notifier.notify(saga)
	r.countEnd(saga)
	return saga, true, nil
}
