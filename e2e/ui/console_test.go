package ui

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin"
	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

func sees(t *testing.T, o harness.Operator, path string) harness.Page {
	t.Helper()
	page := o.Do(t, "GET", path, nil)
	require.Equal(t, http.StatusOK, page.StatusCode, page.Text)
	return page
}

// sends fills in the form of a page that posts to a path.
func sends(t *testing.T, o harness.Operator, page, to string, fields url.Values, headers ...string) harness.Page {
	t.Helper()
	form := sees(t, o, page)
	require.Contains(t, form.Text, `action="`+to+`"`)
	sent := url.Values{"form_token": {form.HiddenField(t, "form_token")}, "key": {uuid.NewString()}, "back": {page}}
	for name, values := range fields {
		sent[name] = values
	}
	return o.Do(t, "POST", to, sent, headers...)
}

func TestConsole(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach, func(_ testing.TB, c *config.Config) {
		c.PaymentTimeout, c.StepDeadline = 500*time.Millisecond, 3*time.Second
	})
	ada, sku := s.Shopper(t), s.AddProduct(t, 1999)
	done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	t.Run("SignsIn", func(t *testing.T) { signsIn(t, s, done) })
	t.Run("TrustsOnlyItsOwnForms", func(t *testing.T) { trustsOwnForms(t, s, done) })
	t.Run("IsGuarded", func(t *testing.T) { isGuarded(t, s) })
	t.Run("ShowsEverything", func(t *testing.T) { showsEverything(t, s, done) })
	t.Run("FindsSagas", func(t *testing.T) { findsSagas(t, s, done) })
	t.Run("Settles", func(t *testing.T) { settlesByPage(t, s) })
}

func signsIn(t *testing.T, s *harness.Site, done harness.CheckoutView) {
	o := s.Operator(t)
	at := "/console/sagas/" + done.ID.String()
	require.Equal(t, http.StatusUnauthorized, o.Do(t, "GET", at, nil).StatusCode)
	for token, why := range map[string]string{
		"hello": "is not valid here", harness.Mint(t, s.Settings, "ada"): "not an operator", s.Admin + "x": "is not valid here",
		minted(t, s.Settings, -time.Minute): "is not valid here",
	} {
		page := o.SignIn(t, token, at)
		require.Contains(t, page.Text, why)
		require.Contains(t, page.Text, `action="/console/sign-in"`)
	}
	page := o.SignIn(t, s.Admin, at)
	require.Equal(t, http.StatusOK, page.StatusCode, page.Text)
	require.Equal(t, at, page.Request.URL.Path, "back to the requested page")
	require.Contains(t, page.Text, "Timeline")

	later := s.Operator(t)
	require.Equal(t, "/console", later.SignIn(t, s.Admin, "/console/sign-in?next=//evil.example/").Request.URL.Path)
	here, err := url.Parse(s.Base + "/console")
	require.NoError(t, err)
	later.Client.Jar.SetCookies(here, []*http.Cookie{{Name: "console", Path: "/console", Value: minted(t, s.Settings, -time.Second)}})
	ended := later.Do(t, "GET", "/console/sagas?status=failed", nil)
	require.Equal(t, http.StatusUnauthorized, ended.StatusCode)
	require.Contains(t, ended.Text, "Your token has expired")
	require.Equal(t, "/console/sagas?status=failed", ended.HiddenField(t, "next"))
	require.Equal(t, http.StatusUnauthorized, later.Do(t, "GET", "/console", nil, "X-Fragment", "live").StatusCode)

	o.Do(t, "POST", "/console/sign-out", url.Values{"form_token": {page.HiddenField(t, "form_token")}})
	require.Equal(t, http.StatusUnauthorized, o.Do(t, "GET", "/console", nil).StatusCode)
}

func minted(t *testing.T, c config.Config, ttl time.Duration) string {
	t.Helper()
	return harness.MintFor(t, c, ttl, "operator", web.ScopeAdmin)
}

