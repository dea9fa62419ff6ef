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
)

// The bank's page brings its style along, in the page itself: the simulator has one page, and no files to serve.
var (
	//go:embed page.html
	bankHTML string
	//go:embed page.css
	bankCSS string

	bank = template.Must(template.New("bank").Parse(bankHTML))
)

// bankPolicy lets the page be styled by its own sheet, send its own forms, and nothing else.
var bankPolicy = func() string {
	sum := sha256.Sum256([]byte(bankCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}()

// outcomes are what the page says of a payment that waits for nobody.
var outcomes = map[status]string{
	authorized: "You approved this payment.",
	captured:   "You approved this payment, and it was charged.",
	declined:   "This payment was declined. Nothing was charged.",
	voided:     "This payment was called off. Nothing was charged.",
}

// showBank answers with the page of a payment. Forms and links name addresses of this server, by which the browser came.
func showBank(c echo.Context, a account) error {
	back := backOf(c)
	var page bytes.Buffer
	err := bank.Execute(&page, map[string]any{
		"Style": template.CSS(bankCSS), "Reference": a.Reference, "Amount": a.total(), "Waits": a.Status == waits, "Outcome": outcomes[a.Status], // #nosec G203 -- our own sheet
		"Approve": addressOf(a.Reference, "/approve", back), "Deny": addressOf(a.Reference, "/deny", back), "Back": back,
	})
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentSecurityPolicy, bankPolicy)
	h.Set(echo.HeaderCacheControl, "no-store") // going back must not show a payment that waits no more
	return c.HTMLBlob(http.StatusOK, page.Bytes())
}

// next is where a browser goes from a button: back to the shop once it has decided, else to the page.
func next(reference, back string, decided bool) string {
	if decided && back != "" {
		return back
	}
	return addressOf(reference, "", back)
}

// addressOf is the page of a payment, or one of its buttons, which remember where the shopper came from.
func addressOf(reference, button, back string) string {
	address := "/simulator/payments/" + url.PathEscape(reference) + button
	if back == "" {
		return address
	}
	return address + "?return=" + url.QueryEscape(back)
}

// backOf is where the shopper goes when the bank is done: a path on this server. Anything else is none, since a page that
// sends people wherever a link says is a tool for fraud.
func backOf(c echo.Context) string {
	back := c.QueryParam("return")
	u, err := url.Parse(back)
	if err != nil || !strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//") || strings.ContainsRune(u.Path, '\\') {
		return ""
	}
	return back
}
