package saga

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// A saga writes when it starts, when it must wait or turn, and when it ends. What it does in between, the streams of the other
// modules tell: so a checkout that is under way is shown as it is, whichever replica drives it and without a commit more.

// withRunning is the state with the first attempts that are being made: a saga that neither waits nor has ended is driven, or will be
// taken over, and is busy with the steps that its definition asks for.
func withRunning(s State, d definition) State {
	if d.react == nil || s.Status != Running && s.Status != Compensating {
		return s
	}
	for _, next := range d.react(s).Do {
		if s.Step(next.Step).Status == StepPending {
			s.Steps = append(s.Steps[:len(s.Steps):len(s.Steps)], Step{Name: next.Step, Status: StepIsRunning, Attempts: 1, StartedAt: s.At})
		}
	}
	return s
}

// knownWithin bounds what the other modules may take to say how far a checkout is.
const knownWithin = 2 * time.Second

// asKnown is a running checkout with the steps that went well and are not written yet. Two streams are read where there may be
// some, and none of a saga that waits, has turned or has ended.
func (m *Module) asKnown(ctx context.Context, saga eventstore.Stream[State]) eventstore.Stream[State] {
	s := saga.State
	if s.Type != checkout.Type || s.Status != Running || s.Failure != nil || len(s.Steps) > 0 {
		return saga
	}
	ctx, cancel := context.WithTimeout(ctx, knownWithin)
	defer cancel()
	orders, err := m.Orders.Records().ByID(ctx, []uuid.UUID{s.Checkout.OrderID})
	if err != nil || len(orders) == 0 || !orders[0].Placed {
		return saga // what cannot be read now is shown as not known
	}
	done := func(step string, at time.Time) {
		saga.State = evolve(saga.State, StepDone{Step: step, BeganAt: saga.State.At, At: at})
	}
	payments, err := m.Payments.Book().ByID(ctx, []uuid.UUID{s.Checkout.PaymentID})
	charging := err == nil && len(payments) > 0 && payments[0].Requested
	switch {
	case orders[0].Sold && charging: // the order was touched by its confirmation last, the payment by its capture
		done(PlaceOrder, s.At)
		done(ChargeMoney, payments[0].UpdatedAt)
		done(ConfirmOrder, orders[0].UpdatedAt)
	case orders[0].Sold:
		done(PlaceOrder, s.At)
		done(ConfirmOrder, orders[0].UpdatedAt)
	case charging && payments[0].Captured > 0:
		done(PlaceOrder, orders[0].UpdatedAt)
		done(ChargeMoney, payments[0].UpdatedAt)
	case orders[0].Pending:
		done(PlaceOrder, orders[0].UpdatedAt)
	}
	return saga
}
