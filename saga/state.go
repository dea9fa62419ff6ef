package saga

import (
	"slices"
	"time"

	"shopping-cart/eventstore"
)

// Status is where a saga stands, as clients see it.
type Status string

// The statuses of a saga. The last three are ends.
const (
	Running        Status = "running"
	RequiresAction Status = "requires_action" // the shopper must act
	Compensating   Status = "compensating"    // it turned: what was done is being undone
	NeedsAttention Status = "needs_attention" // an operator must look
	Completed      Status = "completed"
	Failed         Status = "failed"
	Cancelled      Status = "cancelled"
)

// Ended reports whether nothing is left to do.
func (s Status) Ended() bool { return s == Completed || s == Failed || s == Cancelled }

// StepStatus is where a step stands.
type StepStatus string

// The statuses of a step.
const (
	StepPending   StepStatus = "pending"
	StepIsRunning StepStatus = "running" // under way: how it came out is not written yet
	StepIsDone    StepStatus = "done"
	StepRetrying  StepStatus = "retrying"
	StepWaiting   StepStatus = "waiting"
	StepIsRefused StepStatus = "refused"
	StepIsSkipped StepStatus = "skipped" // given up by an operator
)

// Step is what is known of one step.
type Step struct {
	Name            string     `json:"name"`
	Status          StepStatus `json:"status"`
	Attempts        int        `json:"attempts"`
	StartedAt       time.Time  `json:"started_at"`
	FinishedAt      time.Time  `json:"finished_at,omitzero"`
	DueAt           time.Time  `json:"due_at,omitzero"` // not to be tried before, unless something happened
	Error           string     `json:"error,omitempty"`
	Unknown         bool       `json:"unknown,omitempty"`
	NothingCaptured bool       `json:"certain,omitempty"`
	NeedsOperator   bool       `json:"stuck,omitempty"`   // it needs a person
	Unverified      bool       `json:"assumed,omitempty"` // done on a person's word

	FailingSince time.Time `json:"failing_since,omitzero"` // the first of the attempts in a row that came to no end
}

// State is a saga: what it is about, and every step begun.
type State struct {
	Type         string        `json:"type"`
	Definition   int           `json:"definition"`
	CustomerID   string        `json:"customer_id"`
	Checkout     Checkout      `json:"checkout,omitzero"` // of the type checkout, as the others are of theirs
	Refund       *Refund       `json:"refund,omitempty"`
	Cancellation *Cancellation `json:"cancellation,omitempty"`
	Status       Status        `json:"status"`
	Steps        []Step        `json:"steps,omitempty"`
	Failure      *Failure      `json:"failure,omitempty"` // set when it turned
	NextAction   *NextAction   `json:"next_action,omitempty"`
	Retries      int           `json:"retries,omitempty"` // by operators, of an undo that needed attention
	At           time.Time     `json:"at"`                // of its last event
}

// Step is what is known of the step of that name: pending, when it never began.
func (s State) Step(name string) Step {
	if i := slices.IndexFunc(s.Steps, func(st Step) bool { return st.Name == name }); i >= 0 {
		return s.Steps[i]
	}
	return Step{Name: name, Status: StepPending}
}

// done reports whether a step needs no doing any more.
func (s State) done(name string) bool {
	is := s.Step(name).Status
	return is == StepIsDone || is == StepIsSkipped
}

// lease is how long a process that drives a saga is left alone before another one looks.
const lease = 15 * time.Second

var sagas = &eventstore.Aggregate[State, Event]{
	Kind: "saga", StateVersion: 3, Types: eventTypes, Evolve: evolve, Index: index,
	Upcasts: map[string][]eventstore.Upcaster{
		"saga.step_waits": {eventstore.FieldsAdded}, // 2: next_action.client_secret
	},
}

func index(s State, _ time.Time) eventstore.Index {
	return eventstore.Index{Customer: s.CustomerID, Status: string(s.Status), Key: s.key(), WakeAt: wakeAt(s)}
}

// key tells the types of sagas apart in lists: the few that are no checkouts have one, and an index of their own.
func (s State) key() string {
	switch {
	case s.Refund != nil:
		return s.Type + "/" + s.Refund.RefundID.String()
	case s.Cancellation != nil:
		return s.Type + "/" + s.Cancellation.CancellationID.String()
	}
	return ""
}

// wakeAt is when somebody must look at the saga: when the first of the steps that it asks for falls due, or, where one is
// under way, when whoever takes it must be lost.
func wakeAt(s State) time.Time {
	if s.Status.Ended() || s.Status == NeedsAttention {
		return time.Time{}
	}
	lost := s.At.Add(lease)
	d, err := definitionOf(s)
	if err != nil {
		return lost
	}
	var first time.Time
	for _, next := range d.react(s).Do {
		due := s.Step(next.Step).DueAt
		if due.IsZero() {
			due = lost
		}
		if first.IsZero() || due.Before(first) {
			first = due
		}
	}
	if first.IsZero() { // only its end is left to write
		return lost
	}
	return first
}

