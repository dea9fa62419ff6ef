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

// Clocks alone cannot order a timeline: each stream has its own database and each attempt its own process. So causes are named facts. An
// entry needs facts, and comes after all entries that establish them. Otherwise the time decides.

// facts are the fields of an event that the order needs.
type facts struct {
	step     string
	checkout uuid.UUID // the saga of an event of a payment
	id       uuid.UUID // of a refund
	failure  string    // code of a refused step
	attempt  bool      // the event ended an attempt of a step
}

// The names of facts. If several attempts issue one command, the first establishes it.
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

// factsOf returns the facts that an entry needs, and those that it establishes.
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

// effectsOf returns the facts that led to the outcome of an attempt.
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

// factsOfPayment derives the commands from the types of the events, since a payment does not record the commands of the saga's steps.
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

// beginsOf returns the starts of the attempts that the events of a saga ended. A start comes after the previous event of the saga, except
// for parallel attempts.
func beginsOf(events []TimelineEntry, source int) (begins []TimelineEntry) {
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
	return begins
}

// merge merges the sources into one list of at most n entries. Causes come first, each source keeps its order, and otherwise the time
// decides.
func merge(sources [][]TimelineEntry, n int) (merged []TimelineEntry) {
	pending := map[string]int{} // the number of entries to come that establish a fact
	for _, e := range slices.Concat(sources...) {
		for _, fact := range e.tells {
			pending[fact]++
		}
	}
	isReady := func(e TimelineEntry) bool {
		return !slices.ContainsFunc(e.needs, func(fact string) bool { return pending[fact] > 0 && !slices.Contains(e.tells, fact) })
	}
	for len(merged) < n {
		at := earliest(sources, isReady)
		if at < 0 { // a cycle, by clocks or by the end of a page
			at = earliest(sources, func(TimelineEntry) bool { return true })
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

// earliest returns the index of the source whose next entry is ready and oldest, or -1 if none is ready.
func earliest(sources [][]TimelineEntry, isReady func(TimelineEntry) bool) int {
	first := -1
	for i, source := range sources {
		if len(source) > 0 && (first < 0 || source[0].At.Before(sources[first][0].At)) && isReady(source[0]) {
			first = i
		}
	}
	return first
}
