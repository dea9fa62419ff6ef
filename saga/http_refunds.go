package saga

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// RefundView is a refund.
type RefundView struct {
	ID     uuid.UUID    `json:"id" format:"uuid"` // also of its saga
	Amount money.Amount `json:"amount"`
	Status string       `json:"status" enums:"pending,succeeded"`
	Reason string       `json:"reason" example:"One mug was broken."`
}

type refundRequest struct {
	Amount *amountRequest `json:"amount,omitempty"` // the rest, if there is none
	Reason string         `json:"reason" validate:"required,visible,max=500" text:"lines" example:"One mug was broken."`
}

type amountRequest struct {
	Amount   *int64 `json:"amount" validate:"required,min=1,max=9007199254740991" example:"500"`
	Currency string `json:"currency" validate:"required,currency" example:"GBP"`
}

// postRefund refunds an order, or a part of it.
//
//	@Summary		Refund an order, or a part of it
//	@Description	Refunds the given amount, or the rest. Completed and pending refunds together never exceed the captured amount. A refund without an outcome is retried in the background; repeat the request with the same key to see its status.
//	@ID				refundOrder
//	@Tags			orders
//	@Security		BearerAuth[refunds:write]
//	@Param			id				path		string			true	"Order"	format(uuid)
//	@Param			body			body		refundRequest	true	"The amount and the reason"
//	@Param			Idempotency-Key	header		string			true	"Repeating a request with the same key returns the original response"
//	@Param			If-Match		header		string			false	"The version of the order, quoted"
//	@Param			Prefer			header		string			false	"wait=N: wait for the outcome, at most 30 seconds"
//	@Success		201				{object}	RefundView		"The amount is refunded"
//	@Success		202				{object}	RefundView		"The outcome is not known yet"
//	@Failure		400				{object}	web.Problem		"malformed_json, idempotency_key_required"
//	@Failure		401,403			{object}	web.Problem
//	@Failure		404				{object}	web.Problem	"not_found"
//	@Failure		409				{object}	web.Problem	"not_captured; refund_failed with refund_id"
//	@Failure		412				{object}	web.Problem	"version_mismatch"
//	@Failure		413,415			{object}	web.Problem
//	@Failure		422				{object}	web.Problem	"validation_failed, unknown_field, exceeds_captured with left, currency_mismatch, amount_not_chargeable, idempotency_key_reused"
//	@Router			/v1/orders/{id}/refunds [post]
func (m *Module) postRefund(c echo.Context) error {
	ctx := c.Request().Context()
	var paid order.PaymentRef
	r, err := web.Read[refundRequest](c, web.Needs{Key: true, Wait: true, Visible: func(id uuid.UUID) (err error) {
		paid, err = m.Orders.PaymentRef(ctx, web.CallerOf(c), id)
		return err
	}})
	if err != nil {
		return err
	}
	wish := payment.RequestRefund{PaymentID: paid.PaymentID, Reason: r.Body.Reason, Limit: r.Caller.RefundLimit()}
	if named := r.Body.Amount; named != nil {
		amount := money.Of(*named.Amount, named.Currency)
		wish.Amount = &amount
	}
	if match := r.Write.IfMatch; match != nil && *match != paid.Version {
		wish.Unless = eventstore.ErrVersionMismatch.With("version", paid.Version)
	}
	requested, err := m.Payments.RequestRefund(ctx, r.Write, wish)
	if err != nil {
		return err
	}
	web.Replayed(c, requested.Replayed)
	saga, err := m.awaitRefund(ctx, requested, r.Wait)
	if err != nil {
		return err
	}
	return m.answerRefund(c, saga)
}

// awaitRefund waits until a refund was tried and then, while the client prefers to wait, until it has ended or needs attention.
func (m *Module) awaitRefund(ctx context.Context, r payment.RequestedRefund, patience time.Duration) (eventstore.Stream[State], error) {
	began := time.Now()
	saga, err := m.await(ctx, eventstore.Stream[State]{ID: r.RefundID}, !r.Replayed, max(patience, startTimeout), func(s State) bool {
		return isQuiescent(s) || s.Step(RefundMoney).Attempts > 0
	})
	if err != nil {
		return saga, err
	}
	return m.await(ctx, saga, false, patience-time.Since(began), isQuiescent)
}

func (m *Module) answerRefund(c echo.Context, saga eventstore.Stream[State]) error {
	r := saga.State.Refund
	v := RefundView{ID: saga.ID, Amount: r.money(), Status: "pending", Reason: r.Reason}
	if err := m.store.Reveal(c.Request().Context(), &v.Reason); err != nil {
		return err
	}
	switch {
	case saga.State.Status == Failed:
		return errRefundFailed.With("refund_id", saga.ID)
	case saga.State.Status == Completed, saga.State.done(RefundMoney):
		v.Status = "succeeded"
		return c.JSON(http.StatusCreated, v)
	}
	return c.JSON(http.StatusAccepted, v)
}
