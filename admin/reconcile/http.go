package reconcile

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/web"
)

// Reconciliation holds the findings over all data, or over the part that one answer had time for.
type Reconciliation struct {
	Data       []Finding `json:"data"`
	Checked    Checked   `json:"checked"`
	NextCursor *string   `json:"next_cursor" extensions:"x-nullable"` // where to continue; null at the end
}

// Checked holds the number of checked entries of each kind.
type Checked struct {
	Streams   int `json:"streams"` // rebuilt from their events
	Receipts  int `json:"receipts"`
	Events    int `json:"events"`    // compared with their seals
	Checkouts int `json:"checkouts"` // in all modules
	Balances  int `json:"balances"`  // payments in the providers' ledgers
	Stocks    int `json:"stocks"`
	Heads     int `json:"heads"`    // exported before, compared with the logs
	LeftOut   int `json:"left_out"` // checkouts and payments that changed within the last minute and may be running
}

func (c *Checked) count(pass string, read int) {
	switch {
	case strings.HasSuffix(pass, ".streams"):
		c.Streams += read
	case strings.HasSuffix(pass, ".receipts"):
		c.Receipts += read
	case strings.HasSuffix(pass, ".seals"):
		c.Events += read
	case pass == "checkouts":
		c.Checkouts += read
	case pass == "ledger":
		c.Balances += read
	case pass == "stock":
		c.Stocks += read
	}
}

// showReconciliation checks all invariants.
//
//	@Summary		Check every invariant over all data, and against the providers' ledgers
//	@Description	Reads everything by pages, for at most twenty seconds; `next_cursor` says where to continue. It leaves out what changed within the last minute (`checked.left_out`), and checks each finding twice, so it can run under load. Changes nothing.
//	@ID				showReconciliation
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
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
//	@Summary		Check every invariant and repair healable findings
//	@Description	Runs the same checks as GET, then repairs each healable finding with the commands that checkouts use. A repair wakes a saga that no process executes, refunds or voids a payment that no saga waits for, cancels an order to release its stock, tells a cart the end of its checkout, records refunds in an order, or begins a refund or a cancellation that never began. `healed` says whether the finding is gone. `done` names the repair. Repeat the request to repair the remaining findings.
//	@ID				healReconciliation
//	@Tags			operators
//	@Security		BearerAuth[admin]
//	@Param			cursor	query		string	false	"next_cursor of the part before"
//	@Param			refund_lost	query		bool	false	"Also refund what a provider captured for a payment that is unknown here, as after a restore of the database. Never by default"
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

// timeBudget returns the time for the passes. The second check of the findings and their repair have the rest of the request's time.
func (m *Module) timeBudget(c echo.Context) time.Duration {
	if until, ok := c.Request().Context().Deadline(); ok {
		return min(m.TimeBudget, time.Until(until)/2)
	}
	return m.TimeBudget
}
