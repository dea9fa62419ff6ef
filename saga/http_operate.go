package saga

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
)

// operatorRoutes adds what operators can do about a saga.
func (m *Module) operatorRoutes(s *web.Server) {
	admin := s.Scoped(web.ScopeAdmin)
	admin.POST("/v1/admin/sagas/:id/retry", m.retrySaga)
	admin.POST("/v1/admin/sagas/:id/compensate", m.compensateSaga)
	admin.POST("/v1/admin/sagas/:id/skip", m.skipStep)
	admin.POST("/v1/admin/sagas/:id/settle", m.settleStep)
}

type remark struct {
	Reason string `json:"reason,omitempty" validate:"omitempty,visible,max=500" text:"lines" example:"The provider is back."`
}

type reasonRequest struct {
	Reason string `json:"reason" validate:"required,visible,max=500" text:"lines" example:"The cart was erased; the order stands."`
}

type settleRequest struct {
	Outcome string `json:"outcome" validate:"required,oneof=captured not_captured refunded" enums:"captured,not_captured,refunded"`
	Reason  string `json:"reason" validate:"required,visible,max=500" text:"lines" example:"The provider's support, case 4711."`
}

// retrySaga tries at once what a saga would try later, or not at all.
//
//	@Summary		Try the steps of a saga again, now
//	@Description	Those that wait are due at once; those that need attention get another deadline. For operators: scope `admin`.
//	@ID				retrySaga
//	@Tags			operators
//	@Security		Bearer
//	@Param			id				path		string	true	"Saga"	format(uuid)
//	@Param			body			body		remark	false	"Why"
//	@Param			Idempotency-Key	header		string	false	"The same key again is answered, not done again"
//	@Success		202				{object}	View
//	@Failure		400				{object}	web.Problem	"malformed_json"
//	@Failure		401,403			{object}	web.Problem
//	@Failure		404				{object}	web.Problem	"not_found"
//	@Failure		409				{object}	web.Problem	"saga_ended"
//	@Failure		413,415			{object}	web.Problem
//	@Failure		422				{object}	web.Problem	"validation_failed, unknown_field, idempotency_key_reused"
//	@Router			/v1/admin/sagas/{id}/retry [post]
func (m *Module) retrySaga(c echo.Context) error {
	saga, r, err := readSaga[remark](m, c, web.Needs{Optional: true})
	if err != nil {
		return err
	}
	return m.act(c, saga, r.Write, func(s State, at time.Time) ([]Event, error) { return retry(s, r.Body.Reason, at) })
}

// compensateSaga turns a saga.
//
//	@Summary		Undo a checkout that has not been paid for certain
//	@Description	Also one whose capture is in doubt: nothing is captured any more, and what was is given back. Cancellations and refunds only go forward. For operators: scope `admin`.
//	@ID				compensateSaga
//	@Tags			operators
//	@Security		Bearer
//	@Param			id				path		string	true	"Saga"	format(uuid)
//	@Param			body			body		remark	false	"Why"
//	@Param			Idempotency-Key	header		string	false	"The same key again is answered, not done again"
//	@Success		202				{object}	View
//	@Failure		400				{object}	web.Problem	"malformed_json"
//	@Failure		401,403			{object}	web.Problem
//	@Failure		404				{object}	web.Problem	"not_found"
//	@Failure		409				{object}	web.Problem	"saga_ended, already_compensating, too_late, cannot_be_undone"
//	@Failure		413,415			{object}	web.Problem
//	@Failure		422				{object}	web.Problem	"validation_failed, unknown_field, idempotency_key_reused"
//	@Router			/v1/admin/sagas/{id}/compensate [post]
func (m *Module) compensateSaga(c echo.Context) error {
	saga, r, err := readSaga[remark](m, c, web.Needs{Optional: true})
	if err != nil {
		return err
	}
	ctx, s := c.Request().Context(), saga.State
	answered, err := m.store.Processed(ctx, OnceOf(r.Write))
	if err == nil && !answered { // the payment decides before the saga: a process that died in between recorded only the payment's answer
		answered, err = m.Payments.Store().Processed(ctx, OnceOf(r.Write))
	}
	if err != nil {
		return err
	}
	if !answered {
		if _, err := requestCompensation(s, r.Body.Reason, s.At); err != nil {
			return err
		}
	}
	if !answered && s.Checkout.Total > 0 { // the payment alone decides; its tombstone turns the saga, whatever becomes of us
		if _, err := m.Payments.Cancel(ctx, r.Write, payment.Cancel{
			PaymentID: s.Checkout.PaymentID, CheckoutID: saga.ID, CustomerID: s.CustomerID, Insists: true,
		}); err != nil {
			return err
		}
	}
	return m.act(c, saga, r.Write, func(s State, at time.Time) ([]Event, error) { return confirmCompensation(s, r.Body.Reason, at) })
}

