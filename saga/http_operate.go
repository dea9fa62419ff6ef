package saga

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/trace"

	"shopping-cart/eventstore"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
)

// operatorRoutes adds the actions of operators.
func (m *Module) operatorRoutes(s *web.Server) {
	operators := s.Scoped(web.ScopeSagasOperate)
	operators.POST("/v1/admin/sagas/:id/retry", m.retrySaga)
	operators.POST("/v1/admin/sagas/:id/compensate", m.compensateSaga)
	operators.POST("/v1/admin/sagas/:id/skip", m.skipStep)
	operators.POST("/v1/admin/sagas/:id/settle", m.settleStep)
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

// retrySaga retries the steps of a saga at once.
//
//	@Summary		Retry the steps of a saga now
//	@Description	Steps that wait are due at once; steps that need attention get a new deadline.
//	@ID				retrySaga
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			id				path		string	true	"Saga"	format(uuid)
//	@Param			body			body		remark	false	"The reason"
//	@Param			Idempotency-Key	header		string	false	"Repeating a request with the same key returns the original response"
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
	return m.act(c, saga, r.Write, r.Body.Reason, retry)
}

// compensateSaga compensates a checkout.
//
//	@Summary		Compensate a checkout before its capture is certain
//	@Description	The payment is voided, and any captured amount is refunded, also if the capture is in doubt. Cancellations and refunds cannot be compensated.
//	@ID				compensateSaga
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			id				path		string	true	"Saga"	format(uuid)
//	@Param			body			body		remark	false	"The reason"
//	@Param			Idempotency-Key	header		string	false	"Repeating a request with the same key returns the original response"
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
	answered, err := m.store.Processed(ctx, KeyOf(r.Write))
	if err == nil && !answered { // the payment decides first: a process may have died before it wrote to the saga
		answered, err = m.Payments.Store().Processed(ctx, KeyOf(r.Write))
	}
	if err != nil {
		return err
	}
	if !answered {
		if _, err := requestCompensation(s, "", s.At); err != nil {
			return err
		}
	}
	if !answered && s.Checkout.Total > 0 { // the payment decides, and its event wakes the saga even if this process dies
		if _, err := m.Payments.Cancel(ctx, r.Write, payment.Cancel{
			PaymentID: s.Checkout.PaymentID, CheckoutID: saga.ID, CustomerID: s.CustomerID, Insists: true,
		}); err != nil {
			return err
		}
	}
	return m.act(c, saga, r.Write, r.Body.Reason, confirmCompensation)
}

// skipStep gives up a step.
//
//	@Summary		Skip a step that needs attention
//	@Description	Refused if money, stock or the order depends on the step.
//	@ID				skipStep
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			id				path		string			true	"Saga"	format(uuid)
//	@Param			body			body		reasonRequest	true	"The reason"
//	@Param			Idempotency-Key	header		string			false	"Repeating a request with the same key returns the original response"
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
	return m.act(c, saga, r.Write, r.Body.Reason, skip)
}

// settleStep records an operator's outcome of a payment.
//
//	@Summary		Set the outcome of a payment that is in doubt
//	@Description	`captured` and `not_captured` are allowed if a checkout needs attention for a capture and the provider does not answer. `captured` confirms the order at once, and asks the provider until it confirms the capture. If the provider denies it, the checkout needs attention again. `not_captured` frees stock and cart at once, and refunds a capture that took effect after all. `refunded` is allowed for an owed refund that the provider refused for good: the amount was refunded by other means, or is not owed any more.
//	@ID				settleStep
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			id				path		string			true	"Saga"	format(uuid)
//	@Param			body			body		settleRequest	true	"The outcome, and how you know it"
//	@Param			Idempotency-Key	header		string			false	"Repeating a request with the same key returns the original response"
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
	replayed, err := m.Payments.Store().Processed(ctx, KeyOf(r.Write))
	if err == nil && !replayed {
		replayed, err = m.settlePayment(ctx, saga, r.Write, payment.Resolution(r.Body.Outcome), r.Body.Reason)
	}
	if err != nil {
		return err
	}
	return m.accepted(c, saga.ID, r.Write, replayed)
}

