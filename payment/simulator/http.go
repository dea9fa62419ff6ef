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
	w.Scoped(web.ScopeAdmin).GET("/simulator/ledger", s.ledger, web.Query("reference"), web.Logged)
	w.Scoped(web.ScopeAdmin).POST("/simulator/payments/:reference/refund", s.refundInDashboard)
	w.Scoped(web.ScopeAdmin).POST("/simulator/payments/:reference/dispute", s.dispute)
	w.Public.GET("/simulator/payments/:reference", s.show, web.Query("return"))
	w.Public.POST("/simulator/payments/:reference/approve", s.approve, web.Query("return"))
	w.Public.POST("/simulator/payments/:reference/deny", s.deny, web.Query("return"))
}

// page returns the address of the page that confirms a payment.
func (s *Simulator) page(reference string) string {
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
//	@Summary		List what took effect at the simulator, oldest first
//	@Description	For operators: scope `admin`.
//	@ID				listLedger
//	@Tags			simulator
//	@Security		BearerAuth
//	@Param			reference	query		string	false	"of a payment: its id"
//	@Param			limit		query		int		false	"1 to 100, 20"
//	@Param			after		query		int		false	"Only after this position; as cursor"	minimum(0)
//	@Param			cursor		query		string	false	"next_cursor of the page before"
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

// approve approves a payment, as the shopper does at the bank.
//
//	@Summary	Approve a payment at the bank
//	@Description	As the shopper does at their bank: sends the signed webhook that lets the checkout go on.
//	@ID			approvePayment
//	@Tags		simulator
//	@Param		reference	path		string	true	"payment"
//	@Param		return		query		string	false	"where on this server a browser goes next, a path such as /shop"
//	@Success	200			{object}	Decision
//	@Failure	404	{object}	web.Problem
//	@Failure	409	{object}	web.Problem	"not_waiting"
//	@Router		/simulator/payments/{reference}/approve [post]
func (s *Simulator) approve(c echo.Context) error { return s.decided(c, "approve") }

// deny denies a payment, as the shopper does at the bank.
//
//	@Summary	Deny a payment at the bank
//	@Description	As the shopper does at their bank: sends the signed webhook that makes the checkout fail.
//	@ID			denyPayment
//	@Tags		simulator
//	@Param		reference	path		string	true	"payment"
//	@Param		return		query		string	false	"where on this server a browser goes next, a path such as /shop"
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
	if button && (err == nil || errors.Is(err, errNotWaiting)) { // the page says how it stands
		return c.Redirect(http.StatusSeeOther, next(reference, backOf(c), err == nil))
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, Decision{Reference: a.Reference, Status: string(a.Status)})
}

const findAccount = `select ` + accountColumns + ` from simulator.payments where reference = $1`

// confirm stores the shopper's answer and the webhook about it in one transaction.
func (s *Simulator) confirm(ctx context.Context, reference, word string) (a account, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, findAccount+" for update", reference).Scan(a.fields()...)
		switch {
		case errors.Is(err, pgx.ErrNoRows) || err == nil && a.Status == none:
			return errNotFound
		case err != nil || a.Answered == word: // the same answer again
			return err
		case a.Status != waits:
			return errNotWaiting
		}
		a.Answered = word
		return s.answer(ctx, tx, &a)
	})
	if err == nil {
		s.hurry()
	}
	return a, err
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
//	@Description	Where `next_action` of a checkout leads to, for a person in a browser.
//	@ID			showBankPage
//	@Tags		simulator
//	@Produce	html
//	@Param		reference	path		string	true	"payment"
//	@Param		return		query		string	false	"where on this server the shopper goes back to, a path such as /shop"
//	@Success	200			{string}	string
//	@Failure	404			{object}	web.Problem
//	@Router		/simulator/payments/{reference} [get]
func (s *Simulator) show(c echo.Context) error {
	reference, err := referenceOf(c)
	if err != nil {
		return err
	}
	var a account
	err = s.Pool.QueryRow(c.Request().Context(), findAccount, reference).Scan(a.fields()...)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && a.Status == none {
		return errNotFound
	}
	if err != nil {
		return err
	}
	return showBank(c, a)
}

// referenceOf returns the payment of the path, or errNotFound if the text cannot be a reference.
func referenceOf(c echo.Context) (string, error) {
	const longest = 255
	reference, ok := web.Param(c, "reference")
	if !ok || len(reference) > longest || !utf8.ValidString(reference) || strings.ContainsRune(reference, 0) {
		return "", errNotFound
	}
	return reference, nil
}
