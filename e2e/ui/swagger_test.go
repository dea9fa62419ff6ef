package ui

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/docs"
	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// TestSwaggerUI follows the tour in a browser.
func TestSwaggerUI(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a browser some seconds")
	}
	s := harness.Open(t, harness.OneDatabase)
	p := visits(t, s, "/swagger")

	require.ElementsMatch(t, documented(t), p.operations())

	p.authorizes(s.Admin)
	sku := "MUG " + uuid.NewString()
	p.executes("PUT", "/v1/products/{sku}", 201, fields{"sku": sku}, `{"name":"Mug","price":{"amount":1250,"currency":"GBP"}}`)

	guest := shown[web.Session](p.executes("POST", "/v1/sessions", 201, nil, ""))
	p.authorizes(guest.Token)
	opened := shown[harness.CartView](p.executes("POST", "/v1/carts", 201, nil, `{"currency":"GBP"}`))
	cart := fields{"id": opened.ID.String()}
	filled := shown[harness.CartView](p.executes("POST", "/v1/carts/{id}/items", 200, cart, fmt.Sprintf(`{"sku":%q,"quantity":2}`, sku)))
	require.Equal(t, int64(2500), filled.Total.Amount)
	require.Equal(t, guest.CustomerID.String(), filled.CustomerID)
	done := shown[harness.CheckoutView](p.executes("POST", "/v1/carts/{id}/checkout", 201, fields{
		"id": opened.ID.String(), "Idempotency-Key": uuid.NewString(), "If-Match": harness.Tag(filled.Version), "Prefer": harness.Waiting,
	}, `{"payment_method":"sim_ok","email":"ada@example.com"}`))
	require.Equal(t, saga.Completed, done.Status)
	bought := shown[harness.OrderView](p.executes("GET", "/v1/orders/{id}", 200, fields{"id": done.OrderID.String()}, ""))
	require.Equal(t, order.StatusConfirmed, bought.Status)
	require.Equal(t, filled.Total, bought.Total)

	require.Empty(t, p.complaints(), "the browser complains")
}

// documented returns the operations of the document, as the page writes them.
func documented(t *testing.T) (all []string) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	require.NoError(t, err)
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			all = append(all, method+" "+path)
		}
	}
	return all
}

// page is Swagger UI in a browser.
type page struct {
	*testing.T
	ctx    context.Context
	mu     sync.Mutex
	faults []string
}

// publicName is a host that a browser trusts no more than any public one, unlike localhost.
const publicName = "shop.example"

// visits opens Swagger UI in a new browser.
func visits(t *testing.T, s *harness.Site, path string) *page {
	t.Helper()
	return browses(t, s, path, ".opblock")
}

// browses opens a page of the site in a new browser, and waits until it shows the selected element.
func browses(t *testing.T, s *harness.Site, path, selected string) *page {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium(t)), chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.UserDataDir(profile(t)), chromedp.WindowSize(1000, 800),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP "+publicName+" 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, leave := chromedp.NewContext(ctx)
	t.Cleanup(leave)
	ctx, end := context.WithTimeout(ctx, 10*harness.Patience) // browsers are slow when much else runs
	t.Cleanup(end)
	p := &page{T: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.listens)
	p.do(log.Enable(), network.Enable(), chromedp.Navigate(strings.Replace(s.Base, "127.0.0.1", publicName, 1)+path),
		chromedp.WaitVisible(selected, chromedp.ByQuery))
	return p
}

// profile returns a directory for a browser. Its processes write to it for a moment after they were stopped, so removing it may
// take several attempts.
func profile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "browser-")
	require.NoError(t, err)
	t.Cleanup(func() {
		require.Eventually(t, func() bool { return os.RemoveAll(dir) == nil }, harness.Patience, 50*time.Millisecond)
	})
	return dir
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no Chromium here")
	return ""
}

// listens records the messages in the browser's console.
func (p *page) listens(event any) {
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level == log.LevelError || e.Entry.Level == log.LevelWarning {
			p.complains(e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		p.complains(e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			p.complains(e.Args[0].Value.String())
		}
	case *network.EventLoadingFailed:
		if !e.Canceled { // a page that was left cancels its requests
			p.complains(e.ErrorText)
		}
	case *network.EventResponseReceived:
		if e.Response.Status >= 400 {
			p.complains(strconv.Itoa(int(e.Response.Status)), e.Response.URL)
		}
	}
}

func (p *page) complains(words ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, strings.Join(words, " "))
}

func (p *page) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.faults)
}

func (p *page) do(actions ...chromedp.Action) {
	p.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		require.NoError(p, err, "the browser complains: %v", p.complaints())
	}
}

func (p *page) operations() (all []string) {
	p.Helper()
	p.do(chromedp.Evaluate(`[...document.querySelectorAll(".opblock")].map(o =>
		o.querySelector(".opblock-summary-method").innerText + " " + o.querySelector("[data-path]").dataset.path)`, &all))
	return all
}

// authorizes sets the token of the visitor.
func (p *page) authorizes(token string) {
	p.Helper()
	const dialog = ".modal-ux "
	p.press(".auth-wrapper .authorize")
	var known bool
	p.do(chromedp.WaitVisible(dialog), chromedp.Evaluate(`!document.querySelector(".modal-ux input")`, &known))
	if known {
		p.press(dialog + "button.auth:not(.btn-done)") // Logout
	}
	p.types(dialog+"input", token)
	p.press(dialog + "button.authorize")
	p.press(dialog + "button.btn-done")
	p.do(chromedp.WaitNotPresent(dialog, chromedp.ByQuery))
}

// fields holds the parameters of a form.
type fields map[string]string

// reply is a response as the page shows it.
type reply struct {
	*page
	body string
}

// executes fills in the form of an operation, presses Execute, and reads the response.
func (p *page) executes(method, path string, status int, form fields, body string) reply {
	p.Helper()
	block := fmt.Sprintf(`.opblock-%s:has([data-path="%s"]) `, strings.ToLower(method), path)
	p.press(block + ".opblock-summary-control")
	p.press(block + ".try-out__btn")
	for name, value := range form {
		p.types(fmt.Sprintf(`%str[data-param-name="%s"] input`, block, name), value)
	}
	if body != "" {
		p.types(block+"textarea.body-param__text", body)
	}
	p.press(block + ".execute")
	answer := block + ".live-responses-table tbody .response "
	var code, text string
	p.do(chromedp.Text(answer+".response-col_status", &code, chromedp.ByQuery),
		chromedp.Text(answer+".highlight-code code", &text, chromedp.ByQuery))
	p.press(block + ".opblock-summary-control")
	require.Equal(p, strconv.Itoa(status), strings.Fields(code)[0], text)
	return reply{p, text}
}

func (p *page) press(button string) {
	p.Helper()
	p.do(chromedp.Click(button, chromedp.ByQuery))
}

// types replaces the content of a field.
func (p *page) types(field, text string) {
	p.Helper()
	p.do(chromedp.Focus(field, chromedp.ByQuery), chromedp.KeyEvent("a", chromedp.KeyModifiers(input.ModifierCtrl)),
		chromedp.KeyEvent(kb.Delete), chromedp.ActionFunc(func(ctx context.Context) error { return input.InsertText(text).Do(ctx) }))
}

func shown[T any](r reply) (v T) {
	r.Helper()
	require.NoError(r, json.Unmarshal([]byte(r.body), &v), r.body)
	return v
}
