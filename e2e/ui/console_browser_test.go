package ui

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/config"
	"shopping-cart/saga"
)

var shots = flag.String("shots", "", "folder for a picture of every page that the browser tests see")

// TestConsoleInABrowser opens every page in light and dark colors, on a desktop and on a phone. No page is wider than the screen, the
// browser reports no error, and axe-core finds nothing serious. Then an operator resolves a checkout, and its shopper sees it at once.
func TestConsoleInABrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a browser some seconds")
	}
	var line *pgtest.Proxy
	s := harness.Open(t, harness.DatabaseEach, harness.WithShop, func(t testing.TB, c *config.Config) {
		line = pgtest.NewProxy(t, c.SagaDatabaseURL)
		c.SagaDatabaseURL = line.URL()
		c.PaymentTimeout, c.StepDeadline, c.PaymentActionTTL = 500*time.Millisecond, 4*time.Second, time.Hour
	})
	pages, stuck, waits := hasAStory(t, s)
	p := browses(t, s, "/console/sign-in", "main h1")
	p.judgesAll("console-sign-in")
	p.do(chromedp.SetValue("#token", s.Admin, chromedp.ByQuery))
	p.press("button.primary")
	p.do(chromedp.WaitVisible(".figures", chromedp.ByQuery))
	for _, one := range pages {
		p.opens(s, one[1])
		p.judgesAll("console-" + one[0])
	}
	p.frees(s, stuck)
	p.opens(s, "/console/reconciliation?look=1") // now that the provider can be asked
	p.judgesAll("console-findings")
	s.Exec(t, "orders", `delete from orders.parked`)
	harness.As[harness.CheckoutView](t, harness.Shopper{Site: s, Token: s.Admin, ID: stuck.Ada.ID}.CancelCheckout(t, waits.ID, "Prefer", harness.Waiting), http.StatusOK)
	p.losesTheSagas(s, line)
	require.Empty(t, p.complaints(), "the browser complains")
	p.marksWhatIsOld(s, line, "/console/sagas/"+waits.ID.String())
}

// losesTheSagas checks that an open page shows that the database of the sagas is unavailable, and later that it is back.
func (p *page) losesTheSagas(s *harness.Site, line *pgtest.Proxy) {
	p.Helper()
	const notice = "#overview-live > .message.wait"
	p.opens(s, "/console")
	line.Cut()
	p.do(chromedp.WaitVisible(notice, chromedp.ByQuery))
	p.judgesAll("console-away")
	p.opens(s, "/console/sagas")
	p.judgesAll("console-away-sagas")
	p.opens(s, "/console")
	p.do(chromedp.WaitVisible(notice, chromedp.ByQuery))
	line.Restore()
	p.do(chromedp.WaitNotPresent(notice, chromedp.ByQuery))
}

// marksWhatIsOld checks that a live page shows since when it is out of date, until the server answers again.
func (p *page) marksWhatIsOld(s *harness.Site, line *pgtest.Proxy, saga string) {
	p.Helper()
	const mark = "[data-stale]"
	says := func(why string) {
		p.Helper()
		var text string
		p.do(chromedp.WaitVisible(mark, chromedp.ByQuery), chromedp.Text(mark, &text, chromedp.ByQuery))
		require.Regexp(p, `^Not up to date since \d\d:\d\d:\d\d UTC: `+why+`\.$`, text)
	}
	p.opens(s, saga)
	p.do(chromedp.WaitNotVisible(mark, chromedp.ByQuery))
	line.Cut()
	says("the server answers 503")
	p.judgesAll("console-stale")
	line.Restore()
	p.do(chromedp.WaitNotVisible(mark, chromedp.ByQuery))
	p.do(network.EmulateNetworkConditions(true, 0, 0, 0))
	says("the server does not answer")
	p.do(network.EmulateNetworkConditions(false, 0, -1, -1))
	p.do(chromedp.WaitNotVisible(mark, chromedp.ByQuery))
}

