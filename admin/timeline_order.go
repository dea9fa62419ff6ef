package admin

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// The order of a timeline does not rest on clocks alone: each stream has its own database and each attempt its own process. What
// caused an entry is known by name, as a fact. An entry needs facts, and waits until every entry that tells one of them has been
// listed. Where only clocks can tell, the time decides.

// facts is what an event says of itself, as far as the order needs it.
type facts struct {
	step     string
	checkout uuid.UUID // of an event of a payment: the saga that it belongs to
	id       uuid.UUID // of a refund
	failure  string    // code of a refused step
	attempt  bool      // the event ended an attempt of a step
}

// Facts. Of those that several entries tell, such as the attempts that gave one command, gave: is known with the first.
func issued(command uuid.UUID) string   { return "gave:" + command.String() }
func effectOf(command uuid.UUID) string { return "did:" + command.String() }
func eventAt(stream uuid.UUID, version int64) string {
	return "event:" + stream.String() + "/" + strconv.FormatInt(version, 10)
}
func attemptAt(stream uuid.UUID, version int64) string {
	return "begun:" + stream.String() + "/" + strconv.FormatInt(version, 10)
}

const (
	factCaptured = "captured"
	factSettled  = "settled" // by a person
	factRefused  = "refused" // why a charge was refused
	factAsked    = "asked"   // the shopper has to act
	factBack     = "back"    // voided, or refunded
)

// factsOf is what an entry needs, and what it tells.
func factsOf(e TimelineEntry, f facts) (needs, tells []string) {
	needs, tells = []string{issued(e.Causation)}, []string{effectOf(e.Causation)}
	if e.Command != nil {
		tells = append(tells, issued(*e.Command))
	}
	switch e.Module {
	case "saga":
		tells = append(tells, eventAt(e.Stream, e.Version))
		if f.attempt {
			needs = append(needs, attemptAt(e.Stream, e.Version))
			needs = append(needs, effectsOf(e, f)...)
		}
	case "payment":
		more, told := factsOfPayment(e, f)
		needs, tells = append(needs, more...), append(tells, told...)
	}
	return needs, tells
}

// effectsOf are the facts by which an attempt of a step came out as it did. An attempt that came to no end names none.
func effectsOf(e TimelineEntry, f facts) []string {
	switch e.Type {
	case eventstore.TypeOf(saga.StepAssumed{}):
		return []string{factSettled}
	case eventstore.TypeOf(saga.StepDone{}):
		switch f.step {
		case saga.ChargeMoney:
			return []string{factCaptured}
		case saga.UndoPayment:
			return []string{factBack}
		case saga.RefundMoney:
			return []string{factBack + e.Stream.String()}
		}
		return []string{effectOf(saga.CommandID(e.Stream, f.step))}
	case eventstore.TypeOf(saga.StepWaits{}):
		return []string{factAsked}
	case eventstore.TypeOf(saga.StepRefused{}):
		switch {
		case f.step == saga.ChargeMoney && f.failure != saga.CodeUnavailable:
			return []string{factRefused}
		case f.step == saga.RefundMoney:
			return []string{factRefused + e.Stream.String()}
		}
	}
	return nil
}

// factsOfPayment: a payment does not carry the commands of the saga's steps, so its events name the steps that they belong to.
func factsOfPayment(e TimelineEntry, f facts) (needs, tells []string) {
	switch e.Type {
	case "payment.requested":
		needs = []string{issued(saga.CommandID(f.checkout, saga.ChargeMoney))}
	case "payment.action_required":
		tells = []string{factAsked}
	case "payment.captured":
		tells = []string{factCaptured}
	case "payment.settled":
		tells = []string{factSettled}
	case "payment.declined", "payment.capture_refused":
		tells = []string{factRefused}
	case "payment.undo_requested":
		if e.Actor == "saga" {
			needs = []string{issued(saga.CommandID(f.checkout, saga.UndoPayment))}
		} else {
			tells = []string{factRefused}
		}
	case "payment.voided":
		tells = []string{factBack}
	case "payment.refunded":
		needs, tells = []string{issued(saga.CommandID(f.id, saga.RefundMoney))}, []string{factBack, factBack + f.id.String()}
	case "payment.refund_failed":
		tells = []string{factRefused + f.id.String()}
	}
	return needs, tells
}

// splitAttempts makes an entry of the begin of each attempt that the events of a saga ended. A begin stands behind what the saga
// wrote before it, but for attempts that were under way at the same time.
func splitAttempts(events []TimelineEntry, source int) (_, begins []TimelineEntry) {
	for i, e := range events {
		if e.began.IsZero() {
			continue
		}
		command := saga.CommandID(e.Stream, *e.Step)
		data, _ := json.Marshal(map[string]any{"step": *e.Step, "began_at": web.Time(e.began), "ended_by": e.ID}) // of plain fields
		b := TimelineEntry{
			ID: uuid.NewSHA1(e.ID, []byte("begun")), At: web.Time(e.began), FinishedAt: web.OptionalTime(e.At), Module: e.Module, Stream: e.Stream,
			Type: stepBegun, Step: e.Step, Actor: e.Actor, Correlation: e.Correlation, Causation: command, Command: &command, Data: data,
			source: source, upTo: e.Version, tells: []string{issued(command), attemptAt(e.Stream, e.Version)},
		}
		for _, before := range slices.Backward(events[:i]) {
			if before.began.IsZero() || *before.Step == *e.Step || !before.At.After(e.began) {
				b.needs = []string{eventAt(before.Stream, before.Version)}
				break
			}
		}
		begins = append(begins, b)
	}
	return events, begins
}

// merge makes one list of several, at most n long: nothing before what it needs, each lane in its own order, and else by time.
func merge(sources [][]TimelineEntry, n int) []TimelineEntry {
	pending := map[string]int{} // how many entries still to come tell a fact
	for _, source := range sources {
		for _, e := range source {
			for _, fact := range e.tells {
				pending[fact]++
			}
		}
	}
	may := func(e TimelineEntry) bool {
		return !slices.ContainsFunc(e.needs, func(fact string) bool { return pending[fact] > 0 && !slices.Contains(e.tells, fact) })
	}
	var merged []TimelineEntry
	for len(merged) < n {
		at := firstOf(sources, may)
		if at < 0 { // a circle, which only clocks and paging can make: time decides
			at = firstOf(sources, func(TimelineEntry) bool { return true })
		}
		if at < 0 {
			return merged
		}
		e := sources[at][0]
		sources[at] = sources[at][1:]
		for _, fact := range e.tells {
			pending[fact]--
		}
		if e.Command != nil {
			pending[issued(*e.Command)] = 0
		}
		merged = append(merged, e)
	}
	return merged
}

// firstOf is the lane whose next entry is the earliest of those that may come; -1 for none.
func firstOf(sources [][]TimelineEntry, may func(TimelineEntry) bool) int {
	first := -1
	for i, source := range sources {
		if len(source) > 0 && (first < 0 || source[0].At.Before(sources[first][0].At)) && may(source[0]) {
			first = i
		}
	}
	return first
}
