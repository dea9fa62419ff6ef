package ui

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bojanz/currency"
	devtools "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/app"
	"shopping-cart/order"
	"shopping-cart/platform/money"
	"shopping-cart/ui/shop"
)

// TestShop uses the storefront in a browser.
func TestShop(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a browser some seconds")
	}
	s := harness.Open(t, harness.OneDatabase, harness.WithShop)
	stockShop(t, s)
	p := browseShop(t, s, "/shop")
	for _, step := range []struct {
		name string
		walk func(*shopBrowser)
	}{
		{"Looking", (*shopBrowser).looking}, {"Money", (*shopBrowser).money}, {"TheCartSurvivesAReload", (*shopBrowser).survives}, {"SigningInTakesTheCartAlong", (*shopBrowser).signingIn},
		{"ADeclinedCard", (*shopBrowser).declined}, {"ThreeDSecure", (*shopBrowser).threeDSecure}, {"DeniedAtTheBank", (*shopBrowser).denied},
		{"Cancelling", (*shopBrowser).cancelling}, {"AChangedPrice", (*shopBrowser).changedPrice}, {"SoldOutMeanwhile", (*shopBrowser).soldOut},
		{"PayingAgainIsTheSameAttempt", (*shopBrowser).paysAgain},
		{"AnAttemptCutOffIsSentAgain", (*shopBrowser).cutOff}, {"ASessionThatEnded", (*shopBrowser).ended},
	} {
		if !t.Run(step.name, func(t *testing.T) { p.T = t; step.walk(p) }) {
			return // each step continues where the previous one ended
		}
	}
	p.T = t
	require.Empty(t, slices.DeleteFunc(p.complaints(), abandoned), "the browser complains")
}

// abandoned reports the complaint about the stream of a page that was left.
func abandoned(complaint string) bool { return complaint == "net::ERR_ABORTED" }

// stockShop adds the products and the stock.
func stockShop(t *testing.T, s *harness.Site) {
	t.Helper()
	for i, name := range []string{
		"Union flag hot water bottle", "Victorian sewing box", "Red retrospot umbrella", "Woodland bird ornament", "Alarm clock bakelike green",
		"White metal lantern", "Children's circus parade mug", "Cream cupid hearts coat hanger",
	} {
		sku := fmt.Sprintf("840%02d", i)
		body := map[string]any{"name": name, "price": harness.GBP(int64(195 + 160*i))}
		require.Equal(t, http.StatusCreated, s.Send(t, http.MethodPut, "/v1/products/"+sku, s.Admin, body).StatusCode)
		s.SetStock(t, sku, 500)
	}
	s.SetStock(t, scarceSKU, 3)
}

const (
	mugSKU     = "84006"
	lanternSKU = "84005"
	scarceSKU  = "84002" // the umbrella
)

func (p *shopBrowser) looking() {
	p.sees("main h1", "Small things")
	p.counts(".card", 8)
	p.looksGood("products")
	p.types("input[type=search]", "lantern")
	p.sees(".lede h1", "lantern")
	p.counts(".card", 1)
	p.press(".card h2 a")
	p.sees(".product h1", "White metal lantern")
	p.looksGood("product")
	p.types("#quantity", "2")
	p.press(".product .buy")
	p.sees(".badge", "2")
	p.types("input[type=search]", "nothing is called that")
	p.sees(".empty", "A shorter word")
	for _, none := range []string{"NONE", "%E4"} { // the second one is not UTF-8
		p.goes("/shop/products/" + none)
		p.sees("h1", "Page not found")
		p.forgives(404)
	}
}

var written = regexp.MustCompile(`\d[\d,.]*$`)

// money checks that amounts have the minor units of the server, not those of the browser.
func (p *shopBrowser) money() {
	shown := map[string]string{}
	p.do(chromedp.Evaluate(fmt.Sprintf(`import("/shop/assets/dom.js").then(({ money }) =>
		Object.fromEntries(%q.split(" ").map(currency => [currency, money({ amount: 1234567, currency })])))`,
		strings.Join(currency.GetCurrencyCodes(), " ")), &shown, awaited))
	for code, text := range shown {
		want, _, _ := strings.Cut(money.Of(1234567, code).String(), " ")
		require.Equal(p, want, strings.ReplaceAll(written.FindString(text), ",", ""), text)
	}
	require.Len(p, shown, len(currency.GetCurrencyCodes()))
}

