package payment

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// View is a payment in the API.
type View struct {
	ID                uuid.UUID    `json:"id" format:"uuid" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"`
	OrderID           uuid.UUID    `json:"order_id" format:"uuid" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5c"`
	Provider          string       `json:"provider" example:"simulator"`
	ProviderReference string       `json:"provider_reference" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"`
	Status            string       `json:"status" enums:"pending,requires_action,unknown,authorized,captured,voided,declined,refunded,partially_refunded"`
	Amount            money.Amount `json:"amount"`
	Captured          money.Amount `json:"captured"`
	Refunded          money.Amount `json:"refunded"`
	Refunds           []RefundView `json:"refunds"`
	Failure           *Failure     `json:"failure" extensions:"x-nullable"`
	CreatedAt         time.Time    `json:"created_at"`
	UpdatedAt         time.Time    `json:"updated_at"`
}

// RefundView is a refund in the API.
type RefundView struct {
	ID        uuid.UUID    `json:"id" format:"uuid" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5d"`
	Amount    money.Amount `json:"amount"`
	Status    string       `json:"status" enums:"pending,succeeded,failed"`
	Origin    string       `json:"origin" enums:"api,compensation,provider"` // provider: made in the provider's dashboard, or by a lost dispute
	Reason    string       `json:"reason"`
	CreatedAt time.Time    `json:"created_at"`
}

// maxWebhook is the largest accepted webhook, in bytes. Stripe sends at most 256 KiB.
const maxWebhook = 256 << 10

// Routes adds the routes of payments and webhooks.
func (m *Module) Routes(s *web.Server) {
	operators := s.Scoped(web.ScopeSagasOperate)
	s.Owned(web.ScopeOrdersRead).GET("/v1/payments/:id", m.show)
	s.Public.POST("/v1/webhooks/payments/:provider", m.receive, web.MaxBody(maxWebhook), web.Limit(web.Webhooks))
	operators.GET("/v1/admin/webhooks", m.listWebhooks, web.Query("provider", "reference"), web.Paged)
	operators.GET("/v1/admin/webhooks/:id", m.showWebhook, web.Personal)
	operators.POST("/v1/admin/webhooks/:id/replay", m.replayWebhook)
}

// show returns a payment.
//
//	@Summary	Read a payment
//	@Description	Returns the authorized, captured and refunded amounts, and each refund.
//	@ID			getPayment
//	@Tags		payments
//	@Security	BearerAuth
//	@x-operator-scopes ["orders:read"]
//	@Param		id				path		string	true	"Payment"	format(uuid)
//	@Param		If-None-Match	header		string	false	"The client's version, quoted"
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"Version, quoted"
//	@Success	304
//	@Failure	401	{object}	web.Problem
//	@Failure	404	{object}	web.Problem
//	@Router		/v1/payments/{id} [get]
func (m *Module) show(c echo.Context) error {
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	st, err := payments.Load(c.Request().Context(), m.store, id)
	if err != nil {
		return err
	}
	caller := web.CallerOf(c)
	if !st.State.requested() || st.State.CustomerID != caller.Subject && !caller.Operator() {
		return errNotFound
	}
	if web.NotModified(c, st.Version) {
		return c.NoContent(http.StatusNotModified)
	}
	view, err := m.view(c.Request().Context(), st, caller.Operator())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, view)
}

// view returns a payment with the reasons of its refunds, as an operator or its customer sees it.
func (m *Module) view(ctx context.Context, st stream, operator bool) (View, error) {
	view := viewOf(st)
	if !operator {
		view.Failure = m.failureFor(st.State, view.Failure)
	}
	reasons := make([]*string, len(view.Refunds))
	for i := range view.Refunds {
		reasons[i] = &view.Refunds[i].Reason
	}
	return view, m.store.Reveal(ctx, reasons...)
}

