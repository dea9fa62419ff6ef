package saga

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/trace"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// Routes adds the routes of checkouts, cancellations and refunds, and the operators' routes of sagas.
func (m *Module) Routes(s *web.Server) {
	m.server, m.notifier.draining = s, s.Draining()
	s.Customer.POST("/v1/carts/:id/checkout", m.checkOut, web.Limit(web.Checkouts))
	s.Owned(web.ScopeOrdersRead).GET("/v1/checkouts/:id", m.show)
	s.Owned(web.ScopeOrdersRead).GET("/v1/checkouts/:id/stream", m.stream)
	s.Owned(web.ScopeSagasOperate).POST("/v1/checkouts/:id/cancel", m.cancel)
	s.Owned(web.ScopeRefundsWrite).POST("/v1/orders/:id/cancel", m.cancelOrder)
	s.Scoped(web.ScopeRefundsWrite).POST("/v1/orders/:id/refunds", m.postRefund)
	reads := s.Scoped(web.ScopeSagasOperate, web.ScopeOrdersRead)
	reads.GET("/v1/admin/sagas", m.listSagas,
		web.Query("status", "type", "unfinished", "customer", "number", "older_than"), web.Dated, web.Paged, web.Costly)
	reads.GET("/v1/admin/sagas/:id", m.showSaga)
	m.operatorRoutes(s)
}

// CheckoutView is a checkout on the wire.
type CheckoutView struct {
	ID         uuid.UUID    `json:"id" format:"uuid"`
	CartID     uuid.UUID    `json:"cart_id" format:"uuid"`
	OrderID    uuid.UUID    `json:"order_id" format:"uuid"`
	PaymentID  *uuid.UUID   `json:"payment_id" format:"uuid" extensions:"x-nullable"` // null when there is nothing to pay
	Status     Status       `json:"status" enums:"running,requires_action,compensating,completed,failed,cancelled,needs_attention"`
	Total      money.Amount `json:"total"`
	Failure    *FailureView `json:"failure" extensions:"x-nullable"`
	NextAction *ActionView  `json:"next_action" extensions:"x-nullable"`
	Steps      []StepView   `json:"steps"`
	CreatedAt  time.Time    `json:"created_at"`
	UpdatedAt  time.Time    `json:"updated_at"`
}

// ActionView is an action that the shopper must take.
type ActionView struct {
	Type         string `json:"type" example:"redirect"`
	URL          string `json:"url,omitempty" format:"uri"` // where the shopper goes, with redirect
	ClientSecret string `json:"client_secret,omitempty"`    // for the provider's own scripts in the storefront. Only the shopper gets it, and not from the stream
}

// FailureView is the reason why a checkout failed.
type FailureView struct {
	Code   string `json:"code" enums:"out_of_stock,payment_declined,insufficient_funds,authentication_failed,authentication_expired,capture_refused,cancelled,provider_unavailable,refund_failed,amount_not_chargeable,order_does_not_add_up,payment_refunded,too_many_waiting,too_many_declines"`
	Detail string `json:"detail" example:"The payment was declined. Try another payment method."`
}

// StepView is a step of a checkout on the wire.
type StepView struct {
	Name       string     `json:"name" example:"payment.charge"`
	Status     StepStatus `json:"status" enums:"pending,running,done,retrying,waiting,refused,skipped"`
	Attempts   int        `json:"attempts"`
	StartedAt  *time.Time `json:"started_at" extensions:"x-nullable"`
	FinishedAt *time.Time `json:"finished_at" extensions:"x-nullable"`
	Error      *string    `json:"error" extensions:"x-nullable"`
}

func viewOf(saga eventstore.Stream[State]) CheckoutView {
	s := saga.State
	v := CheckoutView{
		ID: saga.ID, CartID: s.Checkout.CartID, OrderID: s.Checkout.OrderID, Status: shown(s),
		Total: money.Of(s.Checkout.Total, s.Checkout.Currency), Steps: stepsOf(s),
		CreatedAt: web.Time(saga.CreatedAt), UpdatedAt: web.Time(saga.UpdatedAt),
	}
	if s.Checkout.Total > 0 {
		v.PaymentID = &s.Checkout.PaymentID
	}
	if s.Failure != nil {
		v.Failure = &FailureView{Code: s.Failure.Code, Detail: s.Failure.Detail}
	}
	if s.NextAction != nil {
		v.NextAction = &ActionView{Type: s.NextAction.Type, URL: s.NextAction.URL}
	}
	return v
}

