package saga

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/payment"
	"shopping-cart/platform/fault"
)

var toBank = payment.Outcome{
	Result: payment.ResultActionRequired, NextAction: &payment.NextAction{Type: "redirect", URL: "https://bank"},
	Deadline: time.Now().Add(time.Hour).UTC().Truncate(time.Microsecond),
}

func alone(c *Config) { c.SingleProcess = true }

// gate holds whoever comes to it until it is opened, or the test is over.
type gate struct {
	reached, open chan struct{}
	over          <-chan struct{}
}

func newGate(t *testing.T) gate {
	return gate{make(chan struct{}, 10), make(chan struct{}), t.Context().Done()}
}

func (g gate) pass() {
	g.reached <- struct{}{}
	select {
	case <-g.open:
	case <-g.over:
	}
}

func TestStepsRideWithTheNextWrite(t *testing.T) {
	t.Parallel()
	p := start(t, pgtest.New(t), well)
	id := p.seals(1000)
	s := p.reaches(id, Completed)
	types, writes := p.log(id)
	require.Equal(t, []string{"saga.started", "saga.step_done", "saga.step_done", "saga.step_done", "saga.step_done", "saga.ended"}, types)
	require.Equal(t, 2, writes)
	for _, step := range []string{PlaceOrder, ChargeMoney, ConfirmOrder, CompleteCart} {
		require.Equal(t, 1, p.called(step), step)
		require.Equal(t, 1, s.Step(step).Attempts, step)
	}
	require.Zero(t, p.number("select count(*) from saga.streams where wake_at is not null"))
}

func TestStartedTwiceIsOne(t *testing.T) {
	t.Parallel()
	p := start(t, pgtest.New(t), well)
	e := sealed(1000)
	m := eventstore.Message[cart.CheckedOut]{Stream: e.CartID, Version: 2, Event: e, Meta: eventstore.Meta{Actor: "ann"}}
	for range 3 {
		require.NoError(t, p.startCheckout(t.Context(), m))
		p.reaches(e.CheckoutID, Completed)
	}
	types, writes := p.log(e.CheckoutID)
	require.Len(t, types, 6)
	require.Equal(t, 2, writes)
	require.Equal(t, 1, p.called(ChargeMoney))
}

func TestRetries(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	p := start(t, url, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		switch {
		case step == PlaceOrder && n == 1:
			return payment.Outcome{}, fault.New(fault.Unavailable, "busy", "Too much is going on.")
		case step == ChargeMoney && n == 1:
			return payment.Outcome{Result: payment.ResultUnavailable, Failure: &payment.Failure{Detail: "Away."}}, nil
		case step == ChargeMoney && n == 2:
			return payment.Outcome{Result: payment.ResultUnknown}, nil
		case step == ChargeMoney && n == 3:
			panic("poison")
		case step == ConfirmOrder && n == 1:
			return payment.Outcome{}, errors.New("secret")
		}
		return well(ctx, step, n)
	})
	id := p.seals(1000)
	s := p.reaches(id, Completed)
	require.Equal(t, 2, s.Step(PlaceOrder).Attempts)
	require.Equal(t, 4, s.Step(ChargeMoney).Attempts)
	require.Equal(t, 2, s.Step(ConfirmOrder).Attempts)
	require.Equal(t, 1, p.called(CompleteCart), "what was done is not done again")
	types, writes := p.log(id)
	require.Equal(t, 1+5+1, writes, "%v", types)
	require.Zero(t, p.number("select count(*) from saga.events where data::text like '%secret%' or data::text like '%poison%'"))
}

// TestBackoffHolds: a claim or a repeated start during an attempt must not make the next one come at once.
func TestBackoffHolds(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		if step == ChargeMoney && n == 1 {
			g.pass()
			return payment.Outcome{Result: payment.ResultUnknown}, nil
		}
		return well(ctx, step, n)
	})
	id := p.seals(1000)
	<-g.reached
	again := p.runner.begin(id, pass{})
	close(g.open)
	<-again.over
	require.NoError(t, again.err)
	p.reaches(id, Completed)
	require.Equal(t, 2, p.called(ChargeMoney))
	events, err := p.store.ReadStream(t.Context(), id, 0, 1000)
	require.NoError(t, err)
	var due, tried time.Time
	for _, e := range events {
		event, err := sagas.Event(e)
		require.NoError(t, err)
		switch e := event.(type) {
		case StepRetried:
			due = e.RetryAt
		case StepDone:
			if e.Step == ChargeMoney {
				tried = e.BeganAt
			}
		case Started, RefundStarted, CancellationStarted, StepWaits, StepRefused, AttentionNeeded, Ended:
		}
	}
	require.False(t, due.IsZero())
	require.False(t, tried.Before(due), "it was looked at again at once, and nothing was due until %s: it was tried at %s", due, tried)
}

