package order

import (
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// deleteContacts erases the personal data of a customer.
//
//	@Summary		Erase a customer's personal data
//	@Description	Erases the e-mail and postal addresses of all orders and of checkouts in progress, the contents of the provider's webhooks about their payments, and the reasons that operators gave for requests about them. The orders keep their lines, totals and numbers, and show no contact.
//	@ID				eraseContacts
//	@Tags			operators
//	@Security		BearerAuth[privacy:erase]
//	@Param			id				path	string	true	"Customer"
//	@Success		204
//	@Failure		403	{object}	web.Problem
//	@Router			/v1/customers/{id}/contacts [delete]
func (m *Module) deleteContacts(c echo.Context) error {
	ctx := c.Request().Context()
	customer, ok := web.Param(c, "id")
	if !ok || !web.Plain(customer) {
		return web.Refused("id", "invalid", "It must be valid UTF-8 without control characters.")
	}
	r, err := web.Read[struct{}](c, web.Needs{Named: true})
	if err != nil {
		return err
	}
	receipt, err := m.exec(ctx, r.Write, "erase_contacts", func(tx *eventstore.Tx) { tx.Exec(`delete from orders.contacts where customer = $1`, customer) })
	if err != nil {
		return err
	}
	if err := m.eraseElsewhere(ctx, customer); err != nil { // replays erase too: the first attempt may have failed here
		return err
	}
	web.Replayed(c, receipt.Replayed)
	m.Log.InfoContext(ctx, "the contacts of a customer were erased", slog.String("customer", customer), slog.String("actor", r.Write.Actor))
	return c.NoContent(http.StatusNoContent)
}