// skipStep gives up a step that cannot succeed.
//
//	@Summary		Give up the step of a saga that needs attention
//	@Description	Only one that neither money nor stock nor the order depends on. For operators: scope `admin`.
//	@ID				skipStep
//	@Tags			operators
//	@Security		Bearer
//	@Param			id				path		string			true	"Saga"	format(uuid)
//	@Param			body			body		reasonRequest	true	"Why"
//	@Param			Idempotency-Key	header		string			false	"The same key again is answered, not done again"
//	@Success		202				{object}	View
//	@Failure		400				{object}	web.Problem	"malformed_json"
//	@Failure		401,403			{object}	web.Problem
//	@Failure		404				{object}	web.Problem	"not_found"
//	@Failure		409				{object}	web.Problem	"saga_ended, not_stuck, step_needed"
//	@Failure		413,415			{object}	web.Problem
//	@Failure		422				{object}	web.Problem	"validation_failed, unknown_field, idempotency_key_reused"
//	@Router			/v1/admin/sagas/{id}/skip [post]
func (m *Module) skipStep(c echo.Context) error {
	saga, r, err := readSaga[reasonRequest](m, c, web.Needs{})
	if err != nil {
		return err
	}
	return m.act(c, saga, r.Write, func(s State, at time.Time) ([]Event, error) { return skip(s, r.Body.Reason, at) })
}

// settleStep takes a person's word for what became of a payment.
//
//	@Summary		Say what became of a payment that is in doubt
//	@Description	Captured and not captured: only where the provider cannot be asked, and a checkout needs attention for it. Captured: the order is confirmed at once, and the provider is asked until it says so too; it denies it, and the checkout needs attention again. Not captured: stock and cart are free at once, and what was captured after all is given back. Refunded: only for a refund that is owed and that the provider refused for good; it was refunded by other means, or is not owed any more. For operators: scope `admin`.
//	@ID				settleStep
//	@Tags			operators
//	@Security		Bearer
//	@Param			id				path		string			true	"Saga"	format(uuid)
//	@Param			body			body		settleRequest	true	"What became of it, and how you know"
//	@Param			Idempotency-Key	header		string			false	"The same key again is answered, not done again"
//	@Success		202				{object}	View
//	@Failure		400				{object}	web.Problem	"malformed_json"
//	@Failure		401,403			{object}	web.Problem
//	@Failure		404				{object}	web.Problem	"not_found"
//	@Failure		409				{object}	web.Problem	"saga_ended, not_stuck, not_in_doubt, cannot_be_captured, already_settled, not_refused, provider_answers with provider_says"
//	@Failure		413,415			{object}	web.Problem
//	@Failure		422				{object}	web.Problem	"validation_failed, unknown_field, idempotency_key_reused"
//	@Router			/v1/admin/sagas/{id}/settle [post]
func (m *Module) settleStep(c echo.Context) error {
	saga, r, err := readSaga[settleRequest](m, c, web.Needs{})
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	replayed, err := m.Payments.Store().Processed(ctx, OnceOf(r.Write))
	if err == nil && !replayed {
		replayed, err = m.settlePayment(ctx, saga, r.Write, payment.Settlement(r.Body.Outcome), r.Body.Reason)
	}
	if err != nil {
		return err
	}
	return m.accepted(c, saga.ID, r.Write, replayed)
}

