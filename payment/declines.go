package payment

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
)

// DeclineLimits bounds the declined payments in a window, against tests of stolen cards. 0 is no limit.
type DeclineLimits struct {
	Guest, Customer int           // of one guest or customer
	Address         int           // of all guests of one address
	Window          time.Duration // begins with the first declined payment
}

// declineEvent is an event of a counter.
//
//sumtype:decl
type declineEvent interface{ isDecline() }

// declineCounted counts a declined payment. A charge that is accepted writes no counter.
type declineCounted struct {
	PaymentID uuid.UUID `json:"payment_id"`
	Count     int       `json:"count"` // in the window, with this one
	Since     time.Time `json:"since"` // start of the window
}

func (declineCounted) isDecline() {}

// declineCount counts the declined payments of a customer or of an address.
type declineCount struct {
	Count int       `json:"count"`
	Since time.Time `json:"since"`
}

var declineCounters = &eventstore.Aggregate[declineCount, declineEvent]{
	Kind: "declines", StateVersion: 1, Index: func(declineCount, time.Time) eventstore.Index { return eventstore.Index{} },
	Types: eventstore.Register(map[string]declineEvent{"declines.counted": declineCounted{}}),
	Evolve: func(_ declineCount, event declineEvent) declineCount {
		e := event.(declineCounted)
		return declineCount{e.Count, e.Since}
	},
}

// counter is the counter that a payment belongs to, and its limit.
type counter struct {
	id    uuid.UUID
	limit int
	by    string // subject or address, for the metrics
}

// counters returns the counters of a payment: of the customer, and of a guest's address if it is known. Customers who are signed in do not answer for
// their address, which may be that of many.
func (l DeclineLimits) counters(customer, source string, guest bool) (all []counter) {
	if guest {
		l.Customer = l.Guest
	}
	if l.Customer > 0 && customer != "" {
		all = append(all, counter{counterID("customer", customer), l.Customer, "subject"})
	}
	if l.Address > 0 && source != "" && guest {
		all = append(all, counter{counterID("address", source), l.Address, "address"})
	}
	return all
}

func counterID(of, name string) uuid.UUID {
	return uuid.NewSHA1(commandSpace, []byte("declines/"+of+"/"+name))
}

func refsOf(all []counter) (refs []eventstore.Ref) {
	for _, c := range all {
		refs = append(refs, declineCounters.Ref(c.id))
	}
	return refs
}

// wait returns the time until a counter permits the next payment, or 0.
func (l DeclineLimits) wait(d declineCount, limit int, now time.Time) time.Duration {
	if d.Count < limit {
		return 0
	}
	return max(0, d.Since.Add(l.Window).Sub(now))
}

// count returns the event that counts a declined payment.
func (l DeclineLimits) count(d declineCount, payment uuid.UUID, now time.Time) declineCounted {
	if now.Sub(d.Since) >= l.Window {
		d = declineCount{Since: now}
	}
	return declineCounted{payment, d.Count + 1, d.Since}
}

// isCounted reports whether events decline a payment for a reason that tells something about the card.
func isCounted(events []event) bool {
	return slices.ContainsFunc(events, func(e event) bool {
		d, ok := e.(declined)
		return ok && (d.Code == CodeDeclined || d.Code == CodeInsufficientFunds || d.Code == CodeAuthenticationFailed)
	})
}

// countersOf returns the counters of a payment.
func (m *Module) countersOf(s State) []counter {
	return m.declines.counters(s.CustomerID, s.Source, s.Guest)
}

// seenCount is a counter as a command saw or changed it.
type seenCount struct {
	id uuid.UUID
	declineCount
}

// exceeded returns a counter beyond its limit.
func (m *Module) exceeded(tx *eventstore.Tx, all []counter) (seen seenCount, found bool) {
	for _, one := range all {
		d := declineCounters.Get(tx, one.id).State
		if m.declines.wait(d, one.limit, tx.Now()) > 0 {
			return seenCount{one.id, d}, true
		}
	}
	return seen, false
}

// countDecline counts a declined payment.
func (m *Module) countDecline(tx *eventstore.Tx, payment uuid.UUID, all []counter) (seen []seenCount) {
	for _, one := range all {
		e := m.declines.count(declineCounters.Get(tx, one.id).State, payment, tx.Now())
		declineCounters.Append(tx, one.id, e)
		seen = append(seen, seenCount{one.id, declineCount{e.Count, e.Since}})
	}
	return seen
}

// learn remembers counters once the command that saw them is done.
func (m *Module) learn(seen ...seenCount) {
	for _, one := range seen {
		if one.Count > 0 {
			m.attempts.learn(one.id, one.Count, one.Since.Add(m.declines.Window), m.now())
		}
	}
}

// Permits refuses a payment of a customer or an address that has too many declined payments, as far as this process knows. It only saves work: Charge
// decides. It is pure but for that memory.
func (m *Module) Permits(customer, source string, guest bool) error {
	wait, by := m.attempts.wait(m.declines.counters(customer, source, guest), m.now())
	if wait == 0 {
		return nil
	}
	m.limited("declines", by)
	return errTooManyDeclines.After(wait)
}

// DeclinePause returns the time for which Permits refuses.
func (m *Module) DeclinePause(customer, source string, guest bool) time.Duration {
	wait, _ := m.attempts.wait(m.declines.counters(customer, source, guest), m.now())
	return wait
}

