package console

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// storyPage is the page of a saga.
type storyPage struct {
	saga
	Forward []stage // the steps in order
	Undoing []stage // the compensating steps
	Rows    []row   // all attempts of each step
	Begin   time.Time
	End     time.Time
	Told    []told
	Unread  bool // the calls to the provider could not be read
}

// stage is a step in the diagram.
type stage struct {
	step
	Took time.Duration
}

// row holds the attempts of a step.
type row struct {
	Name  string
	Spans []span
	Lane  string
}

// span is an attempt, in thousandths of the whole.
type span struct{ X, Width, Class, Title string }

// told is a line of the saga's history.
type told struct {
	At    time.Time     // when it ended
	After time.Duration // since the start of the saga
	Lane  string        // forward, undoing, provider or operator
	What  string
	Tone  string
	Took  time.Duration
	Note  string
	Actor string
}

// undoing lists the compensating steps.
var undoing = []string{"payment.undo", "order.cancel", "cart.reopen"}

func laneOf(s saga, name string) string {
	if s.Type == "checkout" && slices.Contains(undoing, name) {
		return "undoing"
	}
	return "forward"
}

// happened holds the members that events of sagas and payments have in common.
type happened struct {
	Step      string    `json:"step"`
	Error     string    `json:"error"`
	Reason    string    `json:"reason"`
	Outcome   string    `json:"outcome"`
	Status    string    `json:"status"`
	Code      string    `json:"code"`
	Operation string    `json:"operation"`
	Type      string    `json:"type"`
	Method    string    `json:"method"`
	BeganAt   time.Time `json:"began_at"`
	At        time.Time `json:"at"`
	RetryAt   time.Time `json:"retry_at"`
	Until     time.Time `json:"until"`
	Failure   struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	} `json:"failure"`
}

func read(e event) (h happened) {
	_ = json.Unmarshal(e.Data, &h) // members of another type stay empty
	if h.At.IsZero() {
		h.At = e.OccurredAt
	}
	return h
}

func (c *Console) showSaga(v *visit) error {
	s, err := get[saga](v, "/v1/admin/sagas/"+url.PathEscape(v.request.PathValue("id")), nil)
	if err != nil {
		return err
	}
	p := storyPage{saga: s, Begin: s.CreatedAt, End: s.UpdatedAt}
	var calls []event
	switch {
	case s.PaymentID == nil:
	case v.knowsAway("payment"):
		p.Unread = true
	default:
		found, err := get[stream](v, "/v1/admin/streams/payment/"+*s.PaymentID, url.Values{"limit": {"100"}})
		calls, p.Unread = found.Data, err != nil && problemOf(err).Status != http.StatusNotFound // a saga may end before its payment begins
	}
	p.tell(calls)
	p.draw()
	return v.shows("saga", "sagas", words(s.Type)+" "+short(s.ID), p)
}

// tell merges the saga's events and those of its payment into one history.
func (p *storyPage) tell(calls []event) {
	for _, e := range p.Events {
		p.Told = append(p.Told, p.toldBySaga(e, read(e)))
	}
	for _, e := range calls {
		h := read(e)
		t := told{At: e.OccurredAt, Lane: "provider", What: providerWords(e, h), Note: cmp.Or(h.Error, code(h.Reason), words(h.Code)), Actor: e.Actor}
		switch e.Type {
		case "payment.captured", "payment.authorized", "payment.voided", "payment.refunded":
			t.Tone = "good"
		case "payment.declined", "payment.capture_refused", "payment.refund_failed", "payment.refunded_elsewhere":
			t.Tone = "bad"
		case "payment.outcome_unknown", "payment.action_required":
			t.Tone = "wait"
		case "payment.settled":
			t.Lane = "operator"
		}
		if t.Note == t.What {
			t.Note = ""
		}
		p.Told = append(p.Told, t)
	}
	slices.SortStableFunc(p.Told, func(a, b told) int { return a.At.Compare(b.At) })
	for i := range p.Told {
		t := &p.Told[i]
		if began := t.At.Add(-t.Took); began.Before(p.Begin) {
			p.Begin = began
		}
		if t.At.After(p.End) {
			p.End = t.At
		}
	}
	for i := range p.Told {
		p.Told[i].After = p.Told[i].At.Sub(p.Begin)
	}
}