// trustsOwnForms checks that requests from other pages are refused and have no effect.
func trustsOwnForms(t *testing.T, s *harness.Site, done harness.CheckoutView) {
	o := s.Operator(t)
	o.SignIn(t, s.Admin, "/console")
	to := "/console/readers/daily_sales/rebuild"
	good := func() url.Values {
		return url.Values{"form_token": {sees(t, o, "/console/readers").HiddenField(t, "form_token")}}
	}
	generation := func() int {
		for _, one := range harness.Get[harness.List[admin.SubscriptionView]](t, s, "/v1/admin/subscriptions", s.Admin).Data {
			if one.Kind == "rebuild" || one.Generation > 1 {
				return 2
			}
		}
		return 1
	}
	for name, sent := range map[string][]string{
		"AnotherOrigin": {"Origin", "https://evil.example"}, "NoOrigin": {"Origin", "null"},
		"CrossSite": {"Sec-Fetch-Site", "cross-site"}, "SameSite": {"Sec-Fetch-Site", "same-site"},
	} {
		require.Equal(t, http.StatusForbidden, o.Do(t, "POST", to, good(), sent...).StatusCode, name)
	}
	for _, token := range []string{"", "x", strings.Repeat("0", 64)} {
		refused := o.Do(t, "POST", to, url.Values{"form_token": {token}})
		require.Equal(t, http.StatusForbidden, refused.StatusCode)
		require.Contains(t, refused.Text, "nothing was done")
	}
	require.Equal(t, 1, generation(), "a refused request changes nothing")
	require.Equal(t, http.StatusForbidden, s.Operator(t).Do(t, "POST", "/console/sign-in", url.Values{"token": {s.Admin}}).StatusCode)
	require.Equal(t, http.StatusForbidden, o.Do(t, "POST", "/console/theme", url.Values{"theme": {"dark"}}).StatusCode)
	require.Equal(t, http.StatusForbidden, o.Do(t, "POST", "/console/sign-out", url.Values{}).StatusCode)
	require.Contains(t, o.Do(t, "POST", to, good()).Text, "daily_sales is rebuilt beside")
	require.Equal(t, 2, generation())
	require.NotContains(t, sees(t, o, "/console/readers").Text, "is rebuilt beside the live one and replaces", "it is said once")
	refused := o.Do(t, "POST", "/console/sagas/"+done.ID.String()+"/retry", good())
	require.Contains(t, refused.Text, "This saga has ended.")
}

func isGuarded(t *testing.T, s *harness.Site) {
	o := s.Operator(t)
	page := o.Do(t, "GET", "/console/sign-in", nil)
	for name, value := range map[string]string{
		"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
	} {
		require.Equal(t, value, page.Header.Get(name))
	}
	policy := page.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
		require.Contains(t, policy, part)
	}
	require.NotContains(t, policy, "unsafe")
	r := signsInRaw(t, o)
	cookie := r.Header.Values("Set-Cookie")[0]
	for _, part := range []string{"HttpOnly", "SameSite=Strict", "Path=/console"} {
		require.Contains(t, cookie, part)
	}
	require.Contains(t, page.Header.Get("Set-Cookie"), "SameSite=Strict")
	for _, method := range []string{"GET", "POST"} {
		nothing := o.Do(t, method, "/console/nothing", url.Values{})
		require.Equal(t, http.StatusNotFound, nothing.StatusCode)
		require.Contains(t, nothing.Text, "There is no such page in the console.")
	}
	for query, said := range map[string]string{
		"zzz=1": "This page has no parameter &#34;zzz&#34;.", "created_after=2026-01-31T12:00:00Z": "This page has no parameter &#34;created_after&#34;.", "zzz=": "no parameter",
		"status=failed&status=": "The parameter &#34;status&#34; is given more than once", "status=%zz": "The address cannot be read",
	} {
		refused := o.Do(t, "GET", "/console/sagas?"+query, nil)
		require.Equal(t, http.StatusUnprocessableEntity, refused.StatusCode, query)
		require.Contains(t, refused.Text, said, query)
	}
	retry := "/console/sagas/" + uuid.NewString() + "/retry"
	long := o.Do(t, "POST", retry, url.Values{"form_token": {sees(t, o, "/console").HiddenField(t, "form_token")}, "reason": {strings.Repeat("a", 70_000)}})
	require.Equal(t, http.StatusRequestEntityTooLarge, long.StatusCode)
	require.Contains(t, long.Text, "The form has more than 65536 bytes, so nothing was done.")
	require.Equal(t, http.StatusNotFound, o.Do(t, "GET", "/console/sagas/"+uuid.NewString(), nil).StatusCode)
	require.Equal(t, "/console", sees(t, o, "/console/").Request.URL.Path)
	loaded := regexp.MustCompile(`/console/assets/(console\.css|console\.js|icon\.svg)\?v=\w+`).FindAllString(sees(t, o, "/console").Text, -1)
	require.Len(t, loaded, 3)
	for _, path := range loaded {
		require.Contains(t, sees(t, o, path).Header.Get("Cache-Control"), "immutable")
		bare, _, _ := strings.Cut(path, "?")
		require.Contains(t, sees(t, o, bare).Header.Get("Cache-Control"), "no-cache", "an address that would not change with the file")
	}
}

