package reconcile

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"shopping-cart/admin"
	"shopping-cart/platform/web"
)

// showLogHeads returns the heads of all logs.
//
//	@Summary		Export the heads of the hash chains of all logs
//	@Description	Each module seals its log about once a second: a seal hashes the next events and the hash before. A head stands for all events up to its position. Keep the response elsewhere, such as daily: `POST /v1/admin/log-heads` or `shopping-cart verify --heads` compares the logs with it. The signature is Ed25519 over the line `shopping-cart log heads` and a line `module position hash at` for each head.
//	@ID				showLogHeads
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Success		200		{object}	LogHeads
//	@Failure		401,403	{object}	web.Problem
//	@Failure		503		{object}	web.Problem	"unavailable, busy"
//	@Router			/v1/admin/log-heads [get]
func (m *Module) showLogHeads(c echo.Context) error {
	heads, err := m.logHeads(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, heads)
}

// checkLogHeads compares the logs with exported heads.
//
//	@Summary		Compare the logs with exported heads
//	@Description	The body is an earlier response of GET. A finding says that a log no longer contains a head, or that the signature is wrong. Changes nothing. The reconciliation compares the events with their seals.
//	@ID				checkLogHeads
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			body	body		LogHeads	true	"Exported heads"
//	@Param			Idempotency-Key	header		string	false	"Has no effect"
//	@Success		200		{object}	Reconciliation
//	@Failure		401,403	{object}	web.Problem
//	@Failure		422		{object}	web.Problem	"validation_failed"
//	@Failure		503		{object}	web.Problem	"unavailable, busy"
//	@Router			/v1/admin/log-heads [post]
func (m *Module) checkLogHeads(c echo.Context) error {
	r, err := web.Read(c, web.Needs{}, func(r web.Request[LogHeads]) error {
		for i, one := range r.Body.Data {
			if !slices.ContainsFunc(m.Stores, func(s admin.Store) bool { return s.Name == one.Module }) {
				return web.Refused("data["+strconv.Itoa(i)+"].module", "invalid", "There is no such module.")
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	found, err := m.compareHeads(c.Request().Context(), r.Body)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, found)
}