// ownViewOf is viewOf with the secrets of the next action, if the caller is the shopper. While the provider does not answer they are
// missing.
func (m *Module) ownViewOf(c echo.Context, saga eventstore.Stream[State]) CheckoutView {
	v := viewOf(saga)
	if v.NextAction == nil || v.NextAction.URL != "" || web.CallerOf(c).Subject != saga.State.CustomerID {
		return v
	}
	ctx := c.Request().Context()
	action, err := m.Payments.NextAction(ctx, saga.State.Checkout.PaymentID)
	if err != nil {
		m.Log.WarnContext(ctx, "the provider does not tell the next action of a payment", "payment", saga.State.Checkout.PaymentID, "error", err)
	}
	if action != nil {
		v.NextAction = &ActionView{Type: action.Type, URL: action.URL, ClientSecret: action.ClientSecret}
	}
	return v
}

// stepsOf returns the steps that began, and the next steps of a saga that does not compensate.
func stepsOf(s State) []StepView {
	d, _ := definitionOf(s) // an unknown definition shows only the steps that began
	s = withRunning(s, d)
	steps := slices.Clone(s.Steps)
	if s.Failure == nil {
		for _, name := range d.Steps {
			skipped := name == ChargeMoney && s.Checkout.Total == 0 || name == UndoPayment && s.Cancellation.Total == 0
			if s.Step(name).Status == StepPending && !skipped {
				steps = append(steps, Step{Name: name, Status: StepPending})
			}
		}
	}
	views := make([]StepView, 0, len(steps))
	for _, st := range steps {
		v := StepView{Name: st.Name, Status: st.Status, Attempts: st.Attempts, StartedAt: web.OptionalTime(st.StartedAt), FinishedAt: web.OptionalTime(st.FinishedAt)}
		if st.Error != "" {
			v.Error = &st.Error
		}
		views = append(views, v)
	}
	return views
}

type checkOutRequest struct {
	PaymentMethod   string          `json:"payment_method,omitempty" validate:"max=255" example:"sim_ok"`      // required if there is something to pay
	Email           string          `json:"email" validate:"required,email,max=254" example:"ada@example.com"` // without spaces and invisible characters, at most 254 bytes of UTF-8
	ShippingAddress json.RawMessage `json:"shipping_address,omitempty" swaggertype:"object"`
}

// checkOut seals a cart and starts its checkout.
//
//	@Summary		Check a cart out
//	@Description	Seals the cart at the given version and turns it into a paid order. With "Prefer: wait=N" the response waits until the checkout ends, requires action or needs attention.
//	@ID				checkOut
//	@Tags			checkouts
//	@Security		Bearer
//	@Param			id				path		string			true	"Cart"	format(uuid)
//	@Param			body			body		checkOutRequest	true	"The payment method, and the customer's contact"
//	@Param			Idempotency-Key	header		string			true	"Repeating a request with the same key returns the original response"
//	@Param			If-Match		header		string			true	"The version that the shopper saw, quoted"
//	@Param			Prefer			header		string			false	"wait=N: wait for the outcome, at most 30 seconds"
//	@Success		201				{object}	CheckoutView	"With Prefer: wait, when it has completed"
//	@Success		202				{object}	CheckoutView
//	@Header			201,202			{string}	Location	"/v1/checkouts/{id}"
//	@Failure		400				{object}	web.Problem	"malformed_json, idempotency_key_required"
//	@Failure		402				{object}	web.Problem	"With Prefer: wait: payment_declined, insufficient_funds, authentication_failed, authentication_expired, capture_refused, payment_refunded; with checkout_id"
//	@Failure		404				{object}	web.Problem	"not_found"
//	@Failure		409				{object}	web.Problem	"cart_empty, cart_closed with checkout_id, price_changed with lines, adjustments_stale; with Prefer: wait out_of_stock with lines and checkout_id, order_does_not_add_up and too_many_waiting with checkout_id"
//	@Failure		412				{object}	web.Problem	"version_mismatch; with checkout_id and cart_status if a checkout has closed the cart"
//	@Failure		413,415			{object}	web.Problem
//	@Failure		422				{object}	web.Problem	"validation_failed, unknown_field, product_inactive with skus, currency_mismatch with lines and skus, negative_total, too_many_units with limit and, of a line, sku; idempotency_key_reused, amount_not_chargeable; with Prefer: wait amount_not_chargeable with checkout_id"
//	@Failure		428				{object}	web.Problem	"precondition_required"
//	@Failure		429				{object}	web.Problem	"too_many_attempts: the payment of this cart failed too often; too_many_declines: too many payments of the customer or the address were declined, also with Prefer: wait and then with checkout_id"
//	@Failure		503				{object}	web.Problem	"unavailable, busy, newer_version; with Prefer: wait provider_unavailable with checkout_id"
//	@Router			/v1/carts/{id}/checkout [post]
func (m *Module) checkOut(c echo.Context) error {
	ctx := c.Request().Context()
	var customer string
	r, err := web.Read(c, web.Needs{Key: true, Version: true, Wait: true, Visible: func(id uuid.UUID) (err error) {
		customer, err = m.Carts.Authorize(ctx, web.CallerOf(c), id)
		return err
	}}, m.checkCheckOut)
	if err != nil {
		return err
	}
	contact := order.Contact{CustomerID: customer, Email: r.Body.Email, ShippingAddress: r.Body.ShippingAddress}
	begun, err := m.CheckOut(ctx, contact, cart.CheckOut{
		CartID: r.ID, Caller: r.Caller, Write: r.Write, PaymentMethod: r.Body.PaymentMethod, Payments: m.Payments,
	})
	if err != nil {
		return err
	}
	saga, err := m.await(ctx, begun.saga, !begun.Replayed, r.Wait, endsWait)
	if err != nil {
		return err
	}
	web.Replayed(c, begun.Replayed)
	c.Response().Header().Set("Location", "/v1/checkouts/"+saga.ID.String())
	return m.answerCheckOut(c, saga, r.Wait > 0)
}