func (p *shopBrowser) survives() {
	p.goes("/shop/cart")
	p.sees(".lines .what", "White metal lantern")
	p.press("#line-0-more")
	p.sees(".badge", "3")
	p.reloads()
	p.sees(".badge", "3")
	p.sees(".totals dd.total", "£29.85")
	p.sees(".timeline", "cart.quantity_changed")
	p.looksGood("cart")
}

func (p *shopBrowser) signingIn() {
	ada := harness.As[shop.SignedIn](p, p.SignInToShop(p.T, "Ada"), http.StatusOK)
	before := harness.Shopper{Site: p.Site, Token: ada.Token}
	before.Fill(p, mugSKU)
	p.press(".who a[href='/shop/sign-in']")
	p.sees("h1", "Sign in")
	p.looksGood("sign-in")
	p.types("#name", "  ada ")
	p.press("form.form button")
	p.sees(".who .name", "ada")
	p.sees(".badge", "4") // three lanterns from the guest's cart, and the mug of the customer's cart
	require.Len(p, harness.Get[harness.List[harness.CartView]](p, p.Site, "/v1/carts", ada.Token).Data, 1)
}

func (p *shopBrowser) declined() {
	p.pays("sim_declined")
	p.sees(".progress h1", "The card was declined")
	p.sees(".steps", "payment.undo")
	p.looksGood("declined")
	p.press(".actions .button")
	p.sees("button.large", "Pay £41.40") // the cart is unchanged
	p.looksGood("checkout")
}

func (p *shopBrowser) threeDSecure() {
	p.pays("sim_requires_action")
	p.sees(".progress h1", "Your bank asks you")
	p.sees(".heard .how", "event") // by an event, not by polling
	p.looksGood("bank-asks")
	p.press(".progress a.button")
	p.sees("h1", "Is this you?")
	p.sees(".amount", "41.40 GBP")
	p.looksGood("bank")
	p.press("button.yes")
	p.sees(".progress h1", "Thank you for your order.")
	p.sees(".timeline", "payment.captured")
	p.looksGood("thank-you")
	p.press(".progress .button")
	p.sees(".orderhead h1", "Order ")
	p.sees(".orderhead .pill", "Paid")
	p.sees(".badge", "0")
	p.looksGood("order")
}

func (p *shopBrowser) denied() {
	p.buys(mugSKU)
	p.pays("sim_requires_action")
	p.sees(".progress h1", "Your bank asks you")
	p.reloads() // the state survives a reload
	p.press(".progress a.button")
	p.sees("h1", "Is this you?")
	p.press("button.no")
	p.sees(".progress h1", "You denied the payment at your bank")
	p.pays("sim_timeout_applied") // charged, but the answer is lost
	p.sees(".progress h1", "Thank you for your order.")
	p.sees(".steps", "attempts")
}

func (p *shopBrowser) cancelling() {
	p.goes("/shop/orders")
	p.counts(".orders li", 2)
	p.counts(".orders .pill.unpaid", 0) // a declined or denied payment leaves no order
	p.looksGood("orders")
	p.press(".orders a")
	p.sees(".cancel summary", "Cancel this order")
	p.press(".cancel summary")
	p.press(".cancel .button.danger")
	p.sees(".orderhead .pill", "Cancelled")
	p.sees(".notice.good", "Your payment was refunded")
	p.sees(".notice.good", "£11.55")
	p.looksGood("cancelled")
	done := harness.Get[harness.List[harness.OrderView]](p, p.Site, "/v1/admin/orders?status="+string(order.StatusCancelled), p.Admin)
	back := int64(0)
	for _, one := range done.Data {
		back += one.Refunded.Amount
	}
	require.Equal(p, int64(1155), back)
}

func (p *shopBrowser) changedPrice() {
	p.buys(lanternSKU)
	p.goes("/shop/checkout")
	p.sees("button.large", "Pay £9.95")
	require.Equal(p, http.StatusOK, p.Send(p, http.MethodPut, "/v1/products/"+lanternSKU, p.Admin,
		map[string]any{"name": "White metal lantern", "price": harness.GBP(1095)}).StatusCode)
	p.press("button.large")
	p.sees(".notice", "Prices have changed")
	p.sees(".notice", "£10.95")
	p.forgives(409)
	p.looksGood("price-changed")
	p.press(".notice .button")
	p.sees("button.large", "Pay £10.95")
	p.press("button.large")
	p.sees(".progress h1", "Thank you for your order.")
}