// hasAStory creates the content of the pages, and returns their names and addresses.
func hasAStory(t *testing.T, s *harness.Site) (pages [][2]string, stuck harness.Doubt, waits harness.CheckoutView) {
	t.Helper()
	ada, sku := s.Shopper(t), s.AddProduct(t, 1999)
	s.SetStock(t, sku, 100)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_timeout_applied", harness.Waiting), http.StatusCreated)
	for range 3 {
		harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	}
	declined := harness.RequireProblem(t, ada.CheckOut(t, ada.Fill(t, sku), "sim_capture_fails", harness.Waiting), http.StatusPaymentRequired, "capture_refused")
	asked := ada.CheckOutAtBank(t, ada.Fill(t, sku), "sim_requires_action")
	require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode)
	ada.AwaitStatus(t, asked.ID, saga.Completed)
	waits = ada.CheckOutAtBank(t, ada.Fill(t, sku), "sim_requires_action")
	stuck = s.LeaveInDoubt(t, sku, "capture")
	parksOne(t, s, done)
	hooks := harness.Get[harness.List[struct{ ID string }]](t, s, "/v1/admin/webhooks", s.Admin).Data
	require.NotEmpty(t, hooks)
	return [][2]string{
		{"overview", "/console"}, {"sagas", "/console/sagas"}, {"sagas-none", "/console/sagas?status=cancelled"},
		{"saga", "/console/sagas/" + done.ID.String()}, {"saga-bank", "/console/sagas/" + waits.ID.String()}, {"saga-undone", "/console/sagas/" + declined.CheckoutID.String()},
		{"saga-stuck", "/console/sagas/" + stuck.ID.String()}, {"streams", "/console/streams"},
		{"stream-cart", "/console/streams/cart/" + done.CartID.String()}, {"stream-payment", "/console/streams/payment/" + done.PaymentID.String()},
		{"timeline", "/console/orders/" + done.OrderID.String()}, {"parked", "/console/parked"}, {"webhooks", "/console/webhooks"},
		{"webhook", "/console/webhooks/" + url.PathEscape(hooks[0].ID)}, {"readers", "/console/readers"}, {"limits", "/console/limits"},
		{"reconciliation", "/console/reconciliation"}, {"nothing", "/console/streams?q=nothing"},
	}, stuck, waits
}

// parksOne parks an event of an order, as if its projection had failed.
func parksOne(t *testing.T, s *harness.Site, done harness.CheckoutView) {
	t.Helper()
	s.Exec(t, "orders", fmt.Sprintf(`insert into orders.parked (id, reader, stream, version, attempts, error, parked_at, next_at)
		select '01920000-0000-7000-8000-000000000001', 'daily_sales', stream, version, 7, 'apply order.confirmed: numeric field overflow', now() - interval '42 minutes',
			now() + interval '1 day' from orders.events where stream = '%s' and type = 'order.confirmed'`, done.OrderID))
}

func (p *page) opens(s *harness.Site, path string) {
	p.Helper()
	p.do(chromedp.Navigate(strings.Replace(s.Base, "127.0.0.1", publicName, 1)+path), chromedp.WaitVisible("main h1", chromedp.ByQuery))
}

// awaited makes the browser wait for the promise of a script.
func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// looks sets the colors and the width, such as "dark-phone".
func (p *page) looks(like string) {
	p.Helper()
	colours, width, _ := strings.Cut(like, "-")
	size := map[string][2]int64{"desktop": {1280, 900}, "phone": {390, 844}}[width]
	p.do(emulation.SetDeviceMetricsOverride(size[0], size[1], 1, width == "phone"),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: colours}, {Name: "prefers-reduced-motion", Value: "reduce"}}))
}

// looked lists the looks of a page. A short run has axe-core check the first and the last one, which cover both colors and both widths.
var looked = []string{"light-desktop", "light-phone", "dark-desktop", "dark-phone"}

// judgesAll checks the page in every look, and leaves it in the first one.
func (p *page) judgesAll(name string) {
	p.Helper()
	for _, look := range looked {
		p.looks(look)
		p.judges(name+"-"+look, !testing.Short() || look == looked[0] || look == looked[3])
	}
	p.looks(looked[0])
}