func TestWaitsForTheShopper(t *testing.T) {
	t.Parallel()
	t.Run("AWebhookWakesIt", func(t *testing.T) {
		t.Parallel()
		g := newGate(t)
		p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			if step == ChargeMoney && n == 1 {
				return toBank, nil
			}
			if step == ChargeMoney {
				g.pass()
			}
			return well(ctx, step, n)
		})
		id := p.seals(1000)
		s := p.reaches(id, RequiresAction)
		require.Equal(t, "https://bank", s.NextAction.URL)
		require.Equal(t, 1, p.number("select count(*) from saga.streams where wake_at = $1", toBank.Deadline))
		unhandled := p.notifies(id)
		<-g.reached
		nobodys := p.notifies(uuid.New()) // its row goes, and takes along what else is handled
		p.eventually("the other message is handled", func() bool { return !nobodys() })
		require.True(t, unhandled(), "a crash now must not lose it")
		close(g.open)
		p.reaches(id, Completed)
		p.eventually("the message is handled once the saga has acted", func() bool { return !unhandled() })
	})
	t.Run("ACancellationWakesIt", func(t *testing.T) {
		t.Parallel()
		p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			if step == ChargeMoney && n == 1 {
				return toBank, nil
			}
			if step == ChargeMoney {
				return payment.Outcome{Result: payment.ResultRefused, Failure: &payment.Failure{Code: payment.CodeCancelled, Detail: "Cancelled."}}, nil
			}
			return well(ctx, step, n)
		})
		id := p.seals(1000)
		p.reaches(id, RequiresAction)
		p.says(payments, p.Payments.Store(), uuid.New(), payment.UndoRequested{CheckoutID: id, Code: payment.CodeCancelled})
		s := p.reaches(id, Cancelled)
		require.Equal(t, CodeCancelled, s.Failure.Code)
		for _, step := range []string{UndoPayment, CancelOrder, ReopenCart} {
			require.Equal(t, 1, p.called(step), step)
		}
	})
	t.Run("TheDeadlineWakesIt", func(t *testing.T) {
		t.Parallel()
		p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			if step == ChargeMoney && n == 1 {
				past := toBank
				past.Deadline = time.Now().Add(-time.Minute)
				return past, nil
			}
			return well(ctx, step, n)
		})
		p.reaches(p.seals(1000), Completed)
	})
}

// TestAVoidIsOwed: nobody waits for a void, and what was done meanwhile is on record.
func TestAVoidIsOwed(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		switch {
		case step == ChargeMoney:
			return payment.Outcome{Result: payment.ResultRefused, Failure: &payment.Failure{Code: payment.CodeDeclined, Detail: "No."}}, nil
		case step == UndoPayment && n < 4:
			return payment.Outcome{Result: payment.ResultVoiding}, nil
		case step == UndoPayment && n == 4:
			g.pass()
		}
		return well(ctx, step, n)
	})
	id := p.seals(1000)
	<-g.reached
	s := p.reaches(id, Compensating)
	require.True(t, s.done(CancelOrder), "the stock is released")
	require.True(t, s.done(ReopenCart), "the cart is open again")
	require.Equal(t, StepRetrying, s.Step(UndoPayment).Status)
	close(g.open)
	p.reaches(id, Failed)
	require.Equal(t, 1, p.called(CancelOrder))
	require.Equal(t, 1, p.called(ReopenCart))
}

func TestNeedsAttention(t *testing.T) {
	t.Parallel()
	t.Run("ADoubtTooLongIsForAPersonAndNewsResumeIt", func(t *testing.T) {
		t.Parallel()
		p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			if step == ChargeMoney && n <= 2 {
				return payment.Outcome{Result: payment.ResultUnknown}, nil
			}
			return well(ctx, step, n)
		}, func(c *Config) { c.StepDeadline = time.Nanosecond })
		id := p.seals(1000)
		p.reaches(id, NeedsAttention)
		require.Zero(t, p.called(CancelOrder), "the stock is held")
		require.Zero(t, p.number("select count(*) from saga.streams where wake_at is not null"))
		age, err := p.OldestUnfinished("checkout")
		require.NoError(t, err)
		require.Positive(t, age)
		p.notifies(id)
		p.reaches(id, Completed)
		age, err = p.OldestUnfinished("checkout")
		require.NoError(t, err)
		require.Zero(t, age)
	})
	t.Run("SoIsARefusalAfterThePivot", func(t *testing.T) {
		t.Parallel()
		p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			if step == ConfirmOrder {
				return payment.Outcome{}, fault.New(fault.Conflict, "order_cancelled", "This order was cancelled.")
			}
			return well(ctx, step, n)
		})
		id := p.seals(1000)
		s := p.reaches(id, NeedsAttention)
		require.Equal(t, "This order was cancelled.", s.Step(ConfirmOrder).Error)
		require.True(t, s.done(CompleteCart), "beside it, what must succeed did")
		require.Equal(t, 1, p.called(ConfirmOrder))
	})
}

