package main

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/auth"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// operator is a browser without a script that visits the console.
type operator struct {
	*site
	client *http.Client
}

// operator comes without a token.
func (s *site) operator(t *testing.T) operator {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return operator{s, &http.Client{Transport: browser.Transport, Jar: jar}}
}

// seen is a page as it came, wherever that led.
type seen struct {
	*http.Response
	text string
}

func (o operator) does(t *testing.T, method, path string, form url.Values, headers ...string) seen {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, o.base+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", o.base)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := o.client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return seen{resp, string(text)}
}

func (o operator) sees(t *testing.T, path string) seen {
	t.Helper()
	page := o.does(t, "GET", path, nil)
	require.Equal(t, http.StatusOK, page.StatusCode, page.text)
	return page
}

// hidden is the value of a field of the first form that has one.
func (p seen) hidden(t *testing.T, name string) string {
	t.Helper()
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(p.text)
	require.NotNil(t, found, p.text)
	return found[1]
}

func (o operator) signsIn(t *testing.T, token, at string) seen {
	t.Helper()
	form := o.does(t, "GET", at, nil)
	return o.does(t, "POST", "/console/sign-in", url.Values{
		"token": {token}, "form_token": {form.hidden(t, "form_token")}, "next": {form.hidden(t, "next")}})
}

// sends fills in the form of a page that leads to a path.
func (o operator) sends(t *testing.T, page, to string, fields url.Values, headers ...string) seen {
	t.Helper()
	form := o.sees(t, page)
	require.Contains(t, form.text, `action="`+to+`"`)
	sent := url.Values{"form_token": {form.hidden(t, "form_token")}, "key": {uuid.NewString()}, "back": {page}}
	for name, values := range fields {
		sent[name] = values
	}
	return o.does(t, "POST", to, sent, headers...)
}

func TestConsole(t *testing.T) {
	t.Parallel()
	s := open(t, databaseEach, func(_ testing.TB, c *config.Config) {
		c.PaymentTimeout, c.StepDeadline = 500*time.Millisecond, 3*time.Second
	})
	ada, sku := s.shopper(t), s.sells(t, 1999)
	done := as[checkoutView](t, ada.checksOut(t, ada.fills(t, sku), "sim_ok", waiting), http.StatusCreated)
	t.Run("SignsIn", func(t *testing.T) { signsIn(t, s, done) })
	t.Run("TrustsOnlyItsOwnForms", func(t *testing.T) { trustsOwnForms(t, s, done) })
	t.Run("IsGuarded", func(t *testing.T) { isGuarded(t, s) })
	t.Run("ShowsEverything", func(t *testing.T) { showsEverything(t, s, done) })
	t.Run("FindsSagas", func(t *testing.T) { findsSagas(t, s, done) })
	t.Run("Settles", func(t *testing.T) { settlesByPage(t, s) })
}

func signsIn(t *testing.T, s *site, done checkoutView) {
	o := s.operator(t)
	at := "/console/sagas/" + done.ID.String()
	require.Equal(t, http.StatusUnauthorized, o.does(t, "GET", at, nil).StatusCode)
	for token, why := range map[string]string{
		"hello": "is not good here", mint(t, s.settings, "ada"): "it is no operator", s.admin + "x": "is not good here",
		minted(t, s.settings, -time.Minute): "is not good here",
	} {
		page := o.signsIn(t, token, at)
		require.Contains(t, page.text, why)
		require.Contains(t, page.text, `action="/console/sign-in"`)
	}
	page := o.signsIn(t, s.admin, at)
	require.Equal(t, http.StatusOK, page.StatusCode, page.text)
	require.Equal(t, at, page.Request.URL.Path, "back to where one was")
	require.Contains(t, page.text, "What happened")

	later := s.operator(t)
	require.Equal(t, "/console", later.signsIn(t, s.admin, "/console/sign-in?next=//evil.example/").Request.URL.Path)
	here, err := url.Parse(s.base + "/console")
	require.NoError(t, err)
	later.client.Jar.SetCookies(here, []*http.Cookie{{Name: "console", Path: "/console", Value: minted(t, s.settings, -time.Second)}})
	ended := later.does(t, "GET", "/console/sagas?status=failed", nil)
	require.Equal(t, http.StatusUnauthorized, ended.StatusCode)
	require.Contains(t, ended.text, "Your token has ended")
	require.Equal(t, "/console/sagas?status=failed", ended.hidden(t, "next"))
	require.Equal(t, http.StatusUnauthorized, later.does(t, "GET", "/console", nil, "X-Fragment", "live").StatusCode)

	o.does(t, "POST", "/console/sign-out", url.Values{"form_token": {page.hidden(t, "form_token")}})
	require.Equal(t, http.StatusUnauthorized, o.does(t, "GET", "/console", nil).StatusCode)
}

