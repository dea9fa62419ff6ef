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
type sagaPage struct {
	saga
	Forward      []stage // the steps in order
	Compensation []stage // the compensating steps
	Rows         []row   // all attempts of each step
	Begin        time.Time
	End          time.Time
	Timeline     []timelineEntry
	Unread       bool // the calls to the provider could not be read
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

// timelineEntry is a line of the saga's timeline.
type timelineEntry struct {
	At    time.Time     // when it ended
	After time.Duration // since the start of the saga
	Lane  string        // forward, compensation, provider or operator
	What  string
	Color string
	Took  time.Duration
	Note  string
	Actor string
}

// compensations lists the compensating steps of a checkout.
var compensations = []string{"payment.undo", "order.cancel", "cart.reopen"}

func laneOf(s saga, name string) string {
	if s.Type == "checkout" && slices.Contains(compensations, name) {
		return "compensation"
	}
	return "forward"
}

// eventData holds the members that events of sagas and payments have in common.
type eventData struct {
	Step, Error, Reason, Outcome, Status, Code, Operation, Type string

	At, Until time.Time
	BeganAt   time.Time `json:"began_at"`
	RetryAt   time.Time `json:"retry_at"`
	Failure   struct{ Code, Detail string }
}

func decodeData(e event) (d eventData) {
	_ = json.Unmarshal(e.Data, &d) // members of another type stay empty
	if d.At.IsZero() {
		d.At = e.OccurredAt
	}
	return d
}

func (c *Console) showSaga(v *visit) error {
	s, err := get[saga](v, "/v1/admin/sagas/"+url.PathEscape(v.request.PathValue("id")), nil)
	if err != nil {
		return err
	}
	p := sagaPage{saga: s, Begin: s.CreatedAt, End: s.UpdatedAt}
	var calls []event
	switch {
	case s.PaymentID == nil:
	case v.isUnavailable("payment"):
		p.Unread = true
	default:
		found, err := get[stream](v, "/v1/admin/streams/payment/"+*s.PaymentID, url.Values{"limit": {"100"}})
		calls, p.Unread = found.Data, err != nil && problemOf(err).Status != http.StatusNotFound // a saga may end before its payment begins
	}
	p.buildTimeline(calls)
	p.layOut()
	return v.show("saga", "sagas", words(s.Type)+" "+short(s.ID), p)
}

// buildTimeline merges the saga's events and those of its payment.
func (p *sagaPage) buildTimeline(calls []event) {
	for _, e := range p.Events {
		p.Timeline = append(p.Timeline, p.sagaEntry(e, decodeData(e)))
	}
	for _, e := range calls {
		p.Timeline = append(p.Timeline, paymentEntry(e, decodeData(e)))
	}
	slices.SortStableFunc(p.Timeline, func(a, b timelineEntry) int { return a.At.Compare(b.At) })
	for _, t := range p.Timeline {
		if began := t.At.Add(-t.Took); began.Before(p.Begin) {
			p.Begin = began
		}
		if t.At.After(p.End) {
			p.End = t.At
		}
	}
	for i := range p.Timeline {
		p.Timeline[i].After = p.Timeline[i].At.Sub(p.Begin)
	}
}

func paymentEntry(e event, d eventData) timelineEntry {
	t := timelineEntry{At: e.OccurredAt, Lane: "provider", What: paymentText(e, d), Note: cmp.Or(d.Error, reasonText(d.Reason), words(d.Code)), Actor: e.Actor}
	switch e.Type {
	case "payment.captured", "payment.authorized", "payment.voided", "payment.refunded":
		t.Color = "good"
	case "payment.declined", "payment.capture_refused", "payment.refund_failed", "payment.refunded_elsewhere":
		t.Color = "bad"
	case "payment.outcome_unknown", "payment.action_required":
		t.Color = "wait"
	case "payment.settled":
		t.Lane = "operator"
	}
	if t.Note == t.What {
		t.Note = ""
	}
	return t
}

func (p *sagaPage) sagaEntry(e event, d eventData) timelineEntry {
	t := timelineEntry{At: d.At, Lane: laneOf(p.saga, d.Step), Actor: e.Actor}
	if !d.BeganAt.IsZero() {
		t.Took = d.At.Sub(d.BeganAt)
	}
	switch strings.TrimPrefix(e.Type, "saga.") {
	case "started", "refund_started", "cancellation_started":
		t.What = "The " + words(p.Type) + " began"
	case "step_done":
		t.What, t.Color = d.Step+" done", "good"
	case "step_assumed":
		t.What, t.Color = d.Step+" marked as done by an operator", "wait"
	case "step_retried":
		t.What, t.Color, t.Note = d.Step+" did not finish", "wait", strings.TrimSuffix(d.Error, ".")+"; next attempt at "+formatTime(d.RetryAt)
	case "step_waits":
		t.What, t.Color, t.Note = d.Step+" waits for the shopper", "wait", "until "+formatTime(d.Until)
	case "step_refused":
		t.What, t.Color, t.Note = d.Step+" refused", "bad", words(d.Failure.Code)+": "+d.Failure.Detail
	case "attention_needed":
		t.What, t.Color, t.Note = d.Step+" needs attention", "stop", d.Reason
	case "ended":
		t.What, t.Color = "Ended: "+words(d.Status), statusColor(d.Status)
	case "retry_requested":
		t.What, t.Lane, t.Note = "Retry requested by an operator", "operator", d.Reason
	case "compensation_requested":
		t.What, t.Lane, t.Note = "Compensation requested by an operator", "operator", d.Reason
	case "step_skipped":
		t.What, t.Lane, t.Note = d.Step+" skipped by an operator", "operator", d.Reason
	case "step_settled":
		t.What, t.Lane, t.Note = d.Step+" resolved: "+words(d.Outcome), "operator", d.Reason
	default:
		t.What = words(e.Type)
	}
	return t
}

// reasonText returns a code as words. It does not change the sentence of a person.
func reasonText(reason string) string {
	if strings.Contains(reason, " ") {
		return reason
	}
	return words(reason)
}

func paymentText(e event, d eventData) string {
	switch e.Type {
	case "payment.requested":
		return "authorize requested"
	case "payment.capture_requested":
		return "capture requested"
	case "payment.undo_requested":
		return "compensation requested"
	case "payment.outcome_unknown":
		return d.Operation + ": no answer, outcome unknown"
	case "payment.notified":
		return "webhook " + d.Type
	case "payment.refunded_elsewhere":
		return "refunded elsewhere"
	case "payment.settled":
		return "Payment resolved: " + words(d.Outcome)
	}
	return words(strings.TrimPrefix(e.Type, "payment."))
}

// layOut computes the diagram: the stages, and every attempt over time.
func (p *sagaPage) layOut() {
	whole := max(p.End.Sub(p.Begin), time.Millisecond)
	if !p.Ended() {
		whole = max(whole, time.Since(p.Begin))
	}
	for _, st := range p.Steps {
		one := stage{step: st}
		if st.StartedAt != nil && st.FinishedAt != nil {
			one.Took = st.FinishedAt.Sub(*st.StartedAt)
		}
		r := row{Name: st.Name, Lane: laneOf(p.saga, st.Name)}
		if r.Lane == "compensation" {
			p.Compensation = append(p.Compensation, one)
		} else {
			p.Forward = append(p.Forward, one)
		}
		for _, e := range p.Events {
			if d := decodeData(e); d.Step == st.Name && !d.BeganAt.IsZero() {
				t := p.sagaEntry(e, d)
				x := float64(t.At.Add(-t.Took).Sub(p.Begin)) / float64(whole) * 1000
				width := max(float64(t.Took)/float64(whole)*1000, 6)
				r.Spans = append(r.Spans, span{num(min(x, 1000-width)), num(width), cmp.Or(t.Color, "plain"), t.What + " after " + formatDuration(t.Took)})
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
func (p sagaPage) Whole() time.Duration { return p.End.Sub(p.Begin) }

// May reports whether the saga accepts the action now.
func (p sagaPage) May(action string) bool { return slices.Contains(p.Actions, action) }

// sagaActions maps the actions of operators to their confirmations.
var sagaActions = map[string]string{
	"retry":      "Requested. The waiting steps are retried now.",
	"compensate": "Requested. The completed steps are being compensated.",
	"skip":       "The step was skipped. The saga continues without it.",
	"settle":     "Resolved as you stated. This is checked against the provider as soon as it answers.",
}

func (c *Console) actOnSaga(v *visit) error {
	id, action := v.request.PathValue("id"), v.request.PathValue("action")
	success, known := sagaActions[action]
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
	return v.submit("/v1/admin/sagas/"+id+"/"+action, body, success, Path+"/sagas/"+id)
}
