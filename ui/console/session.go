package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"shopping-cart/client"
)

// The cookies. Scripts cannot read them. See setCookie for where they are sent.
const (
	cookieToken = "console"
	cookieForm  = "console_form" // ties the sign-in form to its browser
	cookieFlash = "console_said" // the result of an action, for the next page
	cookieTheme = "console_theme"
)

// visit is a request of a signed-in operator.
type visit struct {
	console     *Console
	writer      http.ResponseWriter
	request     *http.Request
	query       url.Values // the parameters of the address that are not blank
	token       string
	overview    overview
	overviewErr error    // why there is no overview; operators can use the other pages nevertheless
	unavailable []string // modules whose database did not answer
	partial     bool     // something on the page could not be read
	flash       *flash
}

// flash is the result of an action, shown at the top of the next page.
type flash struct {
	Refused bool
	Text    string
}

// enter admits signed-in operators. All others get the sign-in form.
func (c *Console) enter(w http.ResponseWriter, r *http.Request) (*visit, bool) {
	token := c.cookie(r, cookieToken)
	if token == "" {
		c.askToSignIn(w, r, "")
		return nil, false
	}
	v := &visit{console: c, writer: w, request: r, token: token, flash: c.takeFlash(w, r)}
	v.overview, v.overviewErr = get[overview](v, "/v1/admin/overview", nil)
	if status := statusOf(v.overviewErr); status == http.StatusUnauthorized || status == http.StatusForbidden {
		v.fail(v.overviewErr)
		return nil, false
	}
	v.noteUnavailable(v.overviewErr)
	return v, true
}

var errForged = &client.Refusal{Status: http.StatusForbidden, Title: "Not from the console",
	Detail: "This request did not come from a page of the console, so nothing was done. Go back, reload the page and try again."}

// readRequest checks that a request that changes something comes from a page of the console: by the browser's headers, and by a
// token that only such a page has. Then it reads the parameters of the address, and refuses unknown ones. It drops blank ones,
// since a form sends all its fields.
func (v *visit) readRequest(parameters []string) error {
	if v.request.Method == http.MethodPost && !v.console.trusted(v.request, formToken(v.token)) {
		return errForged
	}
	query, err := url.ParseQuery(v.request.URL.RawQuery)
	if err != nil {
		return unknownParameter("The address cannot be read: a percent sign needs two hexadecimal digits, and parameters are joined by &.")
	}
	v.query = url.Values{}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		text := strings.TrimSpace(query.Get(name))
		switch {
		case !slices.Contains(parameters, name):
			return unknownParameter(fmt.Sprintf("This page has no parameter %.100q. Remove it from the address.", name))
		case len(query[name]) > 1:
			return unknownParameter(fmt.Sprintf("The parameter %q is given more than once in the address.", name))
		case text != "":
			v.query.Set(name, text)
		}
	}
	return nil
}

func unknownParameter(detail string) error {
	return &client.Refusal{Status: http.StatusUnprocessableEntity, Title: "Unknown parameter", Detail: detail}
}

// trusted reports whether a form was sent by a page of the console.
func (c *Console) trusted(r *http.Request, want string) bool {
	return c.cross.Check(r) == nil && hmac.Equal([]byte(r.PostFormValue("form_token")), []byte(want))
}

// formToken returns the token in an operator's forms. It is derived from the access token, so nobody else can compute it, and
// every process can.
func formToken(token string) string {
	h := hmac.New(sha256.New, []byte(token))
	h.Write([]byte("console form"))
	return hex.EncodeToString(h.Sum(nil))
}

func (c *Console) cookie(r *http.Request, name string) string {
	if one, err := r.Cookie(c.prefix() + name); err == nil {
		return one.Value
	}
	return ""
}

// prefix returns the prefix of the cookies' names. With __Host- a browser takes a cookie from this host by HTTPS only: neither another
// host of the domain nor a page without TLS can set one. By plain HTTP it would refuse such a cookie.
func (c *Console) prefix() string {
	if c.secure {
		return "__Host-"
	}
	return ""
}