func evolve(s State, event Event) State {
	switch e := event.(type) {
	case Started:
		return State{Type: e.Type, Definition: e.Definition, CustomerID: e.CustomerID, Checkout: e.Checkout, Status: Running, At: e.At}
	case RefundStarted:
		return State{Type: refund.Type, Definition: e.Definition, CustomerID: e.CustomerID, Refund: &e.Refund, Status: Running, At: e.At}
	case CancellationStarted:
		return State{
			Type: cancellation.Type, Definition: e.Definition, CustomerID: e.CustomerID, Cancellation: &e.Cancellation, Status: Running, At: e.At,
		}
	case StepDone:
		s = s.attempted(e.Step, StepIsDone, e.BeganAt, e.At, func(st *Step) { st.FinishedAt = e.At })
		s.Status = s.underWay()
	case StepRetried:
		s = s.attempted(e.Step, StepRetrying, e.BeganAt, e.At, func(st *Step) {
			st.Error, st.Unknown, st.NothingCaptured, st.DueAt = e.Error, e.Unknown, e.NothingCaptured, e.RetryAt
			if !e.OwnDatabase && !e.NothingCaptured { // a void that is owed is no doubt
				st.FailingSince = failing(s.Step(e.Step), e.BeganAt)
			}
		})
		s.Status = s.underWay()
	case StepWaits:
		s = s.attempted(e.Step, StepWaiting, e.BeganAt, e.At, func(st *Step) { st.DueAt = e.Until })
		s.Status, s.NextAction = RequiresAction, e.NextAction
	case StepRefused:
		s = s.attempted(e.Step, StepIsRefused, e.BeganAt, e.At, func(st *Step) { st.FinishedAt, st.Error = e.At, e.Failure.Detail })
		s.Failure = &e.Failure
		if compensatesPivot(s, e.Step) {
			s.Failure = nil
		}
		s.Status = s.underWay()
	case AttentionNeeded:
		since := failing(s.Step(e.Step), e.BeganAt)
		s = s.attempted(e.Step, StepRetrying, e.BeganAt, e.At, func(st *Step) { st.Error, st.FailingSince, st.NeedsOperator = e.Reason, since, true })
		s.Status = NeedsAttention
	case StepAssumed:
		s = s.attempted(e.Step, StepIsDone, e.BeganAt, e.At, func(st *Step) { st.FinishedAt, st.Unverified = e.At, true })
		s.Status = s.underWay()
	case RetryRequested:
		if s.Step(UndoPayment).NeedsOperator {
			s.Retries++
		}
		s = s.urged(e.At)
	case CompensationRequested:
		if s.Failure == nil {
			s.Failure = &Failure{Code: CodeCancelled, Detail: "The shop cancelled this checkout."}
		}
		s = s.urged(e.At)
		s.Status, s.NextAction = Compensating, nil
	case StepSkipped:
		s = s.skipped(e)
	case StepSettled:
		s = s.urged(e.At)
	case Ended:
		s.Status, s.At = e.Status, e.At
	}
	return s
}

// urged is the state in which every step that is not done is due at once, with a deadline of its own again.
func (s State) urged(at time.Time) State {
	s.Steps, s.At = slices.Clone(s.Steps), at
	for i := range s.Steps {
		st := &s.Steps[i]
		st.NeedsOperator = false
		if st.Status == StepRetrying || st.Status == StepWaiting {
			st.DueAt, st.FailingSince = time.Time{}, time.Time{}
		}
	}
	if s.Status == NeedsAttention {
		s.Status = s.underWay()
	}
	return s
}

// skipped is the state without a step that was in the way. Another one may still need a person.
func (s State) skipped(e StepSkipped) State {
	s.Steps, s.At = slices.Clone(s.Steps), e.At
	s.Status = s.underWay()
	for i := range s.Steps {
		st := &s.Steps[i]
		if st.Name == e.Step {
			st.Status, st.FinishedAt, st.DueAt, st.NeedsOperator = StepIsSkipped, e.At, time.Time{}, false
		}
		if st.NeedsOperator {
			s.Status = NeedsAttention
		}
	}
	return s
}

func failing(st Step, began time.Time) time.Time {
	if st.FailingSince.IsZero() {
		return began
	}
	return st.FailingSince
}

func (s State) underWay() Status {
	if s.Failure != nil {
		return Compensating
	}
	return Running
}

// attempted is the state after one more attempt of a step.
func (s State) attempted(name string, status StepStatus, began, at time.Time, set func(*Step)) State {
	s.Steps = slices.Clone(s.Steps)
	s.NextAction, s.At = nil, at
	i := slices.IndexFunc(s.Steps, func(st Step) bool { return st.Name == name })
	if i < 0 {
		s.Steps = append(s.Steps, Step{Name: name, StartedAt: began})
		i = len(s.Steps) - 1
	}
	old := s.Steps[i]
	next := Step{Name: name, Status: status, Attempts: old.Attempts + 1, StartedAt: old.StartedAt}
	set(&next)
	s.Steps[i] = next
	return s
}