func (p *shopBrowser) soldOut() {
	p.buys(scarceSKU)
	p.goes("/shop/cart")
	p.types("#line-0", "3")
	p.do(chromedp.KeyEvent(kb.Tab))
	p.sees(".badge", "3")
	p.SetStock(p, scarceSKU, 2) // somebody was faster
	p.pays("sim_ok")
	p.sees(".progress h1", "Out of stock")
	p.sees(".shortages", "2 left")
	p.looksGood("out-of-stock")
	p.press(".shortages .button")
	p.sees("button.large", "Pay £10.30")
	p.press("button.large")
	p.sees(".progress h1", "Thank you for your order.")
}

// paysAgain checks that pressing the button again while the server is unreachable sends the same request under the same key.
func (p *shopBrowser) paysAgain() {
	p.buys(mugSKU)
	p.goes("/shop/checkout")
	p.sees("button.large", "Pay ")
	p.evaluates(`(() => {
		const [real, timer] = [fetch, setTimeout];
		window.keys = [];
		window.setTimeout = (work) => timer(work, 0);
		window.fetch = (path, request) => path.endsWith("/checkout")
			? (keys.push(request.headers.get("Idempotency-Key")), Promise.reject(new TypeError("cut"))) : real(path, request);
	})()`)
	var keys []string
	for range 2 {
		before := len(keys)
		p.press("button.large")
		harness.Until(p, "all attempts were made", func() bool {
			p.do(chromedp.Evaluate(`keys`, &keys))
			return len(keys) == before+6
		})
		p.sees(".notice", "it is the same attempt")
	}
	require.Len(p, slices.Compact(keys), 1)
	p.goes("/shop/checkout")
	p.sees(".progress h1", "Thank you for your order.")
}

// cutOff checks that a browser that lost the answer repeats the same attempt, and that there is one order.
func (p *shopBrowser) cutOff() {
	p.buys(mugSKU)
	orders := len(harness.Get[harness.List[harness.OrderView]](p, p.Site, "/v1/admin/orders", p.Admin).Data)
	p.goes("/shop/checkout")
	p.sees("button.large", "Pay ")
	p.evaluates(`(() => { const real = fetch; window.fetch = (...of) => String(of[0]).endsWith("/checkout") ? real(...of).then(() => new Promise(() => {})) : real(...of); })()`)
	p.press("button.large")
	harness.Until(p, "the checkout was begun", func() bool {
		return len(harness.Get[harness.List[harness.OrderView]](p, p.Site, "/v1/admin/orders", p.Admin).Data) == orders+1
	})
	p.goes("/shop/checkout")
	p.sees(".progress h1", "Thank you for your order.")
	require.Len(p, harness.Get[harness.List[harness.OrderView]](p, p.Site, "/v1/admin/orders", p.Admin).Data, orders+1)
}

// ended checks that a new guest replaces an expired token and keeps the cart.
func (p *shopBrowser) ended() {
	p.goes("/shop/sign-in")
	p.press(".actions button")
	p.sees(".who", "Sign in")
	p.buys(mugSKU)
	before := p.expires()
	p.goes("/shop/orders") // requests the orders and the cart concurrently
	p.sees(".badge", "1")
	var guests int
	p.do(chromedp.Evaluate(`performance.getEntriesByType("resource").filter(one => one.name.endsWith("/v1/sessions")).length`, &guests))
	require.Equal(p, 1, guests)

	require.NotEqual(p, before, p.expires())
	p.cutsOff("/v1/sessions", func() {
		p.do(chromedp.Reload()) // reload before there is a new guest
		harness.Until(p, "the token is given up", func() (holds bool) {
			p.do(chromedp.Evaluate(`JSON.parse(localStorage.thimble).token === null`, &holds))
			return holds
		})
	})
	p.goes("/shop/cart")
	p.sees(".lines .what", "circus parade mug")
	p.sees(".badge", "1")
	p.forgives(http.StatusUnauthorized)
}

// expires replaces the token by an expired one, and returns its customer.
func (p *shopBrowser) expires() (customer string) {
	p.do(chromedp.Evaluate(`JSON.parse(localStorage.thimble).customer`, &customer))
	tokens, err := app.Tokens(p.Settings, nil, nil)
	require.NoError(p, err)
	expired, _, err := tokens.MintGuest(customer, -time.Hour)
	require.NoError(p, err)
	p.evaluates(fmt.Sprintf(`localStorage.setItem("thimble", JSON.stringify({...JSON.parse(localStorage.thimble), token: %q}))`, expired))
	return customer
}

