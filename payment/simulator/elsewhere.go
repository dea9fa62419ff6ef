package simulator

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"shopping-cart/payment"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

var (
	errNotCaptured   = fault.New(fault.Conflict, "not_captured", "Nothing of this payment was captured, so nothing can be refunded.")
	errTooMuch       = fault.New(fault.Invalid, "exceeds_captured", "The amount is more than can still be refunded.")
	errOtherCurrency = fault.New(fault.Invalid, "currency_mismatch", "The payment is in another currency.")
)

const saveElsewhere = `insert into simulator.refunds_elsewhere (id, reference, kind, amount) values ($1, $2, $3, $4)`

// elsewhereOf returns the kind of refund that a payment method causes right after its capture.
func elsewhereOf(token string) (kind payment.ElsewhereKind, ok bool) {
	switch token {
	case tokenRefundedElsewhere:
		return payment.ElsewhereRefund, true
	case tokenDisputed:
		return payment.ElsewhereDispute, true
	}
	return "", false
}

// webhooksElsewhere are the types of the webhooks about refunds made elsewhere.
var webhooksElsewhere = map[payment.ElsewhereKind]string{
	payment.ElsewhereRefund: "payment.refunded", payment.ElsewhereDispute: "payment.dispute_lost",
}

// refundElsewhere refunds a captured amount without a call of the shop, and queues the webhook about it.
func (s *Simulator) refundElsewhere(b *pgx.Batch, a *account, kind payment.ElsewhereKind, amount int64) error {
	n, body, err := s.newEvent(*a, webhooksElsewhere[kind])
	if err != nil {
		return err
	}
	a.Refunded += amount
	b.Queue(saveElsewhere, "elsewhere_"+uuid.Must(uuid.NewV7()).String(), a.Reference, kind, amount)
	b.Queue(writeLedger, a.Reference, opRefund, amount, a.Currency)
	b.Queue(saveAccount, a.Reference, a.Status, a.Code, a.Answered, a.Captured, a.Refunded)
	b.Queue(queueWebhook, n.ID, n.Type, n.Reference, body, time.Duration(0))
	return nil
}

// elsewhereRequest is the body of a refund or a dispute in the dashboard.
type elsewhereRequest struct {
	Amount *amountRequest `json:"amount,omitempty"` // absent: the remaining amount
}

// amountRequest is an amount in a request, in minor units.
type amountRequest struct {
	Amount   *int64 `json:"amount" validate:"required,min=1,max=9007199254740991" example:"500"`
	Currency string `json:"currency" validate:"required,currency" example:"GBP"`
}

// Returned is a payment after a refund in the dashboard.
type Returned struct {
	Reference string       `json:"reference" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"`
	Captured  money.Amount `json:"captured"`
	Refunded  money.Amount `json:"refunded"` // in total
}

// refundInDashboard refunds a payment without the shop.
//
//	@Summary		Refund a payment in the simulator's dashboard
//	@Description	Refunds a payment without a call of the shop, and sends it a signed webhook.
//	@ID				refundAtProvider
//	@Tags			simulator
//	@Security		BearerAuth[admin]
//	@Param			reference	path		string				true	"payment"
//	@Param			body		body		elsewhereRequest	false	"Without an amount: the remaining amount"
//	@Success		200			{object}	Returned
//	@Failure		400			{object}	web.Problem	"malformed_json"
//	@Failure		401,403		{object}	web.Problem
//	@Failure		404			{object}	web.Problem	"not_found"
//	@Failure		409			{object}	web.Problem	"not_captured"
//	@Failure		413,415		{object}	web.Problem
//	@Failure		422			{object}	web.Problem	"validation_failed, unknown_field, exceeds_captured, currency_mismatch"
//	@Router			/simulator/payments/{reference}/refund [post]
func (s *Simulator) refundInDashboard(c echo.Context) error {
	return s.refundRequested(c, payment.ElsewhereRefund)
}

// dispute refunds a payment as a lost dispute does.
//
//	@Summary		Lose a dispute about a payment
//	@Description	Refunds a payment as a lost chargeback does, and sends the shop a signed webhook.
//	@ID				disputeAtProvider
//	@Tags			simulator
//	@Security		BearerAuth[admin]
//	@Param			reference	path		string				true	"payment"
//	@Param			body		body		elsewhereRequest	false	"Without an amount: the remaining amount"
//	@Success		200			{object}	Returned
//	@Failure		400			{object}	web.Problem	"malformed_json"
//	@Failure		401,403		{object}	web.Problem
//	@Failure		404			{object}	web.Problem	"not_found"
//	@Failure		409			{object}	web.Problem	"not_captured"
//	@Failure		413,415		{object}	web.Problem
//	@Failure		422			{object}	web.Problem	"validation_failed, unknown_field, exceeds_captured, currency_mismatch"
//	@Router			/simulator/payments/{reference}/dispute [post]
func (s *Simulator) dispute(c echo.Context) error {
	return s.refundRequested(c, payment.ElsewhereDispute)
}

func (s *Simulator) refundRequested(c echo.Context, kind payment.ElsewhereKind) error {
	reference, err := referenceOf(c)
	if err != nil {
		return err
	}
	body, err := web.OptionalBody[elsewhereRequest](c)
	if err != nil {
		return err
	}
	var amount *money.Amount
	if body.Amount != nil {
		named := money.Of(*body.Amount.Amount, body.Amount.Currency)
		amount = &named
	}
	a, err := s.refundCaptured(c.Request().Context(), reference, kind, amount)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, Returned{a.Reference, money.Of(a.Captured, a.Currency), money.Of(a.Refunded, a.Currency)})
}

// refundCaptured stores a refund and the webhook about it.
func (s *Simulator) refundCaptured(ctx context.Context, reference string, kind payment.ElsewhereKind, amount *money.Amount) (account, error) {
	return s.change(ctx, reference, func(tx pgx.Tx, a *account) error {
		back, err := a.refundable(amount)
		if err != nil {
			return err
		}
		var b pgx.Batch
		if err := s.refundElsewhere(&b, a, kind, back); err != nil {
			return err
		}
		return tx.SendBatch(ctx, &b).Close()
	})
}

// refundable returns the amount to refund: the given one, or the remaining one.
func (a account) refundable(amount *money.Amount) (int64, error) {
	left := a.Captured - a.Refunded
	switch {
	case a.Captured == 0:
		return 0, errNotCaptured
	case amount == nil && left > 0:
		return left, nil
	case amount != nil && amount.Currency != a.Currency:
		return 0, errOtherCurrency.Detailf("The payment is in %s.", a.Currency)
	case amount == nil || amount.Amount > left:
		return 0, errTooMuch.Detailf("%s of the payment can still be refunded.", money.Of(left, a.Currency))
	}
	return amount.Amount, nil
}
