package payment

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

type stream = eventstore.Stream[State]

// actor is recorded with the events that sagas cause.
const actor = "saga"

// Charge authorizes and captures, or continues an earlier Charge, and returns how far it came. It takes at most a few calls of
// Config.Timeout each. An error means that the store failed: charge again.
func (m *Module) Charge(ctx context.Context, correlation uuid.UUID, c Charge) (Outcome, error) {
	run := m.newRun(c.PaymentID, correlation)
	st, err := run.record(ctx, derived(c.PaymentID, "charge", 0), func(s State, now time.Time) ([]event, error) {
		return request(s, c, m.providers[0].Name(), now), nil
	})
	if err != nil {
		return Outcome{}, err
	}
	st, why, err := run.drive(ctx, st, nextOfCharge)
	if err != nil {
		return Outcome{}, err
	}
	return chargeOutcome(st.State, why, m.now()), nil
}

// Undo records the tombstone, then voids or refunds, and returns how far it came. An error means the same as for Charge.
func (m *Module) Undo(ctx context.Context, correlation uuid.UUID, u Undo) (Outcome, error) {
	run := m.newRun(u.PaymentID, correlation)
	if outcome, err := run.lookBeforeRefund(ctx, u); err != nil || outcome.Result != "" {
		return outcome, err
	}
	// No derived id: the events depend on the state alone, and a later Undo may have to add more.
	st, err := run.record(ctx, uuid.Nil, func(s State, now time.Time) ([]event, error) {
		if mustYield(s, u) {
			return nil, errTooLate
		}
		return undo(s, u, now), nil
	})
	if errors.Is(err, errTooLate) {
		return Outcome{Result: ResultTooLate}, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	st, why, err := run.drive(ctx, st, nextOfUndo)
	if err != nil {
		return Outcome{}, err
	}
	return undoOutcome(st.State, why), nil
}

// lookBeforeRefund looks up the payment before an Undo requests a refund, since somebody may have refunded it elsewhere. It returns an
// outcome if the provider did not answer.
func (r run) lookBeforeRefund(ctx context.Context, u Undo) (Outcome, error) {
	st, err := payments.Load(ctx, r.store, r.id)
	if err != nil || st.State.left() == 0 || mustYield(st.State, u) {
		return Outcome{}, err
	}
	if _, pending := st.State.pendingRefund(r.now()); pending {
		return Outcome{}, nil
	}
	_, why, err := r.once(ctx, st, ask{operation: opLookUp})
	if err != nil || why == endQuiet {
		return Outcome{}, err
	}
	return Outcome{Result: ResultUnknown}, nil
}

// Observe looks up a payment that is captured or being captured, and records the answer. An error means that the provider did not answer,
// or that the store failed: observe again.
func (m *Module) Observe(ctx context.Context, correlation uuid.UUID, o Observe) error {
	st, err := payments.Load(ctx, m.store, o.PaymentID)
	if err != nil || st.State.Captured == 0 && !st.State.capturing() {
		return err
	}
	_, why, err := m.newRun(o.PaymentID, correlation).once(ctx, st, ask{operation: opLookUp})
	if err == nil && why != endQuiet {
		err = errNoBook
	}
	return err
}

// Cancel leaves a tombstone, even before the payment exists. Once a capture was requested it fails with too_late (409). replayed means that
// the same request did it before. Cancel does not call the provider; Undo does.
func (m *Module) Cancel(ctx context.Context, write web.Write, c Cancel) (replayed bool, err error) {
	receipt, err := payments.Handle(ctx, m.store, c.PaymentID, commandOf(write), func(_ *eventstore.Tx, p stream) ([]event, error) {
		return cancel(p.State, c)
	})
	return receipt.Replayed, err
}

// commandOf returns a command with the id and the metadata of a request.
func commandOf(w web.Write) eventstore.Command {
	return eventstore.Command{
		ID: w.ID, Fingerprint: w.Fingerprint,
		Meta: eventstore.Meta{Actor: w.Actor, Correlation: w.Correlation, Trace: w.Trace},
	}
}

// run executes one Charge, Undo or Refund of a payment.
type run struct {
	*Module
	id   uuid.UUID
	meta eventstore.Meta
}

func (m *Module) newRun(id, correlation uuid.UUID) run {
	return run{m, id, eventstore.Meta{Actor: actor, Correlation: correlation}}
}

// maxCalls limits a run. The longest regular one needs a look-up, an authorization and a capture.
const maxCalls = 8

// end says why a run stopped.
type end uint8

const (
	endQuiet       end = iota // no call is due, or the run must wait
	endUnavailable            // the provider is unavailable and did nothing
	endDoubt                  // the provider did not answer, or its answer is invalid
)

// drive makes the calls that next returns, one after the other, and records each result before the next call.
//
// The process may die between any two lines. The intent of each call is in the stream before the call is made, and the key is derived
// from the intent, so that the next process makes the same call.
func (r run) drive(ctx context.Context, st stream, next func(s State, looked bool, now time.Time) ask) (_ stream, why end, err error) {
	looked := false
	for range maxCalls {
		a := next(st.State, looked, r.now())
		if a.operation == opNothing {
			return st, endQuiet, nil
		}
		before := st.Version
		if st, why, err = r.once(ctx, st, a); err != nil || why != endQuiet {
			return st, why, err
		}
		// An answer tells the current state, with two exceptions: a repeated authorization returns its first answer, and the shopper may
		// have acted since; a refund may be refused because somebody refunded the payment elsewhere.
		looked = (a.operation != opAuthorize || st.State.Authorization != stepWaiting) && !st.State.refused(a)
		if st.Version == before && a.operation != opLookUp {
			return st, endDoubt, nil // the answer added nothing: do not repeat the call at once
		}
	}
	return st, endQuiet, nil
}

// once makes one call and records its result.
func (r run) once(ctx context.Context, st stream, a ask) (stream, end, error) {
	p, err := r.provider(st.State.Provider)
	if err = cmp.Or(err, ctx.Err()); err != nil {
		return st, endQuiet, err
	}
	res, err := r.ask(ctx, p, st.State, a)
	if err != nil {
		p.remember(r.meta.Correlation, err)
	}
	if transient := (*Transient)(nil); errors.As(err, &transient) {
		r.log.Log(ctx, levelOf(err), "the payment provider is not available", r.about(a, err)...)
		return st, endUnavailable, nil
	}
	if err == nil {
		var newer stream
		newer, err = r.record(ctx, derived(r.id, key(r.id, a)+"/"+string(res.status), st.Version), res.decide)
		if nonsense := (*nonsense)(nil); !errors.As(err, &nonsense) {
			return newer, endQuiet, err
		}
	}
	st, err = r.doubt(ctx, st, a, err)
	return st, endDoubt, err
}

// result holds the events that an answer adds to the newest state of a payment.
type result struct {
	status Status
	decide func(State, time.Time) ([]event, error)
}

// ask makes one call, outside of any transaction.
func (r run) ask(ctx context.Context, p Provider, s State, a ask) (result, error) {
	call := callOf(r.id, s, a)
	if a.operation == opLookUp {
		report, err := p.LookUp(ctx, call)
		return result{report.Status, func(s State, now time.Time) ([]event, error) {
			return reported(s, r.id, report, now, r.actionTTL)
		}}, err
	}
	answer, err := operate(ctx, p, a.operation, call)
	if err == nil && a.operation == opAuthorize && answer.Replayed {
		// A process used the key before it crashed, or before the database was restored to an older moment. The old answer does not tell
		// whether the payment was captured or refunded since.
		return r.ask(ctx, p, s, ask{operation: opLookUp})
	}
	return result{answer.Status, func(s State, now time.Time) ([]event, error) {
		return answered(s, a, r.id, answer, now, r.actionTTL)
	}}, err
}

func operate(ctx context.Context, p Provider, op Operation, call Call) (Answer, error) {
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

func callOf(id uuid.UUID, s State, a ask) Call {
	c := Call{
		Key: key(id, a), Reference: id.String(), ProviderReference: s.ProviderReference, RequestedAt: s.RequestedAt,
		Method: s.Method, Amount: s.Amount, Customer: s.CustomerID,
	}
	if a.operation == opRefund {
		c.Amount = money.Of(a.refund.Amount, s.Amount.Currency)
	}
	return c
}

// key returns the idempotency key of a call. It depends on the intent alone, so it never changes.
func key(id uuid.UUID, a ask) string {
	k := id.String() + "/" + string(a.operation)
	if a.operation == opRefund {
		k += "/" + a.refund.ID.String()
	}
	return k
}

// levelOf returns a lower level for a call that was not made, since the guard has logged that.
func levelOf(err error) slog.Level {
	if isDeferred(err) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// doubt records that the outcome of a call is unknown.
func (r run) doubt(ctx context.Context, st stream, a ask, cause error) (stream, error) {
	r.log.WarnContext(ctx, "the outcome of a payment call is unknown", r.about(a, cause)...)
	return r.record(ctx, derived(r.id, key(r.id, a)+"/lost", st.Version), func(s State, _ time.Time) ([]event, error) {
		return lost(s, a, cause), nil
	})
}

func (r run) about(a ask, err error) []any {
	return []any{slog.String("payment", r.id.String()), slog.String("operation", string(a.operation)), slog.String("error", err.Error())}
}

// errNoNews rejects a result without events. A rejected command leaves no receipt, so that the same result may add something later.
var errNoNews = errors.New("nothing new")

// nonsense is the error of an invalid answer.
type nonsense struct{ error }

func (n *nonsense) Unwrap() error { return n.error }

const recordTimeout = 15 * time.Second

// record decides on the newest state and returns the payment afterwards. It ignores the end of ctx, since an answer of the provider must not
// be lost.
func (r run) record(ctx context.Context, id uuid.UUID, decide func(State, time.Time) ([]event, error)) (stream, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	cmd := eventstore.Command{ID: id, Meta: r.meta}
	receipt, err := payments.Handle(ctx, r.store, r.id, cmd, func(tx *eventstore.Tx, p stream) ([]event, error) {
		events, err := decide(p.State, tx.Now())
		switch {
		case err != nil:
			return nil, &nonsense{err}
		case len(events) == 0:
			return nil, errNoNews
		}
		return events, nil
	})
	if errors.Is(err, errNoNews) || err == nil && receipt.Replayed {
		return payments.Load(ctx, r.store, r.id)
	}
	if err != nil {
		return stream{}, fmt.Errorf("record payment %s: %w", r.id, err)
	}
	return payments.Result(ctx, r.store, receipt)
}

var commandSpace = uuid.MustParse("8f0c7d52-31b6-4c0e-9a55-6d1c0b7e2f41")

// derived returns the id of a command that takes effect once for a payment, a step and a version.
func derived(payment uuid.UUID, step string, version int64) uuid.UUID {
	return uuid.NewSHA1(commandSpace, fmt.Appendf(nil, "%s %s %d", payment, step, version))
}