func (p *storyPage) toldBySaga(e event, h happened) told {
	t := told{At: h.At, Lane: laneOf(p.saga, h.Step), Actor: e.Actor}
	if !h.BeganAt.IsZero() {
		t.Took = h.At.Sub(h.BeganAt)
	}
	switch strings.TrimPrefix(e.Type, "saga.") {
	case "started", "refund_started", "cancellation_started":
		t.What = "The " + words(p.Type) + " began"
	case "step_done":
		t.What, t.Tone = h.Step+" done", "good"
	case "step_assumed":
		t.What, t.Tone = h.Step+" marked as done by an operator", "wait"
	case "step_retried":
		t.What, t.Tone, t.Note = h.Step+" did not finish", "wait", strings.TrimSuffix(h.Error, ".")+"; next attempt at "+when(h.RetryAt)
	case "step_waits":
		t.What, t.Tone, t.Note = h.Step+" waits for the shopper", "wait", "until "+when(h.Until)
	case "step_refused":
		t.What, t.Tone, t.Note = h.Step+" refused", "bad", words(h.Failure.Code)+": "+h.Failure.Detail
	case "attention_needed":
		t.What, t.Tone, t.Note = h.Step+" needs attention", "stop", h.Reason
	case "ended":
		t.What, t.Tone = "Ended: "+words(h.Status), tone(h.Status)
	case "retry_requested":
		t.What, t.Lane, t.Note = "Retry requested by an operator", "operator", h.Reason
	case "compensation_requested":
		t.What, t.Lane, t.Note = "Compensation requested by an operator", "operator", h.Reason
	case "step_skipped":
		t.What, t.Lane, t.Note = h.Step+" skipped by an operator", "operator", h.Reason
	case "step_settled":
		t.What, t.Lane, t.Note = h.Step+" resolved: "+words(h.Outcome), "operator", h.Reason
	default:
		t.What = words(e.Type)
	}
	return t
}

// code returns a reason of the program in words. It leaves the text of a person as it is.
func code(reason string) string {
	if strings.Contains(reason, " ") {
		return reason
	}
	return words(reason)
}

func providerWords(e event, h happened) string {
	switch e.Type {
	case "payment.requested":
		return "authorize requested"
	case "payment.capture_requested":
		return "capture requested"
	case "payment.outcome_unknown":
		return h.Operation + ": no answer, outcome unknown"
	case "payment.notified":
		return "webhook " + h.Type
	case "payment.refunded_elsewhere":
		return "refunded elsewhere"
	case "payment.settled":
		return "Payment resolved: " + words(h.Outcome)
	}
	return words(strings.TrimPrefix(e.Type, "payment."))
}

// draw computes the diagram: the stages, and every attempt over time.
func (p *storyPage) draw() {
	whole := max(p.End.Sub(p.Begin), time.Millisecond)
	if !p.Ended() {
		whole = max(whole, time.Since(p.Begin))
	}
	for _, st := range p.Steps {
		one := stage{step: st}
		if st.StartedAt != nil && st.FinishedAt != nil {
			one.Took = st.FinishedAt.Sub(*st.StartedAt)
		}
		if laneOf(p.saga, st.Name) == "undoing" {
			p.Undoing = append(p.Undoing, one)
		} else {
			p.Forward = append(p.Forward, one)
		}
		r := row{Name: st.Name, Lane: laneOf(p.saga, st.Name)}
		for _, e := range p.Events {
			if h := read(e); h.Step == st.Name && !h.BeganAt.IsZero() {
				t := p.toldBySaga(e, h)
				x := float64(t.At.Add(-t.Took).Sub(p.Begin)) / float64(whole) * 1000
				width := max(float64(t.Took)/float64(whole)*1000, 6)
				r.Spans = append(r.Spans, span{num(min(x, 1000-width)), num(width), cmp.Or(t.Tone, "plain"), t.What + " after " + took(t.Took)})
			}
		}
		if len(r.Spans) > 0 {
			p.Rows = append(p.Rows, r)
		}
	}
	if !p.Ended() {
		p.End = p.Begin.Add(whole)
	}
}

// Whole returns the time span of the diagram.
func (p storyPage) Whole() time.Duration { return p.End.Sub(p.Begin) }

// May reports whether the saga accepts the action now.
func (p storyPage) May(action string) bool { return slices.Contains(p.Actions, action) }

// sagaActions maps the actions of operators to their confirmations.
var sagaActions = map[string]string{
	"retry":      "Requested. The waiting steps are retried now.",
	"compensate": "Requested. The completed steps are being compensated.",
	"skip":       "The step was skipped. The saga continues without it.",
	"settle":     "Resolved as you stated. This is checked against the provider as soon as it answers.",
}

func (c *Console) actOnSaga(v *visit) error {
	id, action := v.request.PathValue("id"), v.request.PathValue("action")
	well, known := sagaActions[action]
	if !known {
		return errNoPage
	}
	body := map[string]string{}
	if reason := strings.TrimSpace(v.request.PostFormValue("reason")); reason != "" {
		body["reason"] = reason
	}
	if action == "settle" {
		body["outcome"] = v.request.PostFormValue("outcome")
	}
	id = url.PathEscape(id)
	return v.acts("/v1/admin/sagas/"+id+"/"+action, body, well, Path+"/sagas/"+id)
}
