package privacy

import (
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/email"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

type erasureRequest struct {
	CustomerID string `json:"customer_id,omitempty" validate:"omitempty,visible,max=255" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"`
	Email      string `json:"email,omitempty" validate:"omitempty,email,max=254" example:"ada@example.com"` // in upper or lower case of any script
	Reason     string `json:"reason" validate:"required,visible,max=500" text:"lines" example:"Request 4711."`
}

// ErasureView counts what an erasure deleted.
type ErasureView struct {
	Orders   int   `json:"orders"`   // orders of the person, whose personal data is gone
	Contacts int   `json:"contacts"` // e-mail and postal addresses
	Notes    int64 `json:"notes"`    // reasons that people wrote
	Webhooks int64 `json:"webhooks"` // bodies of the provider's webhooks
}

// postErasure erases the personal data of a customer, or of an e-mail address.
//
//	@Summary		Erase the personal data of a person
//	@Description	Erases the e-mail and postal addresses of a person. Also erases the reasons of their orders, payments and checkouts, in the notes and in the audit, and the bodies of the provider's webhooks. All notes that mention an erased e-mail address are erased. Orders keep their lines, totals and numbers. `email` selects the orders with that address and the failed checkouts of the same customers. Do not name the person in `reason`: it stays in the audit. A repeated request erases newer data.
//	@ID				postErasure
//	@Tags			operators
//	@Security		BearerAuth[privacy:erase]
//	@Param			body			body		erasureRequest	true	"customer_id or email, and the reason"
//	@Param			Idempotency-Key	header		string			false	"1 to 255 visible ASCII characters"
//	@Success		200				{object}	ErasureView
//	@Failure		401,403			{object}	web.Problem
//	@Failure		413,415			{object}	web.Problem
//	@Failure		422				{object}	web.Problem	"validation_failed, unknown_field, idempotency_key_reused"
//	@Router			/v1/admin/erasures [post]
func (m *Module) postErasure(c echo.Context) error {
	r, err := web.Read(c, web.Needs{}, func(r web.Request[erasureRequest]) error {
		if (r.Body.CustomerID == "") == (r.Body.Email == "") {
			return web.Refused("customer_id", "one_of", "Name a customer_id or an email.")
		}
		if flaw := email.Flaw(r.Body.Email); r.Body.Email != "" && flaw != "" {
			return web.Refused("email", "email", flaw)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return m.answer(c, r.Write, person{r.Body.CustomerID, r.Body.Email}, func(v ErasureView) error { return c.JSON(http.StatusOK, v) })
}

// deleteContacts erases the personal data of a customer.
//
//	@Summary		Erase a customer's personal data
//	@Description	The same as `POST /v1/admin/erasures` with a `customer_id`.
//	@ID				eraseContacts
//	@Tags			operators
//	@Security		BearerAuth[privacy:erase]
//	@Param			id				path	string	true	"Customer"
//	@Success		204
//	@Failure		403	{object}	web.Problem
//	@Router			/v1/customers/{id}/contacts [delete]
func (m *Module) deleteContacts(c echo.Context) error {
	customer, err := customerOf(c)
	if err != nil {
		return err
	}
	r, err := web.Read[struct{}](c, web.Needs{Named: true})
	if err != nil {
		return err
	}
	return m.answer(c, r.Write, person{customer: customer}, func(ErasureView) error { return c.NoContent(http.StatusNoContent) })
}

// customerOf reads the customer of the path.
func customerOf(c echo.Context) (string, error) {
	customer, ok := web.Param(c, "id")
	if !ok || !web.Plain(customer) {
		return "", web.Refused("id", "invalid", "It must be valid UTF-8 without control characters.")
	}
	return customer, nil
}

// answer erases and answers. A key that was used for another request is refused before anything is erased.
func (m *Module) answer(c echo.Context, w web.Write, p person, respond func(ErasureView) error) error {
	ctx := c.Request().Context()
	if _, err := m.Orders.Store().Processed(ctx, saga.KeyOf(w)); err != nil {
		return err
	}
	v, replayed, err := m.erase(ctx, w, p)
	if err != nil {
		return err
	}
	web.Replayed(c, replayed)
	m.Log.InfoContext(ctx, "personal data was erased", slog.String("actor", w.Actor), slog.String("customer", p.customer),
		slog.Int("contacts", v.Contacts), slog.Int64("notes", v.Notes))
	return respond(v)
}