// setCookie stores a value until the browser closes, and a theme for a year. It deletes an empty one. Browsers send a cookie to the
// console only, and a __Host- cookie to the whole host, as they demand.
func (c *Console) setCookie(w http.ResponseWriter, name, value string) {
	one := &http.Cookie{Name: c.prefix() + name, Value: value, Path: Path, HttpOnly: true, Secure: c.secure, SameSite: http.SameSiteStrictMode} // #nosec G124 -- Secure wherever the address is https
	if c.secure {
		one.Path = "/"
	}
	if value == "" {
		one.MaxAge = -1
	} else if name == cookieTheme {
		one.MaxAge = 365 * 24 * 60 * 60
	}
	http.SetCookie(w, one)
}

// signInPage is the form and the reason to show it.
type signInPage struct {
	Why, Next, FormToken string
	Theme                string
}

func (c *Console) showSignIn(w http.ResponseWriter, r *http.Request) {
	c.renderSignIn(w, r, http.StatusOK, "", r.URL.Query().Get("next"))
}

func (c *Console) renderSignIn(w http.ResponseWriter, r *http.Request, status int, why, next string) {
	form := c.cookie(r, cookieForm)
	if form == "" {
		form = rand.Text()
		c.setCookie(w, cookieForm, form)
	}
	render(w, status, "sign-in", signInPage{Why: why, Next: localPath(next), FormToken: form, Theme: c.theme(r)})
}

// askToSignIn shows the form in place of the page. Signing in leads back to the page.
func (c *Console) askToSignIn(w http.ResponseWriter, r *http.Request, why string) {
	next := r.URL.RequestURI()
	if r.Method != http.MethodGet {
		next = r.PostFormValue("back")
	}
	if r.Header.Get("X-Fragment") != "" { // the script then reloads the page
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	c.renderSignIn(w, r, http.StatusUnauthorized, why, next)
}

const (
	whyEnded    = "Your token has expired or is no longer valid. Sign in with a new one."
	whyBad      = "This token is not valid here: it may have expired, or belong to another server."
	whyNoScope  = "This token is valid, but not an operator's: it needs the scope orders:read or sagas:operate."
	whyNotHere  = "The form was not sent by this page. Try again."
	whyNoAnswer = "The service is unavailable, so nobody can sign in. Try again shortly."
)

func (c *Console) signIn(w http.ResponseWriter, r *http.Request) {
	next := r.PostFormValue("next")
	form := c.cookie(r, cookieForm)
	if form == "" || !c.trusted(r, form) {
		c.renderSignIn(w, r, http.StatusForbidden, whyNotHere, next)
		return
	}
	token := strings.Join(strings.Fields(strings.TrimPrefix(strings.TrimSpace(r.PostFormValue("token")), "Bearer ")), "")
	why, status := whyBad, http.StatusUnauthorized
	if isToken(token) {
		why, status = "", http.StatusOK
		_, err := c.api.Do(r.Context(), client.Call{Method: http.MethodPost, Path: "/v1/admin/sign-ins", Token: token})
		if err != nil {
			status = problemOf(err).Status
			why = map[int]string{http.StatusUnauthorized: whyBad, http.StatusForbidden: whyNoScope}[status]
			if why == "" {
				why, status = whyNoAnswer, http.StatusServiceUnavailable
			}
		}
	}
	if why != "" {
		c.renderSignIn(w, r, status, why, next)
		return
	}
	c.setCookie(w, cookieToken, token)
	c.setCookie(w, cookieForm, "")
	redirect(w, r, next, http.StatusSeeOther)
}

// isToken reports whether text may stand in a cookie and a header.
func isToken(text string) bool {
	return len(text) > 0 && len(text) < 4000 && strings.Count(text, ".") == 2 &&
		strings.Trim(text, ".-_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// localPath returns next if it is a path of the console, and the first page otherwise.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Host != "" || u.Scheme != "" || u.Path != Path && !strings.HasPrefix(u.Path, Path+"/") ||
		strings.HasPrefix(u.Path, Path+"/sign-") || strings.ContainsAny(next, "\\\r\n") {
		return Path
	}
	return u.RequestURI()
}

// redirect sends a browser to a page of the console, and nowhere else.
func redirect(w http.ResponseWriter, r *http.Request, to string, status int) {
	http.Redirect(w, r, localPath(to), status) // #nosec G710 -- localPath returns no other host
}

func (c *Console) signOut(w http.ResponseWriter, r *http.Request) {
	if token := c.cookie(r, cookieToken); token != "" && !c.trusted(r, formToken(token)) {
		http.Error(w, errForged.Detail, http.StatusForbidden)
		return
	}
	c.setCookie(w, cookieToken, "")
	http.Redirect(w, r, Path+"/sign-in", http.StatusSeeOther)
}

// theme returns light, dark, or "" for the system's preference.
func (c *Console) theme(r *http.Request) string {
	if t := c.cookie(r, cookieTheme); t == "light" || t == "dark" {
		return t
	}
	return ""
}

func (c *Console) setTheme(w http.ResponseWriter, r *http.Request) {
	if !c.trusted(r, formToken(c.cookie(r, cookieToken))) {
		http.Error(w, errForged.Detail, http.StatusForbidden)
		return
	}
	c.setCookie(w, cookieTheme, map[string]string{"light": "light", "dark": "dark"}[r.PostFormValue("theme")])
	redirect(w, r, r.PostFormValue("back"), http.StatusSeeOther)
}

// operator returns the subject and the expiry of the token, for display only: the API verifies the token itself.
func (v *visit) operator() (subject string, ends time.Time) {
	parts := strings.Split(v.token, ".")
	var claims struct {
		Sub string `json:"sub"`
		Exp int64  `json:"exp"`
	}
	if raw, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)]); err == nil {
		_ = json.Unmarshal(raw, &claims) // the API refuses an invalid one
	}
	return claims.Sub, time.Unix(claims.Exp, 0)
}