// settlePayment settles the payment. Its event reaches the saga by stepSettled.
func (m *Module) settlePayment(
	ctx context.Context, saga eventstore.Stream[State], write web.Write, outcome payment.Resolution, reason string,
) (replayed bool, err error) {
	if _, err := settle(saga.State, outcome); err != nil {
		return false, err
	}
	paymentID := saga.State.Checkout.PaymentID
	if saga.State.Cancellation != nil {
		paymentID = saga.State.Cancellation.PaymentID
	}
	return m.Payments.Resolve(ctx, write, payment.Resolve{
		PaymentID: paymentID, CheckoutID: saga.ID, Outcome: outcome, Reason: reason,
	})
}

// stepSettled records the outcome in the saga, and wakes it.
func (m *Module) stepSettled(ctx context.Context, e eventstore.Message[payment.Resolved]) error {
	id, at := e.Event.CheckoutID, m.store.Now()
	cmd := eventstore.Command{
		ID:   CommandID(id, "settled/"+e.Meta.EventID.String()),
		Meta: eventstore.Meta{Actor: e.Meta.Actor, Correlation: id}, Named: "settle",
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

// readSaga reads the request of an operator and the saga in its path.
func readSaga[T any](m *Module, c echo.Context, needs web.Needs) (saga eventstore.Stream[State], r web.Request[T], err error) {
	needs.Visible = func(id uuid.UUID) (err error) {
		saga, err = m.load(c.Request().Context(), id)
		return err
	}
	r, err = web.Read[T](c, needs)
	return saga, r, err
}

// KeyOf returns the Idempotency-Key of a request, or none.
func KeyOf(write web.Write) eventstore.IdempotencyKey {
	if !write.Keyed {
		return eventstore.IdempotencyKey{}
	}
	return eventstore.IdempotencyKey{ID: write.ID, Fingerprint: write.Fingerprint}
}

// act decides on the newest state of a saga for an operator, who gave a reason, and wakes the saga.
func (m *Module) act(
	c echo.Context, saga eventstore.Stream[State], write web.Write, reason string, decide func(s State, reason string, at time.Time) ([]Event, error),
) error {
	at, note := m.store.Now(), m.store.NewNote(reason)
	cmd := eventstore.Command{
		ID: write.ID, Fingerprint: write.Fingerprint, Note: note, Subject: write.Caller.Subject, Operator: write.Caller.Operator(),
		Meta: eventstore.Meta{Actor: write.Actor, Correlation: saga.ID}, Named: "operate",
	}
	act := func(_ *eventstore.Tx, now eventstore.Stream[State]) ([]Event, error) {
		return decide(now.State, note.Reference(), at)
	}
	receipt, err := sagas.Handle(c.Request().Context(), m.store, saga.ID, cmd, act)
	if err != nil {
		return err
	}
	if !receipt.Replayed {
		m.notifier.notify(eventstore.Stream[State]{ID: saga.ID})
		m.runner.begin(saga.ID, pass{woken: true, cause: trace.SpanContextFromContext(c.Request().Context())})
	}
	return m.accepted(c, saga.ID, write, receipt.Replayed)
}

// accepted responds with the newest state of the saga.
func (m *Module) accepted(c echo.Context, id uuid.UUID, write web.Write, replayed bool) error {
	ctx := c.Request().Context()
	web.Replayed(c, replayed)
	if !replayed {
		m.Log.InfoContext(ctx, "operator acted on a saga", "saga", id, "route", c.Path(), "actor", write.Actor)
	}
	saga, err := sagas.Load(ctx, m.store, id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, operatorsViewOf(saga))
}
