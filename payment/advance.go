package payment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

type stream = eventstore.Stream[State]

// sagaActor is recorded with the events that sagas cause.
const sagaActor = "saga"

// Charge authorizes and captures, or continues an earlier Charge, and returns how far it came. It takes at most a few calls of
// Config.Timeout each. An error means that the store failed: charge again.
func (m *Module) Charge(ctx context.Context, correlation uuid.UUID, c Charge) (Outcome, error) {
	run := m.newRun(c.PaymentID, correlation)
	run.shopper, run.then = c.Shopper, c.Then
	run.succeeded = func(s State) bool { return s.Captured > 0 && !s.Tombstone }
	st, first, err := run.chargeFirst(ctx, c)
	if err != nil {
		return Outcome{}, err
	}
	if st.State.triesCard() {
		end, ok := m.attempts.begin(m.countersOf(st.State), m.now())
		if !ok {
			run.deferAttempt(st.State)
			return chargeOutcome(st.State, stopLimited(attemptWait), m.now()).after(stopLimited(attemptWait)), nil
		}
		defer end()
		if st, err = run.checkDeclines(ctx, st, first); err != nil {
			return Outcome{}, err
		}
	}
	if st.State.FailureCode == CodeTooManyDeclines {
		_ = m.Permits(c.CustomerID, c.Source, c.Guest) // counts the refusal
	}
	st, why, err := run.advance(ctx, st, nextChargeCall)
	if err != nil {
		return Outcome{}, err
	}
	out := chargeOutcome(st.State, why, m.now()).after(why)
	out.Failure = m.failureFor(st.State, out.Failure)
	return out, nil
}

