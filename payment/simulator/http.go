package simulator

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/labstack/echo/v4"

	"shopping-cart/payment"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

var (
	errNotFound   = fault.New(fault.NotFound, "not_found", "The simulator knows no such payment.")
	errNotWaiting = fault.New(fault.Conflict, "not_waiting", "This payment no longer waits for an answer.")
)

// Routes adds the bank's page, its two buttons, the dashboard and the ledger.
func (s *Simulator) Routes(w *web.Server) {
	w.Scoped(web.ScopeOrdersRead).GET("/simulator/ledger", s.ledger, web.Query("reference"), web.Logged)
	w.Scoped(web.ScopeAdmin).POST("/simulator/payments/:reference/refund", s.refundInDashboard)
	w.Scoped(web.ScopeAdmin).POST("/simulator/payments/:reference/dispute", s.dispute)
	w.Public.GET("/simulator/payments/:reference", s.show, web.Query("return"))
	w.Public.POST("/simulator/payments/:reference/approve", s.approve, web.Query("return"))
	w.Public.POST("/simulator/payments/:reference/deny", s.deny, web.Query("return"))
}

// bankURL returns the URL of the bank's page of a payment.
func (s *Simulator) bankURL(reference string) string {
	return s.PublicURL() + "/simulator/payments/" + url.PathEscape(reference)
}

// Entry is a line of the ledger: an operation that took effect.
type Entry struct {
	ID        int64     `json:"-"`
	Reference string    `json:"reference" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"`
	Operation string    `json:"operation" enums:"authorize,capture,void,refund"`
	Amount    int64     `json:"amount" example:"1999"`
	Currency  string    `json:"currency" example:"GBP"`
	At        time.Time `json:"at"`
}

const readLedger = `select id, reference, operation, amount, currency, at from simulator.ledger
	where id > $1 and ($2 = '' or reference = $2) order by id limit $3`

// ledger lists the operations that took effect, oldest first.
//
//	@Summary		List the simulator's ledger, oldest first
//	@Description	Returns the operations that took effect.
//	@ID				listLedger
//	@Tags			simulator
//	@Security		BearerAuth[orders:read]
//	@Param			reference	query		string	false	"Id of a payment"
//	@Param			limit		query		int		false	"Maximum number of results: 1 to 100, by default 20"
//	@Param			after		query		int		false	"Only after this position; as cursor"	minimum(0)
//	@Param			cursor		query		string	false	"next_cursor of the previous page"
//	@Success		200			{object}	web.Page[Entry]
//	@Failure		401,403,422	{object}	web.Problem
//	@Router			/simulator/ledger [get]
func (s *Simulator) ledger(c echo.Context) error {
	page, err := web.AfterOf(c)
	if err != nil {
		return err
	}
	rows, err := s.Pool.Query(c.Request().Context(), readLedger, page.After, c.QueryParam("reference"), page.Limit+1)
	if err != nil {
		return err
	}
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, web.NewPage(entries, page.Limit, func(e Entry) int64 { return e.ID }))
}

// Decision is a payment after the shopper's answer.
type Decision struct {
	Reference string `json:"reference" example:"019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"`
	Status    string `json:"status" enums:"authorized,declined,captured,voided"`
}

// approve confirms a payment, as the shopper does at the bank.
//
//	@Summary	Approve a payment at the bank
//	@Description	Confirms a payment as the shopper does, and sends the signed webhook that continues the checkout.
//	@ID			approvePayment
//	@Tags		simulator
//	@Param		reference	path		string	true	"payment"
//	@Param		return		query		string	false	"Path on this server that the browser opens next, such as /shop"
//	@Success	200			{object}	Decision
//	@Failure	404	{object}	web.Problem
//	@Failure	409	{object}	web.Problem	"not_waiting"
//	@Router		/simulator/payments/{reference}/approve [post]
func (s *Simulator) approve(c echo.Context) error { return s.decided(c, "approve") }

// deny rejects a payment, as the shopper does at the bank.
//
//	@Summary	Deny a payment at the bank
//	@Description	Rejects a payment as the shopper does, and sends the signed webhook that fails the checkout.
//	@ID			denyPayment
//	@Tags		simulator
//	@Param		reference	path		string	true	"payment"
//	@Param		return		query		string	false	"Path on this server that the browser opens next, such as /shop"
//	@Success	200			{object}	Decision
//	@Failure	404	{object}	web.Problem
//	@Failure	409	{object}	web.Problem	"not_waiting"
//	@Router		/simulator/payments/{reference}/deny [post]
func (s *Simulator) deny(c echo.Context) error { return s.decided(c, "deny") }

func (s *Simulator) decided(c echo.Context, word string) error {
	reference, err := referenceOf(c)
	if err != nil {
		return err
	}
	a, err := s.confirm(c.Request().Context(), reference, word)
	button := strings.Contains(c.Request().Header.Get(echo.HeaderAccept), echo.MIMETextHTML)
	if button && (err == nil || errors.Is(err, errNotWaiting)) { // the page shows the outcome
		return c.Redirect(http.StatusSeeOther, next(reference, backOf(c), err == nil))
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, Decision{Reference: a.Reference, Status: string(a.Status)})
}

// confirm stores the shopper's answer and the webhook about it.
func (s *Simulator) confirm(ctx context.Context, reference, word string) (account, error) {
	return s.change(ctx, reference, func(tx pgx.Tx, a *account) error {
		switch {
		case a.Answered == word: // a repetition
			return nil
		case a.Status != waiting:
			return errNotWaiting
		}
		a.Answered = word
		return s.answer(ctx, tx, a)
	})
}

func (s *Simulator) answer(ctx context.Context, tx pgx.Tx, a *account) error {
	kind := "payment.declined"
	a.Status, a.Code = declined, payment.CodeAuthenticationFailed
	if a.Answered == "approve" {
		kind = "payment.authorized"
		a.Status, a.Code = authorized, ""
		if _, err := tx.Exec(ctx, writeLedger, a.Reference, opAuthorize, a.Amount, a.Currency); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, saveAccount, a.Reference, a.Status, a.Code, a.Answered, a.Captured, a.Refunded); err != nil {
		return err
	}
	return s.queue(ctx, tx, *a, kind)
}

// show shows the bank's page.
//
//	@Summary	Show the bank's page, with its two buttons
//	@Description	The `next_action` of a checkout leads here. For a browser.
//	@ID			showBankPage
//	@Tags		simulator
//	@Produce	html
//	@Param		reference	path		string	true	"payment"
//	@Param		return		query		string	false	"Path on this server that the shopper returns to, such as /shop"
//	@Success	200			{string}	string
//	@Failure	404			{object}	web.Problem
//	@Router		/simulator/payments/{reference} [get]
func (s *Simulator) show(c echo.Context) error {
	reference, err := referenceOf(c)
	if err != nil {
		return err
	}
	a, err := accountIn(s.Pool.QueryRow(c.Request().Context(), findAccount, reference))
	if err != nil {
		return err
	}
	return showBank(c, a)
}

// referenceOf returns the reference in the path.
func referenceOf(c echo.Context) (string, error) {
	const longest = 255
	reference, ok := web.Param(c, "reference")
	if !ok || len(reference) > longest || !utf8.ValidString(reference) || strings.ContainsRune(reference, 0) {
		return "", errNotFound
	}
	return reference, nil
}
