package saga

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// A saga is written when it starts, when it must wait or compensate, and when it ends. The steps in between are read from the streams
// of the other modules. So any process can show a running checkout, without a commit for each step.

// withRunning adds the steps that a running saga executes now.
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

// progressTimeout limits the reads from the other modules.
const progressTimeout = 2 * time.Second

// withProgress adds the completed steps that a running checkout has not written yet. It reads two streams, and none for a saga that waits,
// compensates or has ended.
func (m *Module) withProgress(ctx context.Context, saga eventstore.Stream[State]) eventstore.Stream[State] {
	s := saga.State
	if s.Type != checkout.Type || s.Status != Running || s.Failure != nil || len(s.Steps) > 0 {
		return saga
	}
	ctx, cancel := context.WithTimeout(ctx, progressTimeout)
	defer cancel()
	orders, err := m.Orders.Records().ByID(ctx, []uuid.UUID{s.Checkout.OrderID})
	placed := orders[s.Checkout.OrderID]
	if err != nil || !placed.Placed {
		return saga // the order is not placed, or cannot be read now
	}
	payments, _ := m.Payments.Records().ByID(ctx, []uuid.UUID{s.Checkout.PaymentID}) // without them, fewer steps are shown
	charged := payments[s.Checkout.PaymentID]
	done := func(step string, at time.Time) {
		saga.State = evolve(saga.State, StepDone{Step: step, BeganAt: saga.State.At, At: at})
	}
	switch {
	case placed.Sold: // the confirmation changed the order last, and the capture the payment
		done(PlaceOrder, s.At)
		if charged.Requested {
			done(ChargeMoney, charged.UpdatedAt)
		}
		done(ConfirmOrder, placed.UpdatedAt)
	case charged.Requested && charged.Captured > 0:
		done(PlaceOrder, placed.UpdatedAt)
		done(ChargeMoney, charged.UpdatedAt)
	case placed.Pending:
		done(PlaceOrder, placed.UpdatedAt)
	}
	return saga
}