// ReadPayments returns payments as their customers see them.
func (m *Module) ReadPayments(ctx context.Context, ids []uuid.UUID) ([]eventstore.Document, error) {
	found, err := payments.LoadKnown(ctx, m.store, ids)
	if err != nil {
		return nil, err
	}
	var all []eventstore.Document
	for _, st := range found {
		if !st.State.requested() {
			continue
		}
		view, err := m.view(ctx, st, false)
		if err != nil {
			return nil, err
		}
		data, err := json.Marshal(view)
		if err != nil {
			return nil, err
		}
		all = append(all, eventstore.Document{ID: st.ID, CreatedAt: st.CreatedAt, UpdatedAt: st.UpdatedAt, Data: data})
	}
	return all, nil
}

func viewOf(st stream) View {
	s := st.State
	v := View{
		ID: st.ID, OrderID: s.OrderID, Provider: s.Provider, ProviderReference: s.ProviderReference, Status: string(s.status()),
		Amount: s.Amount, Captured: money.Of(s.Captured, s.Amount.Currency), Refunded: money.Of(s.refundsAt(stepDone), s.Amount.Currency),
		Refunds: []RefundView{}, CreatedAt: web.Time(st.CreatedAt), UpdatedAt: web.Time(st.UpdatedAt),
	}
	if s.claimedCaptured() {
		v.Captured = s.Amount
	}
	for _, r := range shownRefunds(s.Refunds) {
		v.Refunds = append(v.Refunds, RefundView{
			r.ID, money.Of(r.counted(), s.Amount.Currency), refundStatus(r.Status), string(r.Origin), r.Reason, web.Time(r.At),
		})
	}
	if s.FailureCode != "" && s.Captured == 0 {
		v.Failure = failure(s.FailureCode)
	}
	return v
}

// shownRefunds leaves out a failed refund of an Undo if the Undo requested another one later: both were for the same debt. It also leaves out
// refunds by hand that the provider made after all.
func shownRefunds(all []refund) (shown []refund) {
	replaced := false
	for _, r := range slices.Backward(all) {
		compensates := r.Origin == originCompensation
		if (!compensates || r.Status != stepRefused || !replaced) && r.counted() > 0 {
			shown = append(shown, r)
		}
		replaced = replaced || compensates
	}
	slices.Reverse(shown)
	return shown
}

func refundStatus(at step) string {
	switch at {
	case stepDone:
		return "succeeded"
	case stepRefused:
		return "failed"
	case stepNone, stepAsked, stepWaiting:
	}
	return "pending"
}

// receive verifies and stores a webhook.
//
//	@Summary		Receive a provider's webhook
//	@Description	Returns 200 once the webhook is verified and stored. Processing is asynchronous.
//	@ID				receiveWebhook
//	@Tags			provider
//	@Param			provider	path	string	true	"provider"	example(simulator)
//	@Success		200
//	@Failure		400	{object}	web.Problem	"bad_signature, bad_webhook"
//	@Failure		404	{object}	web.Problem
//	@Failure		413	{object}	web.Problem
//	@Router			/v1/webhooks/payments/{provider} [post]
func (m *Module) receive(c echo.Context) error {
	p, err := m.webhookProvider(c.Param("provider"))
	if err != nil {
		return errNoProvider
	}
	body, err := web.Raw(c)
	if err != nil {
		return err
	}
	n, err := p.Verify(c.Request().Header, body)
	if err == nil {
		err = n.check()
	}
	var unreadable *Unreadable
	if errors.As(err, &unreadable) {
		m.log.WarnContext(c.Request().Context(), "a signed webhook cannot be read", "provider", p.Name(), "error", err.Error())
		return errBadWebhook.Detailf("The webhook is signed, but cannot be read: %s.", unreadable.Reason)
	}
	if err != nil {
		m.log.WarnContext(c.Request().Context(), "a webhook was refused", "provider", p.Name(), "error", err.Error())
		return errBadSignature
	}
	if r, ok := p.Provider.(Redactor); ok {
		body = r.Redact(body)
	}
	if err := m.saveWebhook(c.Request().Context(), p.Name(), n, body); err != nil {
		return err
	}
	return c.NoContent(http.StatusOK)
}