// redirect sends the browser to another page of the console.
func (v *visit) redirect(to string) { redirect(v.writer, v.request, to, http.StatusSeeOther) }

// redirectWith redirects to a page that shows the result of an action.
func (v *visit) redirectWith(result flash, to string) {
	text, _ := json.Marshal(result) // plain fields cannot fail
	v.console.setCookie(v.writer, cookieFlash, base64.RawURLEncoding.EncodeToString(text))
	v.redirect(to)
}

// takeFlash returns the result of the previous action and deletes it. A fragment leaves it for the page.
func (c *Console) takeFlash(w http.ResponseWriter, r *http.Request) *flash {
	text := c.cookie(r, cookieFlash)
	if text == "" || r.Method != http.MethodGet || r.Header.Get("X-Fragment") != "" {
		return nil
	}
	c.setCookie(w, cookieFlash, "")
	raw, err := base64.RawURLEncoding.DecodeString(text)
	result := &flash{}
	if err != nil || json.Unmarshal(raw, result) != nil {
		return nil
	}
	return result
}

// submit sends an operator's action to the API, and redirects to a page with the result. The form's own key makes a second click
// the same request.
func (v *visit) submit(path string, body any, success, back string) error {
	_, err := v.console.api.Do(v.request.Context(), client.Call{
		Method: http.MethodPost, Path: path, Token: v.token, Key: v.request.PostFormValue("key"), Body: body,
	})
	if err == nil {
		v.redirectWith(flash{Text: success}, back)
		return nil
	}
	p := problemOf(err)
	if p.Status == http.StatusUnauthorized || p.Status >= http.StatusInternalServerError && p.Status != http.StatusServiceUnavailable {
		return err
	}
	v.redirectWith(flash{Refused: true, Text: p.Sentence()}, back)
	return nil
}