// signsInRaw returns the response that sets the cookie.
func signsInRaw(t *testing.T, o harness.Operator) *http.Response {
	t.Helper()
	form := o.Do(t, "GET", "/console/sign-in", nil)
	still := *o.Client
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return harness.Operator{Site: o.Site, Client: &still}.Do(t, "POST", "/console/sign-in",
		url.Values{"token": {o.Admin}, "form_token": {form.HiddenField(t, "form_token")}}).Response
}

// showsEverything opens every page and checks its content.
func showsEverything(t *testing.T, s *harness.Site, done harness.CheckoutView) {
	o := s.Operator(t)
	o.SignIn(t, s.Admin, "/console")
	bought := harness.Get[harness.OrderView](t, s, "/v1/orders/"+done.OrderID.String(), s.Admin)
	bare := strings.ReplaceAll(done.PaymentID.String(), "-", "")
	for path, words := range map[string][]string{
		"/console":                           {"Checkouts per minute", "19.99 GBP", "<svg"},
		"/console/sagas":                     {done.ID.String(), "completed"},
		"/console/sagas/" + done.ID.String(): {"payment.charge", "capture requested", "Ended: completed"},
		"/console/streams":                   {"order number"},
		"/console/streams?q=" + done.PaymentID.String():                            {"payment.captured", "State at version"},
		"/console/streams?q=" + bought.Number:                                      {"Order " + bought.Number, "cart.checked_out"},
		"/console/streams?q=Ada+Lovelace":                                          {"Search for an id", "Names are not indexed"},
		"/console/streams?q=nobody@example.com":                                    {"No stream or order has this id, number or address."},
		"/console/streams?q=++ada@example.com%20":                                  {bought.Number},
		"/console/streams?q=+" + bought.Number + "+":                               {"Order " + bought.Number},
		"/console/streams?q=" + url.QueryEscape(inGroups(bought.Number, " ")):      {"Order " + bought.Number},
		"/console/streams?q=" + url.QueryEscape("#"+inGroups(bought.Number, "-")):  {"Order " + bought.Number},
		"/console/streams?q=" + url.QueryEscape(inGroups(bought.Number, "\u2013")): {"Order " + bought.Number},
		"/console/streams?q=" + bare:                                               {"payment.captured", "State at version"},
		"/console/streams?q=+":                                                     {"order number"},
		"/console/sagas?number=" + url.QueryEscape(inGroups(bought.Number, " ")):   {done.ID.String()},
		"/console/sagas?status=&type=&older_than=&number=+&customer=":              {done.ID.String()},
		"/console/sagas?customer=+" + bought.CustomerID + "+":                      {done.ID.String()},
		"/console/webhooks?provider=&reference=+":                                  {"No webhook has been received yet"},
		"/console/parked?module=&reader=&cursor=":                                  {"Nothing is parked"},
		"/console/orders/" + done.OrderID.String() + "?cursor=":                    {"payment.captured"},
		"/console/streams/cart/" + done.CartID.String() + "?after=":                {"cart.item_added"},
		"/console/streams/cart/" + done.CartID.String():                            {"cart.item_added", "lines"},
		"/console/streams/order/" + done.OrderID.String():                          {"order.placed", "confirmed"},
		"/console/orders/" + done.OrderID.String():                                 {"saga.ended", "payment.captured"},
		"/console/parked":                         {"Nothing is parked"},
		"/console/webhooks":                       {"No webhook has been received yet"},
		"/console/readers":                        {"daily_sales", "start-checkout"},
		"/console/reconciliation":                 {"Check everything"},
		"/console/reconciliation?look=1":          {"All invariants hold"},
		"/console/reconciliation?look=1&cursor=+": {"All invariants hold"},
	} {
		text := sees(t, o, path).Text
		for _, word := range words {
			require.Contains(t, text, word, path)
		}
		require.NotContains(t, text, "style=", path) // the policy forbids it
	}
	part := o.Do(t, "GET", "/console", nil, "X-Fragment", "live")
	require.NotContains(t, part.Text, "<html")
	require.Contains(t, part.Text, "Checkouts per minute")
	require.Contains(t, sends(t, o, "/console", "/console/theme", url.Values{"theme": {"dark"}}).Text, `data-theme="dark"`)
}