// Undo records the tombstone, then voids or refunds, and returns how far it came. An error means the same as for Charge.
func (m *Module) Undo(ctx context.Context, correlation uuid.UUID, u Undo) (Outcome, error) {
	run := m.newRun(u.PaymentID, correlation)
	run.then, run.succeeded = u.Then, isUndone
	if outcome, err := run.lookUpBeforeRefund(ctx, u); err != nil || outcome.Result != "" {
		return outcome, err
	}
	// Harmless: the events depend on the state alone.
	st, err := run.write(ctx, eventstore.Command{Named: "undo", Harmless: true}, nil, func(tx *eventstore.Tx, s State) ([]event, error) {
		if mustYield(s, u) {
			return nil, errTooLate
		}
		return undo(s, u, tx.Now()), nil
	})
	if errors.Is(err, errTooLate) {
		return Outcome{Result: ResultTooLate}, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	st, why, err := run.advance(ctx, st, nextUndoCall)
	if err != nil {
		return Outcome{}, err
	}
	return undoOutcome(st.State, why).after(why), nil
}

// OpenUndo returns the first command of an Undo, for a chain. It ends the chain unless the payment is undone without a call to the provider.
// Refused: whatever Undo has to look up first.
func (m *Module) OpenUndo(correlation uuid.UUID, u Undo) eventstore.Link {
	cmd := eventstore.Command{Named: "undo", Harmless: true, Meta: eventstore.Meta{Actor: sagaActor, Correlation: correlation}}
	return eventstore.Link{Store: m.store, Command: payments.Command(u.PaymentID, cmd, func(tx *eventstore.Tx, p stream) ([]event, error) {
		if mustYield(p.State, u) || p.State.refundable() > 0 {
			return nil, errTooLate
		}
		events, after := undo(p.State, u, tx.Now()), p.State
		for _, e := range events {
			after = evolve(after, e)
		}
		if !isUndone(after) || nextUndoCall(after, false, tx.Now()).operation != opNothing {
			tx.Stop()
		}
		return events, nil
	})}
}

// isUndone reports whether nothing of a payment is captured or held, nor will be.
func isUndone(s State) bool { return undoOutcome(s, stopIdle).Result == ResultUndone }

// lookUpBeforeRefund looks up the payment before an Undo requests a refund, since somebody may have refunded it elsewhere. It returns an
// outcome if the provider did not answer.
func (r run) lookUpBeforeRefund(ctx context.Context, u Undo) (Outcome, error) {
	st, err := payments.Load(ctx, r.store, r.id)
	if err != nil || st.State.refundable() == 0 || mustYield(st.State, u) {
		return Outcome{}, err
	}
	if _, pending := st.State.pendingRefund(r.now()); pending {
		return Outcome{}, nil
	}
	_, why, err := r.call(ctx, st, providerCall{operation: opLookUp})
	if err != nil || why == stopIdle {
		return Outcome{}, err
	}
	return Outcome{Result: ResultUnknown}.after(why), nil
}

// Observe looks up a payment that is captured or being captured, and records the answer. An error means that the provider did not answer,
// or that the store failed: observe again.
func (m *Module) Observe(ctx context.Context, correlation uuid.UUID, o Observe) error {
	st, err := payments.Load(ctx, m.store, o.PaymentID)
	if err != nil || st.State.Captured == 0 && !st.State.capturing() {
		return err
	}
	_, why, err := m.newRun(o.PaymentID, correlation).call(ctx, st, providerCall{operation: opLookUp})
	if err == nil && why != stopIdle {
		err = errLedgerUnavailable
	}
	return err
}

// Cancel leaves a tombstone, even before the payment exists. Once a capture was requested it fails with too_late (409). replayed means that
// the same request did it before. Cancel does not call the provider; Undo does.
func (m *Module) Cancel(ctx context.Context, write web.Write, c Cancel) (replayed bool, err error) {
	receipt, err := payments.Handle(ctx, m.store, c.PaymentID, commandOf(write, c), func(_ *eventstore.Tx, p stream) ([]event, error) {
		return cancel(p.State, c)
	})
	return receipt.Replayed, err
}

// commandOf returns a command with the id and the metadata of a request.
func commandOf(w web.Write, named any) eventstore.Command {
	return eventstore.Command{
		ID: w.ID, Fingerprint: w.Fingerprint, Named: named, Subject: w.Caller.Subject, Operator: w.Caller.Operator(),
		Meta: eventstore.Meta{Actor: w.Actor, Correlation: w.Correlation},
	}
}

// run executes one Charge, Undo or Refund of a payment.
type run struct {
	*Module
	id      uuid.UUID
	meta    eventstore.Meta
	shopper func(context.Context) (Shopper, error) // of a Charge; may be nil

	then      *FollowUp // may be nil
	succeeded func(State) bool
}

func (m *Module) newRun(id, correlation uuid.UUID) run {
	return run{Module: m, id: id, meta: eventstore.Meta{Actor: sagaActor, Correlation: correlation}}
}

// maxCalls limits a run. The longest regular one needs a look-up, an authorization and a capture.
const maxCalls = 8

// stopReason says why a run stopped.
type stopReason struct {
	kind stopKind
	wait time.Duration // with stopLimited, until the call may be made
}

type stopKind uint8

const (
	idle        stopKind = iota // no call is due, or the run must wait
	unavailable                 // the provider is unavailable and did nothing
	limited                     // a rate limit defers the call
	unknown                     // the provider did not answer, or its answer is invalid
)

var (
	stopIdle        = stopReason{kind: idle}
	stopUnavailable = stopReason{kind: unavailable}
	stopUnknown     = stopReason{kind: unknown}
)

func stopLimited(wait time.Duration) stopReason { return stopReason{limited, wait} }

// nothingDone reports whether the last call certainly had no effect.
func (w stopReason) nothingDone() bool { return w.kind == unavailable || w.kind == limited }

// advance makes the calls that next returns, one after the other, and records each result before the next call.
//
// The process may die between any two lines. The intent of each call is in the stream before the call is made, and the key is derived
// from the intent, so that the next process makes the same call.
func (r run) advance(
	ctx context.Context, st stream, next func(s State, lookedUp bool, now time.Time) providerCall,
) (_ stream, why stopReason, err error) {
	lookedUp := false
	for range maxCalls {
		a := next(st.State, lookedUp, r.now())
		if a.operation == opNothing {
			return st, stopIdle, nil
		}
		before := st.Version
		if st, why, err = r.call(ctx, st, a); err != nil || why != stopIdle {
			return st, why, err
		}
		// An answer tells the current state, with two exceptions: a repeated authorization returns its first answer, and the shopper may
		// have acted since; a refund may be refused because somebody refunded the payment elsewhere.
		lookedUp = (a.operation != opAuthorize || st.State.Authorization != stepWaiting) && !st.State.refusedRefund(a)
		if st.Version == before && a.operation != opLookUp {
			return st, stopUnknown, nil // the answer added nothing: do not repeat the call at once
		}
	}
	return st, stopIdle, nil
}

// call makes one call and records its result.
func (r run) call(ctx context.Context, st stream, a providerCall) (stream, stopReason, error) {
	p, err := r.provider(st.State.Provider)
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return st, stopIdle, err
	}
	shopper, err := r.shopperFor(ctx, p, a)
	if err != nil {
		return st, stopIdle, err
	}
	res, err := r.callProvider(ctx, p, st.State, a, shopper)
	if err != nil {
		p.deferCaller(r.meta.Correlation, callOf(r.id, st.State, a).caller(), err)
	}
	if wait, limited := isLimited(err); limited {
		r.log.DebugContext(ctx, "a payment call waits for a rate limit", r.logAttrs(a, err)...)
		return st, stopLimited(wait), nil
	}
	if transient := (*Transient)(nil); errors.As(err, &transient) {
		r.log.Log(ctx, logLevel(err), "the payment provider is not available", r.logAttrs(a, err)...)
		return st, stopUnavailable, nil
	}
	if err == nil {
		var newer stream
		newer, err = r.recordAnswer(ctx, st, a, res)
		if nonsense := (*invalidAnswerError)(nil); !errors.As(err, &nonsense) {
			return newer, stopIdle, err
		}
	}
	st, err = r.recordUnknown(ctx, st, a, err)
	return st, stopUnknown, err
}

