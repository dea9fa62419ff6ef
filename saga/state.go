package saga

import (
	"slices"
	"time"

	"shopping-cart/eventstore"
)

// Status is the status of a saga.
type Status string

// The statuses of a saga. The last three are final.
const (
	Running        Status = "running"
	RequiresAction Status = "requires_action" // the shopper must act
	Compensating   Status = "compensating"
	NeedsAttention Status = "needs_attention" // an operator must look
	Completed      Status = "completed"
	Failed         Status = "failed"
	Cancelled      Status = "cancelled"
)

// Ended reports whether the status is final.
func (s Status) Ended() bool { return s == Completed || s == Failed || s == Cancelled }

// StepStatus is the status of a step.
type StepStatus string

// The statuses of a step.
const (
	StepPending   StepStatus = "pending"
	StepIsRunning StepStatus = "running" // its outcome is not written yet
	StepIsDone    StepStatus = "done"
	StepRetrying  StepStatus = "retrying"
	StepWaiting   StepStatus = "waiting"
	StepIsRefused StepStatus = "refused"
	StepIsSkipped StepStatus = "skipped" // given up by an operator
)

// Step is a step that began.
type Step struct {
	Name            string     `json:"name"`
	Status          StepStatus `json:"status"`
	Attempts        int        `json:"attempts"`
	StartedAt       time.Time  `json:"started_at"`
	FinishedAt      time.Time  `json:"finished_at,omitzero"`
	DueAt           time.Time  `json:"due_at,omitzero"` // not before, unless the saga is woken
	Error           string     `json:"error,omitempty"`
	Unknown         bool       `json:"unknown,omitempty"`
	NothingCaptured bool       `json:"certain,omitempty"`
	NeedsOperator   bool       `json:"stuck,omitempty"`
	Unverified      bool       `json:"assumed,omitempty"` // done according to an operator

	FailingSince time.Time `json:"failing_since,omitzero"` // the first of the failed attempts in a row
}

// State is a saga with its steps.
type State struct {
	Type         string        `json:"type"`
	Definition   int           `json:"definition"`
	CustomerID   string        `json:"customer_id"`
	Checkout     Checkout      `json:"checkout,omitzero"` // of a checkout; the next two are of the other types
	Refund       *Refund       `json:"refund,omitempty"`
	Cancellation *Cancellation `json:"cancellation,omitempty"`
	Status       Status        `json:"status"`
	Steps        []Step        `json:"steps,omitempty"`
	Failure      *Failure      `json:"failure,omitempty"` // why it compensates or failed
	NextAction   *NextAction   `json:"next_action,omitempty"`
	Retries      int           `json:"retries,omitempty"` // by operators, of an undo that needed attention
	At           time.Time     `json:"at"`                // of its last event
}

// Step returns a step by its name. It is pending if it has not begun.
func (s State) Step(name string) Step {
	if i := slices.IndexFunc(s.Steps, func(st Step) bool { return st.Name == name }); i >= 0 {
		return s.Steps[i]
	}
	return Step{Name: name, Status: StepPending}
}

// done reports whether a step is done or skipped.
func (s State) done(name string) bool {
	is := s.Step(name).Status
	return is == StepIsDone || is == StepIsSkipped
}

// lease is the time after which another process takes over a saga.
const lease = 15 * time.Second

var sagas = &eventstore.Aggregate[State, Event]{
	Kind: "saga", StateVersion: 5, Types: eventTypes, Evolve: evolve, Index: index,
	Upcasts: map[string][]eventstore.Upcaster{
		"saga.started": {eventstore.FieldsAdded}, // checkout.source, checkout.guest
		"saga.step_waits": {
			eventstore.FieldsAdded, // 2: next_action.client_secret
			eventstore.FieldsAdded, // 3: without it
		},
	},
}

func index(s State, _ time.Time) eventstore.Index {
	return eventstore.Index{Customer: s.CustomerID, Status: string(s.Status), Key: s.key(), WakeAt: wakeAt(s)}
}

// key distinguishes the types of sagas in lists. Checkouts have none, so the index of the others is small.
func (s State) key() string {
	switch {
	case s.Refund != nil:
		return s.Type + "/" + s.Refund.RefundID.String()
	case s.Cancellation != nil:
		return s.Type + "/" + s.Cancellation.CancellationID.String()
	}
	return ""
}

// wakeAt returns the time at which a process must check the saga: when a step falls due, or when the process that executes one must be
// lost. It is zero if nothing falls due.
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
	if first.IsZero() { // only the end is left to write
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
			if !e.Uncounted && !e.NothingCaptured { // the outcome is certain
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

// urged makes all unfinished steps due at once, with new deadlines.
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

// skipped skips a step. Another step may still need attention.
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

// failing returns the start of the failed attempts in a row.
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

// attempted adds an attempt of a step.
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