// TestStop: the step under way ends, nothing new begins, and the next process finishes.
func TestStop(t *testing.T) {
	t.Parallel()
	url, g := pgtest.New(t), newGate(t)
	p := start(t, url, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		if step == ChargeMoney {
			g.pass()
		}
		return well(ctx, step, n)
	})
	id := p.seals(1000)
	<-g.reached
	stopped := make(chan error, 1)
	go func() { stopped <- p.stop() }()
	p.eventually("it is stopping", p.runner.isStopping)
	require.ErrorIs(t, p.runner.wake(t.Context(), uuid.New()), errStopping, "a message stays in the outbox")
	select {
	case <-stopped:
		require.Fail(t, "it stopped before its step had ended")
	default:
	}
	close(g.open)
	require.NoError(t, <-stopped)
	require.Zero(t, p.called(ConfirmOrder))
	types, _ := p.log(id)
	require.Equal(t, []string{"saga.started"}, types)

	next := start(t, url, well, alone)
	next.reaches(id, Completed)
	_, writes := next.log(id)
	require.Equal(t, 2, writes)
}

// TestASweepTakesOver: of a process that is gone, on a database that others share.
func TestASweepTakesOver(t *testing.T) {
	t.Parallel()
	url, g := pgtest.New(t), newGate(t)
	p := start(t, url, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		g.pass()
		return well(ctx, step, n)
	})
	id := p.seals(1000)
	<-g.reached // and stands
	other := start(t, url, well)
	other.eventually("the other one takes over", func() bool { // the frozen one's own sweep may claim it too, in vain
		_, err := other.Query.Exec(t.Context(), "update saga.streams set wake_at = now() where id = $1 and status = 'running'", id)
		require.NoError(t, err)
		saga, err := sagas.Load(t.Context(), other.store, id)
		require.NoError(t, err)
		return saga.State.Status == Completed
	})
	close(g.open) // it wakes, takes its steps again, and finds that its record does not count
	p.eventually("the frozen one is through", func() bool {
		p.runner.mu.Lock()
		defer p.runner.mu.Unlock()
		return len(p.runner.active) == 0
	})
	types, writes := p.log(id)
	require.Len(t, types, 6)
	require.Equal(t, 2, writes)
	require.Equal(t, 1, p.number("select count(*) from saga.events where type = 'saga.ended'"))
}

// TestAStoreThatFailedIsTriedAgain by the process that has the saga in hand: here no sweep would.
func TestAStoreThatFailedIsTriedAgain(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	p := start(t, pgtest.New(t), func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		if step == ChargeMoney && n == 1 {
			g.pass()
		}
		return well(ctx, step, n)
	})
	id := p.seals(1000)
	<-g.reached
	exec := func(sql string) {
		_, err := p.Query.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	exec("alter table saga.events add constraint broken check (false) not valid")
	exec("update saga.streams set wake_at = null")
	close(g.open)
	p.eventually("it stands still", func() bool {
		p.runner.mu.Lock()
		defer p.runner.mu.Unlock()
		return len(p.runner.active) == 0
	})
	exec("alter table saga.events drop constraint broken")
	p.reaches(id, Completed)
}

// TestTwoProcessesDrive the same saga: what is sent may double, one record stands.
func TestTwoProcessesDrive(t *testing.T) {
	t.Parallel()
	url, g := pgtest.New(t), newGate(t)
	both := func(ctx context.Context, step string, n int) (payment.Outcome, error) {
		if step == ChargeMoney && n == 1 {
			g.pass()
			return payment.Outcome{Result: payment.ResultUnknown}, nil
		}
		return well(ctx, step, n)
	}
	one, other := start(t, url, both), start(t, url, both)
	id := one.seals(1000)
	<-g.reached
	other.runner.begin(id, pass{woken: true})
	<-g.reached
	close(g.open)
	s := one.reaches(id, Completed)
	require.Equal(t, 2, s.Step(ChargeMoney).Attempts, "one of the two doubts is on record")
	types, writes := other.log(id)
	require.Len(t, types, 1+2+4, "%v", types)
	require.Equal(t, 3, writes)
}

// TestAnUnknownDefinitionIsLeftAlone by a program that is older than the saga.
func TestAnUnknownDefinitionIsLeftAlone(t *testing.T) {
	t.Parallel()
	p := start(t, pgtest.New(t), well)
	id, e := uuid.New(), begun(1000)
	e.Definition = 99
	_, err := p.store.Do(t.Context(), eventstore.Command{
		Streams: []eventstore.Ref{sagas.Ref(id)},
		Decide:  func(tx *eventstore.Tx) error { sagas.Append(tx, id, e); return nil },
	})
	require.NoError(t, err)
	require.ErrorContains(t, p.runner.wake(t.Context(), id), "unknown definition")
	require.Zero(t, p.called(PlaceOrder))
}