func minted(t *testing.T, c config.Config, ttl time.Duration) string {
	t.Helper()
	tokens, err := auth.New([]byte(c.AuthSecret), c.AuthAudience)
	require.NoError(t, err)
	token, _, err := tokens.Mint("operator", []string{web.ScopeAdmin}, ttl)
	require.NoError(t, err)
	return token
}

// trustsOwnForms: what other pages make a browser send is refused, and does nothing.
func trustsOwnForms(t *testing.T, s *site, done checkoutView) {
	o := s.operator(t)
	o.signsIn(t, s.admin, "/console")
	to := "/console/readers/daily_sales/rebuild"
	good := func() url.Values {
		return url.Values{"form_token": {o.sees(t, "/console/readers").hidden(t, "form_token")}}
	}
	generation := func() int {
		for _, one := range get[list[saga.SubscriptionView]](t, s, "/v1/admin/subscriptions", s.admin).Data {
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
		require.Equal(t, http.StatusForbidden, o.does(t, "POST", to, good(), sent...).StatusCode, name)
	}
	for _, token := range []string{"", "x", strings.Repeat("0", 64)} {
		refused := o.does(t, "POST", to, url.Values{"form_token": {token}})
		require.Equal(t, http.StatusForbidden, refused.StatusCode)
		require.Contains(t, refused.text, "nothing was done")
	}
	require.Equal(t, 1, generation(), "a refused request changes nothing")
	require.Equal(t, http.StatusForbidden, s.operator(t).does(t, "POST", "/console/sign-in", url.Values{"token": {s.admin}}).StatusCode)
	require.Equal(t, http.StatusForbidden, o.does(t, "POST", "/console/theme", url.Values{"theme": {"dark"}}).StatusCode)
	require.Equal(t, http.StatusForbidden, o.does(t, "POST", "/console/sign-out", url.Values{}).StatusCode)
	require.Contains(t, o.does(t, "POST", to, good()).text, "daily_sales is made anew")
	require.Equal(t, 2, generation())
	require.NotContains(t, o.sees(t, "/console/readers").text, "is made anew beside the live one, and takes", "it is said once")
	refused := o.does(t, "POST", "/console/sagas/"+done.ID.String()+"/retry", good())
	require.Contains(t, refused.text, "This has ended: nothing is left to do.")
}

func isGuarded(t *testing.T, s *site) {
	o := s.operator(t)
	page := o.does(t, "GET", "/console/sign-in", nil)
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
	r := o.signsInRaw(t)
	cookie := r.Header.Values("Set-Cookie")[0]
	for _, part := range []string{"HttpOnly", "SameSite=Strict", "Path=/console"} {
		require.Contains(t, cookie, part)
	}
	require.Contains(t, page.Header.Get("Set-Cookie"), "SameSite=Strict")
	for _, method := range []string{"GET", "POST"} {
		nothing := o.does(t, method, "/console/nothing", url.Values{})
		require.Equal(t, http.StatusNotFound, nothing.StatusCode)
		require.Contains(t, nothing.text, "There is no such page in the console.")
	}
	for query, said := range map[string]string{
		"zzz=1": "This page has no parameter &#34;zzz&#34;.", "created_after=2026-01-31T12:00:00Z": "This page has no parameter &#34;created_after&#34;.", "zzz=": "no parameter",
		"status=failed&status=": "The parameter &#34;status&#34; is given more than once", "status=%zz": "The address cannot be read",
	} {
		refused := o.does(t, "GET", "/console/sagas?"+query, nil)
		require.Equal(t, http.StatusUnprocessableEntity, refused.StatusCode, query)
		require.Contains(t, refused.text, said, query)
	}
	retry := "/console/sagas/" + uuid.NewString() + "/retry"
	long := o.does(t, "POST", retry, url.Values{"form_token": {o.sees(t, "/console").hidden(t, "form_token")}, "reason": {strings.Repeat("a", 70_000)}})
	require.Equal(t, http.StatusRequestEntityTooLarge, long.StatusCode)
	require.Contains(t, long.text, "The form has more than 65536 bytes, so nothing was done.")
	require.Equal(t, http.StatusNotFound, o.does(t, "GET", "/console/sagas/"+uuid.NewString(), nil).StatusCode)
	require.Equal(t, "/console", o.sees(t, "/console/").Request.URL.Path)
	loaded := regexp.MustCompile(`/console/assets/(console\.css|console\.js|icon\.svg)\?v=\w+`).FindAllString(o.sees(t, "/console").text, -1)
	require.Len(t, loaded, 3)
	for _, path := range loaded {
		require.Contains(t, o.sees(t, path).Header.Get("Cache-Control"), "immutable")
		bare, _, _ := strings.Cut(path, "?")
		require.Contains(t, o.sees(t, bare).Header.Get("Cache-Control"), "no-cache", "an address that would not change with the file")
	}
}

// signsInRaw is the answer that sets the cookie.
func (o operator) signsInRaw(t *testing.T) *http.Response {
	t.Helper()
	form := o.does(t, "GET", "/console/sign-in", nil)
	still := *o.client
	still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return operator{o.site, &still}.does(t, "POST", "/console/sign-in",
		url.Values{"token": {o.admin}, "form_token": {form.hidden(t, "form_token")}}).Response
}

// showsEverything walks through every page that there is, and looks for what it is about.
func showsEverything(t *testing.T, s *site, done checkoutView) {
	o := s.operator(t)
	o.signsIn(t, s.admin, "/console")
	bought := get[orderView](t, s, "/v1/orders/"+done.OrderID.String(), s.admin)
	bare := strings.ReplaceAll(done.PaymentID.String(), "-", "")
	for path, words := range map[string][]string{
		"/console":                           {"Checkouts per minute", "19.99 GBP", "<svg"},
		"/console/sagas":                     {done.ID.String(), "completed"},
		"/console/sagas/" + done.ID.String(): {"payment.charge", "capture asked", "Ended: completed"},
		"/console/streams":                   {"number of an order"},
		"/console/streams?q=" + done.PaymentID.String():                            {"payment.captured", "State at version"},
		"/console/streams?q=" + bought.Number:                                      {"Order " + bought.Number, "cart.checked_out"},
		"/console/streams?q=Ada+Lovelace":                                          {"Search for an id", "Names are not kept apart"},
		"/console/streams?q=nobody@example.com":                                    {"Nothing has that id, number or address."},
		"/console/streams?q=++ada@example.com%20":                                  {bought.Number},
		"/console/streams?q=+" + bought.Number + "+":                               {"Order " + bought.Number},
		"/console/streams?q=" + url.QueryEscape(inGroups(bought.Number, " ")):      {"Order " + bought.Number},
		"/console/streams?q=" + url.QueryEscape("#"+inGroups(bought.Number, "-")):  {"Order " + bought.Number},
		"/console/streams?q=" + url.QueryEscape(inGroups(bought.Number, "\u2013")): {"Order " + bought.Number},
		"/console/streams?q=" + bare:                                               {"payment.captured", "State at version"},
		"/console/streams?q=+":                                                     {"number of an order"},
		"/console/sagas?number=" + url.QueryEscape(inGroups(bought.Number, " ")):   {done.ID.String()},
		"/console/sagas?status=&type=&older_than=&number=+&customer=":              {done.ID.String()},
		"/console/sagas?customer=+" + bought.CustomerID + "+":                      {done.ID.String()},
		"/console/webhooks?provider=&reference=+":                                  {"No webhook has come yet"},
		"/console/parked?module=&reader=&cursor=":                                  {"Nothing is parked"},
		"/console/orders/" + done.OrderID.String() + "?cursor=":                    {"payment.captured"},
		"/console/streams/cart/" + done.CartID.String() + "?after=":                {"cart.item_added"},
		"/console/streams/cart/" + done.CartID.String():                            {"cart.item_added", "lines"},
		"/console/streams/order/" + done.OrderID.String():                          {"order.placed", "confirmed"},
		"/console/orders/" + done.OrderID.String():                                 {"saga.ended", "payment.captured"},
		"/console/parked":                         {"Nothing is parked"},
		"/console/webhooks":                       {"No webhook has come yet"},
		"/console/readers":                        {"daily_sales", "start-checkout"},
		"/console/reconciliation":                 {"Look at everything"},
		"/console/reconciliation?look=1":          {"All promises are kept"},
		"/console/reconciliation?look=1&cursor=+": {"All promises are kept"},
	} {
		text := o.sees(t, path).text
		for _, word := range words {
			require.Contains(t, text, word, path)
		}
		require.NotContains(t, text, "style=", path) // the policy forbids it
	}
	part := o.does(t, "GET", "/console", nil, "X-Fragment", "live")
	require.NotContains(t, part.text, "<html")
	require.Contains(t, part.text, "Checkouts per minute")
	require.Contains(t, o.sends(t, "/console", "/console/theme", url.Values{"theme": {"dark"}}).text, `data-theme="dark"`)
}

// inGroups is an order number as it is printed.
func inGroups(number, between string) string {
	return number[:4] + between + number[4:8] + between + number[8:]
}

func findsSagas(t *testing.T, s *site, done checkoutView) {
	o, eve := s.operator(t), s.shopper(t)
	o.signsIn(t, s.admin, "/console")
	refuses(t, eve.checksOut(t, eve.fills(t, s.sells(t, 500)), "sim_declined", waiting), http.StatusPaymentRequired, "payment_declined")
	bought := get[orderView](t, s, "/v1/orders/"+done.OrderID.String(), s.admin)
	one := func(query string) []saga.View {
		return get[list[saga.View]](t, s, "/v1/admin/sagas?"+query, s.admin).Data
	}
	for query, found := range map[string]bool{
		"number=" + bought.Number: true, "customer=" + bought.CustomerID: true, "customer=" + eve.id.String(): false, "older_than=3600": false,
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
		require.Equal(t, found, strings.Contains(o.sees(t, "/console/sagas?"+strings.Replace(query, "unfinished=true", "status=unfinished", 1)).text, done.ID.String()), query)
	}
	require.Len(t, one("status=failed&customer="+eve.id.String()), 1)
	refuses(t, s.send(t, "GET", "/v1/admin/sagas?older_than=soon", s.admin, nil), http.StatusUnprocessableEntity, "validation_failed")
	refuses(t, s.send(t, "GET", "/v1/admin/sagas?unfinished=perhaps", s.admin, nil), http.StatusUnprocessableEntity, "validation_failed")
}

// settlesByPage: an operator finds the checkout whose payment is in doubt, and settles it with nothing but the console.
func settlesByPage(t *testing.T, s *site) {
	sku := s.sells(t, 500)
	s.stocks(t, sku, 10)
	d := s.doubts(t, sku, "capture")
	o := s.operator(t)
	require.Contains(t, o.signsIn(t, s.admin, "/console").text, `href="/console/sagas?status=needs_attention"`)
	page := "/console/sagas/" + d.ID.String()
	require.Contains(t, o.sees(t, "/console/sagas?status=needs_attention").text, page)
	refused := o.sends(t, page, page+"/settle", url.Values{"outcome": {"perhaps"}, "reason": {"I guess."}})
	require.Contains(t, refused.text, "Refused.")
	key := uuid.NewString()
	word := url.Values{"outcome": {"captured"}, "reason": {"Their support says so."}, "key": {key}}
	require.Contains(t, o.sends(t, page, page+"/settle", word).text, "Settled on your word.")
	word.Set("form_token", o.sees(t, page).hidden(t, "form_token"))
	require.Contains(t, o.does(t, "POST", page+"/settle", word).text, "Settled on your word.", "a double click is once")
	d.isAnOrder(t)
	until(t, "the page tells it", func() bool { return strings.Contains(o.sees(t, page).text, "Their support says so.") })
	require.Contains(t, o.sees(t, page).text, "operator")
	d.provider(t, "back")
	d.ends(t, saga.Completed, "authorize", "capture")
}