// failureFor returns a failure as the customer sees it. A guest does not learn why a card was declined, since that tells cards that work from cards
// that do not.
func (m *Module) failureFor(s State, f *Failure) *Failure {
	if m.oneDecline && s.Guest && f != nil && (f.Code == CodeInsufficientFunds || f.Code == CodeAuthenticationFailed) {
		return failure(CodeDeclined)
	}
	return f
}

var errTooManyDeclines = fault.New(fault.TooMany, CodeTooManyDeclines, "Too many payments were declined. Try again later.")

// OpenCharge returns the first command of a Charge, for a chain.
func (m *Module) OpenCharge(correlation uuid.UUID, c Charge) *Opening {
	return m.newRun(c.PaymentID, correlation).opening(c)
}

// opening records the intent of a charge, unless it is recorded. Beyond a limit it declines the payment at once: the provider is not asked. It is
// harmless, since a payment begins once.
func (r run) opening(c Charge) *Opening {
	counters := r.declines.counters(c.CustomerID, c.Source, c.Guest)
	cmd := eventstore.Command{ID: derivedID(c.PaymentID, "charge", 0), Named: "charge", Reads: refsOf(counters), Harmless: true, Meta: r.meta}
	o := &Opening{}
	o.Link = eventstore.Link{Store: r.store, Command: payments.Command(r.id, cmd, func(tx *eventstore.Tx, p stream) ([]event, error) {
		events, exceeds := request(p.State, c, r.providers[0].Name(), tx.Now()), false
		o.begins = len(events) > 0
		if o.seen, exceeds = r.exceeded(tx, counters); exceeds && o.begins {
			events = append(events, declined{Code: CodeTooManyDeclines})
		}
		return events, nil
	})}
	return o
}

// chargeFirst executes the first command of a charge, unless a chain has. first reports that it began the payment.
func (r run) chargeFirst(ctx context.Context, c Charge) (st stream, first bool, err error) {
	o := c.Opened
	if o == nil {
		o = r.opening(c)
		o.Result = r.send(ctx, o.Link)[0]
	}
	if err = o.Result.Err; err == nil {
		r.learn(o.seen)
		st, err = payments.Result(ctx, r.store, o.Result.Receipt)
	}
	if err != nil {
		return st, false, fmt.Errorf("record payment %s: %w", r.id, err)
	}
	return st, o.begins, nil
}

// triesCard reports whether the next call may tell whether a card works.
func (s State) triesCard() bool { return s.Authorization == stepAsked && !s.Tombstone && !s.Voided }

// checkDeclines cancels a payment that waited while others of its customer or its address were declined. A process may have asked the provider and
// died before it recorded that, so the payment is not declined but compensated. A payment whose authorization may have arrived goes on.
func (r run) checkDeclines(ctx context.Context, st stream, first bool) (stream, error) {
	counters := r.countersOf(st.State)
	if wait, _ := r.attempts.wait(counters, r.now()); len(counters) == 0 || first && wait == 0 {
		return st, nil
	}
	var seen seenCount
	st, err := r.write(ctx, eventstore.Command{Named: "check_declines", Reads: refsOf(counters), Harmless: true}, nil, func(tx *eventstore.Tx, s State) ([]event, error) {
		exceeds := false
		if seen, exceeds = r.exceeded(tx, counters); !exceeds || !s.triesCard() || s.Unknown != nil {
			return nil, nil
		}
		return []event{UndoRequested{CheckoutID: s.CheckoutID, Code: CodeTooManyDeclines, Reason: CodeTooManyDeclines}}, nil
	})
	if err == nil {
		r.learn(seen)
	}
	return st, err
}

// deferAttempt has Run resume a charge that waits for others of its counters.
func (r run) deferAttempt(s State) {
	if p, err := r.provider(s.Provider); err == nil {
		p.deferCaller(r.meta.Correlation, callOf(r.id, s, providerCall{operation: opAuthorize}).caller(), &RateLimited{After: attemptWait})
	}
}

// recordAnswer records an answer of the provider, and counts it if it declines the payment. What follows a success commits with it. The command is
// harmless, since an answer that is recorded tells nothing new.
func (r run) recordAnswer(ctx context.Context, st stream, a providerCall, res result) (stream, error) {
	cmd := eventstore.Command{ID: derivedID(r.id, key(r.id, a)+"/"+string(res.status), st.Version), Named: "record", Harmless: true}
	var counters []counter
	if res.status == Declined || res.status == Refused {
		counters = r.countersOf(st.State)
		cmd.Streams = refsOf(counters)
	}
	var seen []seenCount
	newer, err := r.write(ctx, cmd, r.followers(ctx, res.status), func(tx *eventstore.Tx, s State) ([]event, error) {
		events, err := res.decide(s, tx.Now())
		if seen = nil; err == nil && isCounted(events) {
			seen = r.countDecline(tx, r.id, counters)
		}
		return events, err
	})
	if err == nil {
		r.learn(seen...)
	}
	return newer, err
}

// followers returns the commands that follow an answer which may end the operation with success.
func (r run) followers(ctx context.Context, answer Status) []eventstore.Link {
	if r.then == nil || answer != Captured && answer != Voided && answer != Refunded {
		return nil
	}
	return r.then.Links(ctx)
}