// cutsOff holds all answers to a path back while it calls while.
func (p *shopBrowser) cutsOff(path string, while func()) {
	var cut devtools.ScriptIdentifier
	p.do(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		cut, err = devtools.AddScriptToEvaluateOnNewDocument(fmt.Sprintf(`const real = fetch;
			window.fetch = (path, request) => path === %q ? new Promise(() => {}) : real(path, request);`, path)).Do(ctx)
		return err
	}))
	while()
	p.do(chromedp.ActionFunc(func(ctx context.Context) error { return devtools.RemoveScriptToEvaluateOnNewDocument(cut).Do(ctx) }))
}

func TestShopOverHTTP(t *testing.T) {
	t.Parallel()
	ask := func(s *harness.Site, method, path string, headers ...string) harness.Answer {
		a, err := s.Ask(t.Context(), method, path, "", nil, headers...)
		require.NoError(t, err)
		return a
	}
	t.Run("On", func(t *testing.T) {
		t.Parallel()
		s := harness.Open(t, harness.OneDatabase, harness.WithShop)
		for _, path := range []string{"/", "/shop", "/shop/cart", "/shop/products/84006", "/shop/orders/" + uuid.NewString()} {
			a := ask(s, http.MethodGet, path)
			require.Equal(t, http.StatusOK, a.StatusCode, path)
			require.Equal(t, "text/html; charset=utf-8", a.Header.Get("Content-Type"), path)
			policy := a.Header.Get("Content-Security-Policy")
			require.NotContains(t, policy, "unsafe")
			require.Contains(t, policy, "require-trusted-types-for 'script'")
		}
		for path, kind := range map[string]string{"main.js": "text/javascript", "pages/cart.js": "text/javascript", "shop.css": "text/css", "figtree.woff2": "font/woff2"} {
			a := ask(s, http.MethodGet, "/shop/assets/"+path)
			require.Equal(t, http.StatusOK, a.StatusCode, path)
			require.Contains(t, a.Header.Get("Content-Type"), kind, path)
			require.Equal(t, http.StatusNotModified, ask(s, http.MethodGet, "/shop/assets/"+path, "If-None-Match", a.Header.Get("ETag")).StatusCode)
		}
		loaded := regexp.MustCompile(`/shop/assets/[^"]+`).FindAllString(string(ask(s, http.MethodGet, "/shop").Text), -1)
		require.Len(t, loaded, 4)
		stamped, _ := path.Split(loaded[3])
		for _, address := range append(loaded, stamped+"pages/cart.js") {
			a := ask(s, http.MethodGet, address)
			require.Equal(t, http.StatusOK, a.StatusCode, address)
			require.Equal(t, "public, max-age=31536000, immutable", a.Header.Get("Cache-Control"), address)
		}
		for _, path := range []string{"/shop/assets/none.js", "/shop/assets/", "/shop/assets/../index.html", "/shop/assets/..%2findex.html", "/shop.css"} {
			require.Equal(t, http.StatusNotFound, ask(s, http.MethodGet, path).StatusCode, path)
		}
		in := s.SignInToShop(t, "  Grace   HOPPER ")
		who := harness.As[shop.SignedIn](t, in, http.StatusOK)
		require.Equal(t, "no-store", in.Header.Get("Cache-Control"))
		require.Equal(t, "Grace HOPPER", who.Name)
		require.Equal(t, "shop:grace hopper", who.CustomerID, "a customer of this log-in, and of no other")
		harness.RequireProblem(t, s.Send(t, http.MethodGet, "/v1/admin/sagas", who.Token, nil), http.StatusForbidden, "forbidden")
		for _, name := range []string{"", "   ", "a\u0007", strings.Repeat("x", 41)} {
			harness.RequireProblem(t, s.SignInToShop(t, name), http.StatusUnprocessableEntity, "validation_failed")
		}
	})
	t.Run("Off", func(t *testing.T) {
		t.Parallel()
		s := harness.Open(t, harness.OneDatabase)
		for _, path := range []string{"/", "/shop", "/shop/", "/shop/cart", "/shop/assets/main.js"} {
			harness.RequireProblem(t, ask(s, http.MethodGet, path), http.StatusNotFound, "not_found")
		}
		harness.RequireProblem(t, s.SignInToShop(t, "Ada"), http.StatusNotFound, "not_found")
	})
}
