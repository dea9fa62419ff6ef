package saga

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"shopping-cart/platform/backoff"
)

// The codes of failures by the saga itself. The others come from refused steps.
const (
	CodeCancelled   = "cancelled"
	CodeUnavailable = "provider_unavailable"
)

// TypeCheckout is the type of checkouts.
const TypeCheckout = "checkout"

// definition is the pure logic of a type of saga. A saga ends on the version on which it began.
type definition struct {
	Type    string
	Version int
	Steps   []string // forward steps, as clients see them
	react   func(State) Reaction
}

// definitions includes old versions, while sagas of them may be running.
var definitions = []definition{checkout, cancellation, refund}

var errUnknownDefinition = errors.New("unknown definition")

// definitionOf returns the definition of a saga. A newer program may have started one that is unknown here.
func definitionOf(s State) (definition, error) {
	for _, d := range definitions {
		if d.Type == s.Type && d.Version == s.Definition {
			return d, nil
		}
	}
	return definition{}, fmt.Errorf("%w: %q of version %d", errUnknownDefinition, s.Type, s.Definition)
}

// Reaction is the next work of a saga: parallel steps, or the end.
type Reaction struct {
	Do  []Do
	End Status // "" while there is something to do
}

// Do is a step to execute.
type Do struct {
	Step    string
	Command Command
}

func do(step string, c Command) Reaction { return Reaction{Do: []Do{{step, c}}} }
func end(s Status) Reaction              { return Reaction{End: s} }

func (r Reaction) and(step string, c Command) Reaction {
	return Reaction{Do: append(slices.Clone(r.Do), Do{step, c})}
}

// OutcomeKind is the kind of an outcome.
type OutcomeKind uint8

// The outcomes of an attempt of a step.
const (
	StepSucceeded  OutcomeKind = iota
	StepWasRefused             // for good
	StepMustWait               // for the shopper
	StepIsUnknown              // it may have taken effect
	StepIsOwed                 // the provider refused it for good, and it must succeed: a person must resolve it
	StepFaulted                // it had no effect, or is safe to repeat
)

// Outcome is the result of an attempt of a step. The fields depend on the kind.
type Outcome struct {
	Kind            OutcomeKind
	Failure         Failure       // refused
	Next            *NextAction   // must wait
	Until           time.Time     // must wait
	Error           string        // unknown, faulted
	NothingCaptured bool          // of an undo that is not done: nothing is captured, nor will be
	Manual          bool          // succeeded, according to an operator
	Uncounted       bool          // unknown or faulted, but the provider did not fail: our own database is away
	Wait            time.Duration // at least, until the next attempt
}

// attempt is one attempt of a step, with its times and a random number.
type attempt struct {
	Do
	Outcome
	began, ended time.Time
	jitter       float64 // 0 to 1
}

// record returns the event of an attempt.
func record(s State, a attempt, stepDeadline time.Duration) Event {
	switch a.Kind {
	case StepSucceeded:
		if a.Manual {
			return StepAssumed{Step: a.Step, BeganAt: a.began, At: a.ended}
		}
		return StepDone{Step: a.Step, BeganAt: a.began, At: a.ended}
	case StepMustWait:
		until := later(a.Until, a.ended.Add(minWait)) // the clock of the provider may be behind
		return StepWaits{Step: a.Step, NextAction: a.Next, BeganAt: a.began, At: a.ended, Until: until}
	case StepWasRefused:
		if a.Step == PlaceOrder || a.Step == ChargeMoney || a.Step == RefundMoney || compensatesPivot(s, a.Step) {
			return StepRefused{Step: a.Step, Failure: a.Failure, BeganAt: a.began, At: a.ended}
		}
		return AttentionNeeded{Step: a.Step, Reason: a.Failure.Detail, BeganAt: a.began, At: a.ended}
	case StepIsOwed:
		return AttentionNeeded{Step: a.Step, Reason: a.Error, BeganAt: a.began, At: a.ended}
	case StepIsUnknown, StepFaulted:
		if deadlineExceeded(s.Step(a.Step), a, stepDeadline) {
			return giveUp(s, a)
		}
		return StepRetried{
			Step: a.Step, Error: a.Error, Unknown: a.Kind == StepIsUnknown, NothingCaptured: a.NothingCaptured, Uncounted: a.Uncounted,
			BeganAt: a.began, At: a.ended, RetryAt: a.ended.Add(max(a.Wait, retryPause(s.Step(a.Step).Attempts, a.jitter))),
		}
	}
	panic("unknown kind of outcome")
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// deadlineExceeded reports whether a step has failed for longer than limit. Only steps that call the provider have a deadline. The time of
// the shopper at the bank does not count.
func deadlineExceeded(st Step, a attempt, limit time.Duration) bool {
	money := a.Step == ChargeMoney || a.Step == RefundMoney || a.Step == UndoPayment && !a.NothingCaptured
	return money && !a.Uncounted && !st.FailingSince.IsZero() && a.ended.Sub(st.FailingSince) > limit
}

// giveUp fails a charge that certainly had no effect. Any other step needs attention, and the stock stays reserved.
func giveUp(s State, a attempt) Event {
	if a.Step == ChargeMoney && a.Kind == StepFaulted {
		return StepRefused{Step: a.Step, BeganAt: a.began, At: a.ended, Failure: Failure{
			Code: CodeUnavailable, Detail: "The payment provider could not be reached. Nothing was charged.",
		}}
	}
	return AttentionNeeded{Step: a.Step, Reason: a.Error, BeganAt: a.began, At: a.ended}
}

const (
	firstPause = 100 * time.Millisecond
	maxPause   = time.Minute
	minWait    = time.Second // for the shopper
)

// retryPause doubles from 100 ms to a minute, and varies by half of it in either direction.
func retryPause(attempts int, jitter float64) time.Duration {
	pause := backoff.After(attempts, firstPause, maxPause)
	return pause/2 + time.Duration(jitter*float64(pause)).Truncate(time.Microsecond)
}