// shopperFor reads what the provider wants to learn before an authorization.
func (r run) shopperFor(ctx context.Context, p *guardedProvider, a providerCall) (Shopper, error) {
	reader, ok := p.Provider.(ShopperReader)
	if a.operation != opAuthorize || r.shopper == nil || !ok || !reader.WantsShopper() {
		return Shopper{}, nil
	}
	return r.shopper(ctx)
}

// result holds the events that an answer adds to the newest state of a payment.
type result struct {
	status Status
	decide func(State, time.Time) ([]event, error)
}

// callProvider makes one call, outside of any transaction.
func (r run) callProvider(ctx context.Context, p Provider, s State, a providerCall, shopper Shopper) (result, error) {
	call := callOf(r.id, s, a)
	if a.operation == opLookUp {
		report, err := p.LookUp(ctx, call)
		return result{report.Status, func(s State, now time.Time) ([]event, error) {
			return onReport(s, r.id, report, now, r.ttl(s))
		}}, err
	}
	call.Shopper = shopper
	answer, err := invoke(ctx, p, a.operation, call)
	if err == nil && a.operation == opAuthorize && answer.Replayed {
		// A process used the key before it crashed, or before the database was restored to an older moment. The old answer does not tell
		// whether the payment was captured or refunded since.
		return r.callProvider(ctx, p, s, providerCall{operation: opLookUp}, Shopper{})
	}
	return result{answer.Status, func(s State, now time.Time) ([]event, error) {
		return onAnswer(s, a, r.id, answer, now, r.ttl(s))
	}}, err
}

func invoke(ctx context.Context, p Provider, op Operation, call Call) (Answer, error) {
	switch op {
	case opAuthorize:
		return p.Authorize(ctx, call)
	case opCapture:
		return p.Capture(ctx, call)
	case opVoid:
		return p.Void(ctx, call)
	case opRefund:
		return p.Refund(ctx, call)
	case opLookUp, opNothing:
	}
	return Answer{}, fmt.Errorf("unknown operation %q", op)
}

func callOf(id uuid.UUID, s State, a providerCall) Call {
	c := Call{
		Key: key(id, a), Reference: id.String(), ProviderReference: s.ProviderReference, RequestedAt: s.RequestedAt,
		PaymentMethod: s.PaymentMethod, Amount: s.Amount, Customer: s.CustomerID, Source: s.Source, Guest: s.Guest,
	}
	if a.operation == opRefund {
		c.Amount = money.Of(a.refund.Amount, s.Amount.Currency)
	}
	return c
}