// inGroups returns an order number as it is printed.
func inGroups(number, between string) string {
	return number[:4] + between + number[4:8] + between + number[8:]
}

func findsSagas(t *testing.T, s *harness.Site, done harness.CheckoutView) {
	o, eve := s.Operator(t), s.Shopper(t)
	o.SignIn(t, s.Admin, "/console")
	harness.RequireProblem(t, eve.CheckOut(t, eve.Fill(t, s.AddProduct(t, 500)), "sim_declined", harness.Waiting), http.StatusPaymentRequired, "payment_declined")
	bought := harness.Get[harness.OrderView](t, s, "/v1/orders/"+done.OrderID.String(), s.Admin)
	one := func(query string) []saga.View {
		return harness.Get[harness.List[saga.View]](t, s, "/v1/admin/sagas?"+query, s.Admin).Data
	}
	for query, found := range map[string]bool{
		"number=" + bought.Number: true, "customer=" + bought.CustomerID: true, "customer=" + eve.ID.String(): false, "older_than=3600": false,
		"status=completed&type=checkout": true, "status=failed": false, "status=completed&number=" + bought.Number: true,
		"status=failed&number=" + bought.Number: false, "unfinished=true": false, "number=1": false, "customer=" + bought.CustomerID + "&type=refund": false,
	} {
		ids := []uuid.UUID{}
		for _, v := range one(query) {
			ids = append(ids, v.ID)
		}
		if found {
			require.Contains(t, ids, done.ID, query)
		} else {
			require.NotContains(t, ids, done.ID, query)
		}
		require.Equal(t, found, strings.Contains(sees(t, o, "/console/sagas?"+strings.Replace(query, "unfinished=true", "status=unfinished", 1)).Text, done.ID.String()), query)
	}
	require.Len(t, one("status=failed&customer="+eve.ID.String()), 1)
	harness.RequireProblem(t, s.Send(t, "GET", "/v1/admin/sagas?older_than=soon", s.Admin, nil), http.StatusUnprocessableEntity, "validation_failed")
	harness.RequireProblem(t, s.Send(t, "GET", "/v1/admin/sagas?unfinished=perhaps", s.Admin, nil), http.StatusUnprocessableEntity, "validation_failed")
}

// settlesByPage checks that an operator finds a checkout with an unknown payment, and resolves it in the console.
func settlesByPage(t *testing.T, s *harness.Site) {
	sku := s.AddProduct(t, 500)
	s.SetStock(t, sku, 10)
	d := s.LeaveInDoubt(t, sku, "capture")
	o := s.Operator(t)
	require.Contains(t, o.SignIn(t, s.Admin, "/console").Text, `href="/console/sagas?status=needs_attention"`)
	page := "/console/sagas/" + d.ID.String()
	require.Contains(t, sees(t, o, "/console/sagas?status=needs_attention").Text, page)
	refused := sends(t, o, page, page+"/settle", url.Values{"outcome": {"perhaps"}, "reason": {"I guess."}})
	require.Contains(t, refused.Text, "Refused.")
	key := uuid.NewString()
	word := url.Values{"outcome": {"captured"}, "reason": {"Their support says so."}, "key": {key}}
	require.Contains(t, sends(t, o, page, page+"/settle", word).Text, "Resolved as you stated.")
	word.Set("form_token", sees(t, o, page).HiddenField(t, "form_token"))
	require.Contains(t, o.Do(t, "POST", page+"/settle", word).Text, "Resolved as you stated.", "a double click has one effect")
	d.RequireOrder(t)
	harness.Until(t, "the page shows it", func() bool { return strings.Contains(sees(t, o, page).Text, "Their support says so.") })
	require.Contains(t, sees(t, o, page).Text, "operator")
	d.RestoreProvider(t, "back")
	d.AwaitEnd(t, saga.Completed, "authorize", "capture")
}