// checkCheckOut refuses a malformed payment method or address.
func (m *Module) checkCheckOut(r web.Request[checkOutRequest]) error {
	if r.Body.PaymentMethod != "" && !m.Payments.AcceptsPaymentMethod(r.Body.PaymentMethod) {
		return web.Refused("payment_method", "token", "It must be a token of the payment provider for a card or another way to pay.")
	}
	return order.CheckAddress(r.Body.ShippingAddress)
}

// isUnavailable reports whether a command may have taken effect without an answer.
func isUnavailable(err error) bool {
	f, ok := fault.As(err)
	return ok && f.Kind == fault.Unavailable
}

// shown returns the status for shoppers. It does not wait for the provider to verify what an operator settled.
func shown(s State) Status {
	if s.Failure == nil && s.Step(ChargeMoney).Unverified && s.done(ConfirmOrder) && s.done(CompleteCart) {
		return Completed
	}
	return s.Status
}

// isQuiescent reports whether a saga has ended or needs attention.
func isQuiescent(s State) bool { return shown(s).Ended() || s.Status == NeedsAttention }

// endsWait reports whether a client that waits for a checkout is answered.
func endsWait(s State) bool { return isQuiescent(s) || s.Status == RequiresAction }

// answerCheckOut responds with a checkout, and with its outcome if the client waited.
func (m *Module) answerCheckOut(c echo.Context, saga eventstore.Stream[State], waited bool) error {
	s := saga.State
	switch {
	case shown(s) == Completed && waited:
		return c.JSON(http.StatusCreated, viewOf(saga))
	case s.Status == Failed && waited:
		refusal := problemOf(*s.Failure)
		if refusal.Code == payment.CodeTooManyDeclines {
			refusal.Retry = m.Payments.DeclinePause(s.CustomerID, s.Checkout.Source, s.Checkout.Guest)
		}
		return refusal.With("checkout_id", saga.ID)
	}
	return c.JSON(http.StatusAccepted, m.ownViewOf(c, saga))
}

// codeDoesNotAddUp is the code of the order module for lines and adjustments that are not the total.
const codeDoesNotAddUp = "order_does_not_add_up"

// problemOf returns a failure as a refusal.
func problemOf(f Failure) *fault.Fault {
	refusal := &fault.Fault{Kind: fault.Payment, Code: f.Code, Detail: f.Detail}
	switch {
	case f.Code == CodeUnavailable:
		refusal.Kind = fault.Unavailable
	case f.Code == codeDoesNotAddUp, f.Code == order.CodeTooManyWaiting:
		refusal.Kind = fault.Conflict
	case f.Code == payment.CodeNotChargeable:
		refusal.Kind = fault.Invalid
	case f.Code == payment.CodeTooManyDeclines:
		refusal.Kind = fault.TooMany
	case len(f.Lines) > 0:
		refusal.Kind = fault.Conflict
		return refusal.With("lines", f.Lines)
	}
	return refusal
}