// judges takes a screenshot of the page, checks that it is no wider than the screen, and may have axe-core check it.
func (p *page) judges(name string, closely bool) {
	p.Helper()
	if *shots != "" {
		p.pictures(name)
	}
	var wide, said string
	p.do(chromedp.Evaluate(`(() => { const room = document.documentElement.clientWidth;
		return [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > room + 1 && !e.closest(".unseen, thead"))
			.slice(0, 3).map(e => e.outerHTML.slice(0, 120)).join("\n") })()`, &wide))
	require.Empty(p, wide, "%s is wider than the screen", name)
	if !closely {
		return
	}
	p.do(chromedp.Evaluate(`typeof axe`, &said))
	if said == "undefined" {
		axe, err := os.ReadFile(filepath.Join("e2e", "testdata", "axe-core", "axe.min.js"))
		require.NoError(p, err)
		p.do(chromedp.Evaluate(string(axe)+"; true", nil))
	}
	p.do(chromedp.Evaluate(`axe.run(document, {resultTypes: ["violations"]}).then(found => JSON.stringify(found.violations.map(v =>
		({id: v.id, impact: v.impact, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " — " + n.failureSummary)}))))`, &said, awaited))
	var found []struct {
		ID, Impact string
		Nodes      []string
	}
	require.NoError(p, json.Unmarshal([]byte(said), &found))
	for _, v := range found {
		require.NotContains(p, []string{"serious", "critical"}, v.Impact, "%s: %s %v", name, v.ID, v.Nodes)
	}
}

func (p *page) pictures(name string) {
	p.Helper()
	var picture []byte
	p.do(chromedp.FullScreenshot(&picture, 100))
	require.NoError(p, os.WriteFile(filepath.Join(*shots, name+".png"), picture, 0o644))
}

// tab opens another tab of the browser.
func (p *page) tab() *page {
	p.Helper()
	ctx, leave := chromedp.NewContext(p.ctx)
	p.Cleanup(leave)
	other := &page{T: p.T, ctx: ctx}
	chromedp.ListenTarget(ctx, other.listens)
	other.do(log.Enable(), network.Enable())
	other.looks(looked[0])
	return other
}

// frees resolves the checkout that needs attention, as an operator would in the console.
func (p *page) frees(s *harness.Site, d harness.Doubt) {
	p.Helper()
	ada := &shopBrowser{p.tab(), s}
	ada.goes("/shop")
	ada.evaluates(fmt.Sprintf(`localStorage.setItem("thimble", JSON.stringify({token: %q, customer: %q}))`, d.Ada.Token, d.Ada.ID))
	ada.goes("/shop/checkouts/" + d.ID.String())
	ada.sees(".progress h1", "This checkout needs attention")
	ada.looksGood("attention")
	p.opens(s, "/console")
	p.press(`.figures a[href$="status=needs_attention"]`)
	p.do(chromedp.WaitVisible(`a[href$="`+d.ID.String()+`"]`, chromedp.ByQuery))
	p.press(`a[href$="` + d.ID.String() + `"]`)
	p.do(chromedp.WaitVisible("#settle-reason", chromedp.ByQuery))
	p.press(`input[name=outcome][value=captured]`)
	p.types("#settle-reason", "Their support says so, case 4711.")
	p.press(`form[action$="/settle"] button`)
	p.do(chromedp.WaitVisible(".message.good", chromedp.ByQuery))
	ada.sees(".progress h1", "Thank you for your order.")
	d.RequireOrder(p.T)
	p.do(chromedp.Poll(`document.body.innerText.includes("case 4711")`, nil)) // without a reload
	d.RestoreProvider(p.T, "back")
	d.AwaitEnd(p.T, saga.Completed, "authorize", "capture")
	p.do(chromedp.Poll(`document.querySelector(".headline .chip").innerText === "completed"`, nil),
		chromedp.WaitNotVisible(`.badge[data-count=sagas]`, chromedp.ByQuery)) // and the badge disappears without a reload
	if *shots != "" {
		p.pictures("console-saga-settled-light-desktop")
	}
	require.Empty(p, slices.DeleteFunc(ada.complaints(), abandoned), "the shopper's browser complains")
}
