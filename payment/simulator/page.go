package simulator

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // page.html, page.css
	"encoding/base64"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/money"
)

// The bank's page contains its style sheet.
var (
	//go:embed page.html
	bankHTML string
	//go:embed page.css
	bankCSS string

	bank = template.Must(template.New("bank").Parse(bankHTML))
)

// bankPolicy allows the page its own style sheet and its own forms, and nothing else.
var bankPolicy = func() string {
	sum := sha256.Sum256([]byte(bankCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// outcomes holds the page's texts for decided payments.
var outcomes = map[status]string{
	authorized: "You approved this payment.",
	captured:   "You approved this payment, and it was charged.",
	declined:   "This payment was declined. Nothing was charged.",
	voided:     "This payment was cancelled. Nothing was charged.",
}

// showBank sends the page of a payment. Its forms and links are paths, so that the browser stays at the same host.
func showBank(c echo.Context, a account) error {
	back := backOf(c)
	var page bytes.Buffer
	err := bank.Execute(&page, map[string]any{
		"Style": template.CSS(bankCSS), "Reference": a.Reference, "Amount": money.Of(a.Amount, a.Currency), "Waits": a.Status == waiting, "Outcome": outcomes[a.Status], // #nosec G203 -- our own sheet
		"Approve": addressOf(a.Reference, "/approve", back), "Deny": addressOf(a.Reference, "/deny", back), "Back": back,
	})
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentSecurityPolicy, bankPolicy)
	h.Set(echo.HeaderCacheControl, "no-store") // going back must not show an old state
	return c.HTMLBlob(http.StatusOK, page.Bytes())
}

// next returns the path after a click on a button: the shop if the payment was decided, otherwise the page.
func next(reference, back string, decided bool) string {
	if decided && back != "" {
		return back
	}
	return addressOf(reference, "", back)
}

// addressOf returns the path of the page or of a button.
func addressOf(reference, button, back string) string {
	address := "/simulator/payments/" + url.PathEscape(reference) + button
	if back == "" {
		return address
	}
	return address + "?return=" + url.QueryEscape(back)
}

// backOf returns the path on this server that the shopper returns to. It ignores other addresses, to prevent an open redirect.
func backOf(c echo.Context) string {
	back := c.QueryParam("return")
	u, err := url.Parse(back)
	if err != nil || !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsRune(u.Path, '\\') {
		return ""
	}
	return back
}