// show shows a checkout.
//
//	@Summary	Read a checkout
//	@Description	Its status, failure, steps, and the next action of the shopper. A `client_secret` in it is read from the provider when the shopper asks; it is missing for operators, and while the provider does not answer. With `Prefer: wait=N` the response waits until the checkout ends, requires action or needs attention.
//	@ID			getCheckout
//	@Tags		checkouts
//	@Security	Bearer
//	@x-operator-scopes ["orders:read"]
//	@Param		id		path		string	true	"Checkout"	format(uuid)
//	@Param		Prefer	header		string	false	"wait=N: wait until it ends, requires action or needs attention, at most 30 seconds"
//	@Success	200		{object}	CheckoutView
//	@Failure	401		{object}	web.Problem
//	@Failure	404		{object}	web.Problem	"not_found"
//	@Router		/v1/checkouts/{id} [get]
func (m *Module) show(c echo.Context) error {
	ctx := c.Request().Context()
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	saga, err := m.visible(ctx, web.CallerOf(c), id)
	if err != nil {
		return err
	}
	if saga, err = m.await(ctx, saga, false, web.Wait(c), endsWait); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, m.ownViewOf(c, m.withProgress(ctx, saga)))
}

// visible loads a checkout that the caller may see.
func (m *Module) visible(ctx context.Context, caller web.Caller, id uuid.UUID) (eventstore.Stream[State], error) {
	saga, err := m.load(ctx, id)
	s := saga.State
	if errors.Is(err, errNoSaga) || err == nil && (s.Type != checkout.Type || s.CustomerID != caller.Subject && !caller.Operator()) {
		return saga, errNotFound
	}
	return saga, err
}

// load loads a saga of any type.
func (m *Module) load(ctx context.Context, id uuid.UUID) (eventstore.Stream[State], error) {
	saga, err := sagas.Load(ctx, m.store, id)
	if err == nil && !saga.Exists() {
		err = errNoSaga
	}
	return saga, err
}

// cancel cancels a checkout before its capture. The payment's stream decides.
//
//	@Summary	Cancel a running checkout
//	@Description	Possible until the capture has begun. The cart is open again once it is certain that nothing was charged.
//	@ID			cancelCheckout
//	@Tags		checkouts
//	@Security	Bearer
//	@x-operator-scopes ["sagas:operate"]
//	@Param		id				path		string			true	"Checkout"	format(uuid)
//	@Param		Idempotency-Key	header		string			true	"Repeating a request with the same key returns the original response"
//	@Param		Prefer			header		string			false	"wait=N: wait until it is cancelled, at most 30 seconds"
//	@Success	200				{object}	CheckoutView	"It is cancelled"
//	@Success	202				{object}	CheckoutView	"It is being cancelled"
//	@Failure	400				{object}	web.Problem		"idempotency_key_required"
//	@Failure	404				{object}	web.Problem		"not_found"
//	@Failure	409				{object}	web.Problem		"too_late, checkout_failed"
//	@Failure	422				{object}	web.Problem		"idempotency_key_reused"
//	@Router		/v1/checkouts/{id}/cancel [post]
func (m *Module) cancel(c echo.Context) error {
	ctx := c.Request().Context()
	var saga eventstore.Stream[State]
	r, err := web.Read[struct{}](c, web.Needs{Key: true, Wait: true, Visible: func(id uuid.UUID) (err error) {
		saga, err = m.visible(ctx, web.CallerOf(c), id)
		return err
	}})
	if err != nil {
		return err
	}
	if saga.State.Status == Failed || saga.State.Status == Completed {
		return answerCancel(c, saga)
	}
	if saga.State.Checkout.Total == 0 { // it completes at once
		return errTooLate
	}
	replayed, err := m.Payments.Cancel(ctx, r.Write, payment.Cancel{
		PaymentID: saga.State.Checkout.PaymentID, CheckoutID: saga.ID, CustomerID: saga.State.CustomerID,
	})
	if err != nil {
		return err
	}
	web.Replayed(c, replayed)
	m.runner.begin(saga.ID, pass{woken: true, cause: trace.SpanContextFromContext(ctx)})
	if saga, err = m.await(ctx, saga, false, r.Wait, isQuiescent); err != nil {
		return err
	}
	return answerCancel(c, saga)
}

func answerCancel(c echo.Context, saga eventstore.Stream[State]) error {
	switch saga.State.Status {
	case Cancelled:
		return c.JSON(http.StatusOK, viewOf(saga))
	case Failed:
		return errFailed
	case Completed:
		return errTooLate
	case Running, RequiresAction, Compensating, NeedsAttention:
	}
	return c.JSON(http.StatusAccepted, viewOf(saga))
}