// settlePayment lets the payment decide. What it took, its event tells the saga: see stepSettled.
func (m *Module) settlePayment(
	ctx context.Context, saga eventstore.Stream[State], write web.Write, outcome payment.Settlement, reason string,
) (replayed bool, err error) {
	if _, err := settle(saga.State, outcome); err != nil {
		return false, err
	}
	paymentID := saga.State.Checkout.PaymentID
	if saga.State.Cancellation != nil {
		paymentID = saga.State.Cancellation.PaymentID
	}
	return m.Payments.Settle(ctx, write, payment.Settle{
		PaymentID: paymentID, CheckoutID: saga.ID, Outcome: outcome, Reason: reason,
	})
}

// stepSettled records in the saga what was settled in its payment, and lets it go on.
func (m *Module) stepSettled(ctx context.Context, e eventstore.Message[payment.Settled]) error {
	id, at := e.Event.CheckoutID, m.store.Now()
	cmd := eventstore.Command{
		ID:   CommandID(id, "settled/"+e.Meta.EventID.String()),
		Meta: eventstore.Meta{Actor: e.Meta.Actor, Correlation: id, Trace: e.Meta.Trace},
	}
	_, err := sagas.Handle(ctx, m.store, id, cmd, func(_ *eventstore.Tx, saga eventstore.Stream[State]) ([]Event, error) {
		return settledBy(saga.State, e.Event, at), nil
	})
	if err != nil {
		return err
	}
	m.notifier.notify(eventstore.Stream[State]{ID: id})
	return m.runner.wake(ctx, id)
}

// readSaga reads what an operator asks for about the saga that the path names.
func readSaga[T any](m *Module, c echo.Context, needs web.Needs) (saga eventstore.Stream[State], r web.Request[T], err error) {
	needs.Visible = func(id uuid.UUID) (err error) {
		saga, err = m.load(c.Request().Context(), id)
		return err
	}
	r, err = web.Read[T](c, needs)
	return saga, r, err
}

// OnceOf is what makes a request happen once, where it has an Idempotency-Key.
func OnceOf(write web.Write) eventstore.IdempotencyKey {
	if !write.Keyed {
		return eventstore.IdempotencyKey{}
	}
	return eventstore.IdempotencyKey{ID: write.ID, Fingerprint: write.Fingerprint}
}

// act decides on the saga as it is, on behalf of an operator, and wakes whoever drives it.
func (m *Module) act(c echo.Context, saga eventstore.Stream[State], write web.Write, decide func(State, time.Time) ([]Event, error)) error {
	at := m.store.Now()
	cmd := eventstore.Command{
		ID: write.ID, Fingerprint: write.Fingerprint,
		Meta: eventstore.Meta{Actor: write.Actor, Correlation: saga.ID, Trace: write.Trace},
	}
	act := func(_ *eventstore.Tx, now eventstore.Stream[State]) ([]Event, error) { return decide(now.State, at) }
	receipt, err := sagas.Handle(c.Request().Context(), m.store, saga.ID, cmd, act)
	if err != nil {
		return err
	}
	if !receipt.Replayed {
		m.notifier.notify(eventstore.Stream[State]{ID: saga.ID})
		m.runner.begin(saga.ID, pass{woken: true})
	}
	return m.accepted(c, saga.ID, write, receipt.Replayed)
}

// accepted shows the saga as it is by now.
func (m *Module) accepted(c echo.Context, id uuid.UUID, write web.Write, replayed bool) error {
	ctx := c.Request().Context()
	web.Replayed(c, replayed)
	if !replayed {
		m.Log.InfoContext(ctx, "an operator acts on a saga", "saga", id, "route", c.Path(), "actor", write.Actor)
	}
	saga, err := sagas.Load(ctx, m.store, id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, operatorsViewOf(saga))
}
