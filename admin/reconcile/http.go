package reconcile

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/web"
)

// Reconciliation is what one look at all data, or the part of it that there was time for, has found.
type Reconciliation struct {
	Data       []Finding `json:"data"`
	Checked    Checked   `json:"checked"`
	NextCursor *string   `json:"next_cursor" extensions:"x-nullable"` // where to go on; null: that was all
}

// Checked is how much was looked at.
type Checked struct {
	Streams   int `json:"streams"` // folded anew from their events
	Receipts  int `json:"receipts"`
	Checkouts int `json:"checkouts"` // over all books
	Balances  int `json:"balances"`  // payments in the providers' books
	Stocks    int `json:"stocks"`
	LeftOut   int `json:"left_out"` // checkouts and payments touched within the last minute, which may be under way: not judged
}

func (c *Checked) count(pass string, read int) {
	switch {
	case strings.HasSuffix(pass, ".streams"):
		c.Streams += read
	case strings.HasSuffix(pass, ".receipts"):
		c.Receipts += read
	case pass == "checkouts":
		c.Checkouts += read
	case pass == "ledger":
		c.Balances += read
	case pass == "stock":
		c.Stocks += read
	}
}

// showReconciliation checks all promises.
//
//	@Summary		Check every promise over all data, and against the providers' own books
//	@Description	Reads everything, a page at a time, for at most twenty seconds; `next_cursor` says where to go on. What was touched within the last minute may be under way and is left out (`checked.left_out`), and each finding is looked at twice: it may be asked while the shop is busy. Changes nothing. For operators: scope `admin`.
//	@ID				showReconciliation
//	@Tags			operators
//	@Security		Bearer
//	@Param			cursor	query		string	false	"next_cursor of the part before"
//	@Success		200		{object}	Reconciliation
//	@Failure		401,403	{object}	web.Problem
//	@Failure		422		{object}	web.Problem	"cursor_invalid"
//	@Failure		503		{object}	web.Problem	"provider_unavailable, unavailable, busy, newer_version"
//	@Router			/v1/admin/reconciliation [get]
func (m *Module) showReconciliation(c echo.Context) error {
	found, err := m.reconcile(c.Request().Context(), c.QueryParam("cursor"), m.timeBudget(c))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, found)
}

// repairReconciliation checks all invariants and repairs the repairable findings.
//
//	@Summary		Check every promise, and mend what is beyond doubt
//	@Description	As the GET, and then sends what mends each healable finding: wakes the saga that nobody drives, undoes the payment that nobody waits for, releases stock by cancelling the order, tells a cart how its checkout ended and an order what was refunded, begins the refund or the cancellation that never began. By the same commands as everyone; `healed` says whether the finding is gone, and `done` what was done. Sent again it mends what is left. For operators: scope `admin`.
//	@ID				healReconciliation
//	@Tags			operators
//	@Security		Bearer
//	@Param			cursor	query		string	false	"next_cursor of the part before"
//	@Param			refund_lost	query		bool	false	"Also refund what a provider captured for a payment that nobody here knows, as after a restore of the database. Never by default"
//	@Success		200		{object}	Reconciliation
//	@Failure		401,403	{object}	web.Problem
//	@Failure		422		{object}	web.Problem	"cursor_invalid, validation_failed"
//	@Failure		503		{object}	web.Problem	"provider_unavailable, unavailable, busy, newer_version"
//	@Router			/v1/admin/reconciliation [post]
func (m *Module) repairReconciliation(c echo.Context) error {
	r, err := web.Read[struct{}](c, web.Needs{})
	if err != nil {
		return err
	}
	lost := c.QueryParam("refund_lost")
	if lost != "" && lost != "true" && lost != "false" {
		return web.Refused("refund_lost", "invalid", "refund_lost is true or false.")
	}
	ctx := c.Request().Context()
	found, err := m.reconcile(ctx, c.QueryParam("cursor"), m.timeBudget(c))
	if err != nil {
		return err
	}
	m.repair(ctx, found.Data, r.Write.Actor, lost == "true")
	return c.JSON(http.StatusOK, found)
}

// timeBudget is the time for the checks. The other half of the time of the request is for the second look at the findings and for their repair.
func (m *Module) timeBudget(c echo.Context) time.Duration {
	if until, ok := c.Request().Context().Deadline(); ok {
		return min(m.TimeBudget, time.Until(until)/2)
	}
	return m.TimeBudget
}
