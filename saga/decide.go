package saga

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"shopping-cart/platform/backoff"
)

// Codes of a failure that the saga itself knows. The others come from the steps that were refused.
const (
	CodeCancelled   = "cancelled"
	CodeUnavailable = "provider_unavailable"
)

// TypeCheckout is the type of the sagas that most are.
const TypeCheckout = "checkout"

// definition is a saga: pure, and readable as the story it tells. An instance finishes on the version it started on.
type definition struct {
	Type    string
	Version int
	Steps   []string // the way forward, as clients see it
	react   func(State) Reaction
}

// definitions are all that ever were: an old instance may still be on its way.
var definitions = []definition{checkout, cancellation, refund}

var errUnknownDefinition = errors.New("a definition that is not known here")

// definitionOf is what an instance began with. A newer program may have begun one that this one does not know.
func definitionOf(s State) (definition, error) {
	for _, d := range definitions {
		if d.Type == s.Type && d.Version == s.Definition {
			return d, nil
		}
	}
	return definition{}, fmt.Errorf("%w: %q of version %d", errUnknownDefinition, s.Type, s.Definition)
}

// Reaction is what a state asks for: something to do, side by side, or the end.
type Reaction struct {
	Do  []Do
	End Status // "" while there is something to do
}

// Do is a step to take.
type Do struct {
	Step    string
	Command Command
}

func do(step string, c Command) Reaction { return Reaction{Do: []Do{{step, c}}} }
func end(s Status) Reaction              { return Reaction{End: s} }

func (r Reaction) and(step string, c Command) Reaction {
	return Reaction{Do: append(slices.Clone(r.Do), Do{step, c})}
}

// OutcomeKind is how a step came out.
type OutcomeKind uint8

// The ways in which a step comes out.
const (
	StepSucceeded  OutcomeKind = iota
	StepWasRefused             // for good: a fact
	StepMustWait               // for someone outside
	StepIsUnknown              // it may have taken effect
	StepIsOwed                 // refused for good by somebody outside, and owed all the same: a person must resolve it
	StepFaulted                // it surely had no effect, or is safe to repeat
)

// Outcome is how a step came out, with what belongs to it.
type Outcome struct {
	Kind            OutcomeKind
	Failure         Failure     // refused
	Next            *NextAction // must wait
	Until           time.Time   // must wait
	Error           string      // unknown, faulted
	NothingCaptured bool        // of an undo that is not done: nothing is, nor ever will be, in effect
	Manual          bool        // succeeded: on a person's word
	OwnDatabase     bool        // unknown or faulted for want of our own database, which says nothing about the provider
}

// attempt is one try of a step, with the two things a pure function cannot know.
type attempt struct {
	Do
	Outcome
	began, ended time.Time
	jitter       float64 // 0–1, for jitter
}

// record says what an attempt means for a saga. patience is how long the payment may stay in doubt.
func record(s State, a attempt, stepDeadline time.Duration) Event {
	switch a.Kind {
	case StepSucceeded:
		if a.Manual {
			return StepAssumed{Step: a.Step, BeganAt: a.began, At: a.ended}
		}
		return StepDone{Step: a.Step, BeganAt: a.began, At: a.ended}
	case StepMustWait:
		// Not at once, whatever the clocks of provider, database and process say of Until.
		until := later(a.Until, a.ended.Add(leastWait))
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
			Step: a.Step, Error: a.Error, Unknown: a.Kind == StepIsUnknown, NothingCaptured: a.NothingCaptured, OwnDatabase: a.OwnDatabase,
			BeganAt: a.began, At: a.ended, RetryAt: a.ended.Add(retryPause(s.Step(a.Step).Attempts, a.jitter)),
		}
	}
	panic("an outcome of no kind")
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// deadlineExceeded: only what touches the provider has a deadline. The rest is our own database, and must succeed. Time that a
// shopper took at their bank does not count.
func deadlineExceeded(st Step, a attempt, limit time.Duration) bool {
	money := a.Step == ChargeMoney || a.Step == RefundMoney || a.Step == UndoPayment && !a.NothingCaptured
	return money && !a.OwnDatabase && !st.FailingSince.IsZero() && a.ended.Sub(st.FailingSince) > limit
}

// giveUp ends the patience with a payment: what surely was not done fails; a doubt is for a person, with the stock still held.
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
	leastWait  = time.Second // before someone outside is asked again
)

// retryPause doubles from a tenth of a second to a minute, and varies by a half in either direction.
func retryPause(attempts int, jitter float64) time.Duration {
	pause := backoff.After(attempts, firstPause, maxPause)
	return pause/2 + time.Duration(jitter*float64(pause)).Truncate(time.Microsecond)
}
