package payment

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/web"
)

// WebhookView is a received webhook in the API.
type WebhookView struct {
	ID         string     `json:"id" example:"simulator:evt_019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"`
	Provider   string     `json:"provider" example:"simulator"`
	Type       string     `json:"type" example:"payment.authorized"`
	Reference  string     `json:"reference" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"` // the payment's id, or the provider's reference
	Status     string     `json:"status" enums:"waiting,handled"`
	Note       *string    `json:"note" extensions:"x-nullable"` // an explanation, if the result is not obvious
	Attempts   int        `json:"attempts"`
	ReceivedAt time.Time  `json:"received_at"`
	HandledAt  *time.Time `json:"handled_at" extensions:"x-nullable"`
}

func webhookViewOf(r ReceivedWebhook) WebhookView {
	v := WebhookView{
		ID: r.apiID(), Provider: r.Provider, Type: r.Type, Reference: r.Reference, Status: "waiting", Note: r.Note, Attempts: r.Attempts,
		ReceivedAt: web.Time(r.ReceivedAt),
	}
	if r.HandledAt != nil {
		at := web.Time(*r.HandledAt)
		v.Status, v.HandledAt = "handled", &at
	}
	return v
}

// listWebhooks lists the received webhooks.
//
//	@Summary		List the received webhooks, newest first
//	@Description	Handled webhooks are kept for WEBHOOK_RETENTION.
//	@ID				listWebhooks
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			provider	query		string	false	"Only webhooks of this provider"
//	@Param			reference	query		string	false	"Only webhooks of this payment"
//	@Param			limit		query		int		false	"Maximum number of results"	minimum(1)	maximum(100)	default(20)
//	@Param			cursor		query		string	false	"next_cursor of the previous page"
//	@Success		200			{object}	web.Page[WebhookView]
//	@Failure		401,403		{object}	web.Problem
//	@Failure		422			{object}	web.Problem	"validation_failed, cursor_invalid"
//	@Router			/v1/admin/webhooks [get]
func (m *Module) listWebhooks(c echo.Context) error {
	limit, from, err := web.CursorOf[webhookCursor](c)
	if err != nil {
		return err
	}
	rows, err := m.received(c.Request().Context(), c.QueryParam("provider"), c.QueryParam("reference"), from, limit+1)
	if err != nil {
		return err
	}
	cut := web.NewPage(rows, limit, ReceivedWebhook.cursor)
	page := web.Page[WebhookView]{Data: make([]WebhookView, len(cut.Data)), NextCursor: cut.NextCursor}
	for i, r := range cut.Data {
		page.Data[i] = webhookViewOf(r)
	}
	return c.JSON(http.StatusOK, page)
}

// WebhookDetail is a received webhook with its body.
type WebhookDetail struct {
	WebhookView
	Body string `json:"body"` // as text; for Stripe, only fields that say nothing about the shopper; empty after an erasure
}

// showWebhook shows a webhook with its body.
//
//	@Summary		Read a received webhook, with its body
//	@ID				getWebhook
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			id		path		string	true	"Webhook, as in the list"
//	@Success		200		{object}	WebhookDetail
//	@Failure		401,403	{object}	web.Problem
//	@Failure		404		{object}	web.Problem	"not_found"
//	@Router			/v1/admin/webhooks/{id} [get]
func (m *Module) showWebhook(c echo.Context) error {
	provider, id, ok := webhookNamed(c)
	if !ok {
		return errNoWebhook
	}
	r, body, err := m.webhook(c.Request().Context(), provider, id)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, WebhookDetail{webhookViewOf(r), strings.ToValidUTF8(string(body), "\uFFFD")})
}

// webhookNamed returns the webhook of the path.
func webhookNamed(c echo.Context) (provider, id string, ok bool) {
	text, ok := web.Param(c, "id")
	provider, id, found := strings.Cut(text, ":")
	return provider, id, ok && found && web.Plain(text)
}

// replayWebhook processes a webhook again.
//
//	@Summary		Process a webhook again
//	@Description	Looks up the payment at the provider, even if the webhook was handled before.
//	@ID				replayWebhook
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			id				path	string	true	"Webhook, as in the list"
//	@Param			Idempotency-Key	header	string	false	"Repeating a request with the same key returns the original response"
//	@Success		202
//	@Failure		401,403	{object}	web.Problem
//	@Failure		404		{object}	web.Problem	"not_found"
//	@Failure		409		{object}	web.Problem	"unknown_payment"
//	@Failure		422		{object}	web.Problem	"unknown_field, idempotency_key_reused"
//	@Router			/v1/admin/webhooks/{id}/replay [post]
func (m *Module) replayWebhook(c echo.Context) error {
	provider, id, ok := webhookNamed(c)
	if !ok {
		return errNoWebhook
	}
	r, err := web.Read[struct{}](c, web.Needs{Named: true})
	if err != nil {
		return err
	}
	replayed, err := m.replay(c.Request().Context(), provider, id, r.Write)
	if err != nil {
		return err
	}
	web.Replayed(c, replayed)
	if !replayed {
		m.log.InfoContext(c.Request().Context(), "a webhook is replayed", "webhook", provider+":"+id, "actor", r.Write.Actor)
	}
	return c.NoContent(http.StatusAccepted)
}