// key returns the idempotency key of a call. It depends on the intent alone, so it never changes.
func key(id uuid.UUID, a providerCall) string {
	k := id.String() + "/" + string(a.operation)
	if a.operation == opRefund {
		k += "/" + a.refund.ID.String()
	}
	return k
}

// logLevel returns a lower level for a call that was not made, since the breaker has logged that.
func logLevel(err error) slog.Level {
	if isDeferred(err) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// recordUnknown records that the outcome of a call is unknown.
func (r run) recordUnknown(ctx context.Context, st stream, a providerCall, cause error) (stream, error) {
	r.log.WarnContext(ctx, "the outcome of a payment call is unknown", r.logAttrs(a, cause)...)
	return r.record(ctx, derivedID(r.id, key(r.id, a)+"/lost", st.Version), "record_unknown", func(s State, _ time.Time) ([]event, error) {
		return onUnknown(s, a, cause), nil
	})
}

func (r run) logAttrs(a providerCall, err error) []any {
	return []any{slog.String("payment", r.id.String()), slog.String("operation", string(a.operation)), slog.String("error", err.Error())}
}

// errNothingNew rejects a result without events. A rejected command leaves no receipt, so that the same result may add something later.
var errNothingNew = errors.New("nothing new")

// invalidAnswerError is the error of an invalid answer.
type invalidAnswerError struct{ error }

func (n *invalidAnswerError) Unwrap() error { return n.error }

const recordTimeout = 15 * time.Second

// record decides on the newest state and returns the payment afterwards. It ignores the end of ctx, since an answer of the provider must not
// be lost.
func (r run) record(ctx context.Context, id uuid.UUID, named string, decide func(State, time.Time) ([]event, error)) (stream, error) {
	return r.write(ctx, eventstore.Command{ID: id, Named: named}, nil, func(tx *eventstore.Tx, s State) ([]event, error) {
		return decide(s, tx.Now())
	})
}

// write is record for a command that names further streams, and for those that follow it in a chain.
func (r run) write(
	ctx context.Context, cmd eventstore.Command, followers []eventstore.Link, decide func(*eventstore.Tx, State) ([]event, error),
) (stream, error) {
	cmd.Meta, cmd.Streams = r.meta, slices.Insert(cmd.Streams, 0, payments.Ref(r.id))
	cmd.Decide = func(tx *eventstore.Tx) error {
		events, err := decide(tx, payments.Get(tx, r.id).State)
		switch {
		case err != nil:
			return &invalidAnswerError{err}
		case len(events) == 0:
			return errNothingNew
		}
		payments.Append(tx, r.id, events...)
		if len(followers) > 0 && !r.succeeded(payments.Get(tx, r.id).State) {
			tx.Stop()
		}
		return nil
	}
	results := r.send(ctx, append([]eventstore.Link{{Store: r.store, Command: cmd}}, followers...)...)
	if len(followers) > 0 {
		r.then.Results = results[1:]
	}
	receipt, err := results[0].Receipt, results[0].Err
	if errors.Is(err, errNothingNew) || err == nil && receipt.Replayed {
		return payments.Load(ctx, r.store, r.id)
	}
	if err != nil {
		return stream{}, fmt.Errorf("record payment %s: %w", r.id, err)
	}
	return payments.Result(ctx, r.store, receipt)
}

// send sends a chain. It ignores the end of ctx.
func (r run) send(ctx context.Context, links ...eventstore.Link) []eventstore.Result {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	return eventstore.Chain(ctx, links...)
}

var commandSpace = uuid.MustParse("8f0c7d52-31b6-4c0e-9a55-6d1c0b7e2f41")

// derivedID returns the id of a command that takes effect once for a payment, a step and a version.
func derivedID(payment uuid.UUID, step string, version int64) uuid.UUID {
	return uuid.NewSHA1(commandSpace, fmt.Appendf(nil, "%s %s %d", payment, step, version))
}
