// Package console serves the operators' console: web pages that show the state of the shop and let operators act.
//
// It is a client of the API like any other, without access to a store. Pages read through the routes of the API, in process, with
// the token of the signed-in operator. An action is a request in the operator's name.
//
//	browser ──cookie──► Console ──Authorization: Bearer──► the API's handler
//	        ◄──HTML────         ◄──JSON, problems─────────
//
// Pages are rendered on the server, work without JavaScript, and load nothing from elsewhere. A request that changes something
// must come from a page of the console (session.go). Each page has its own file. render.go and api.go hold shared code. pages holds
// the templates, assets the style and the script.
package console

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"shopping-cart/client"
	"shopping-cart/platform/web"
)

// Path is the root of the console.
const Path = "/console"

// Config configures the console.
type Config struct {
	API       http.Handler // serves the routes of the API
	PublicURL string       // URL for browsers; empty: any
	HTTPS     bool         // browsers come by HTTPS
}

// Console serves the pages below Path.
type Console struct {
	api    *client.Client
	secure bool // the cookies require HTTPS
	cross  *http.CrossOriginProtection
	mux    *http.ServeMux
}

//go:embed assets
var assetFiles embed.FS

// assets holds the style, the script and the icon. Their addresses contain a hash, so browsers cache them until they change.
var assets = func() *web.Assets {
	folder, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic(err) // it is part of the program
	}
	return web.NewAssets(folder)
}()

// New returns the console.
func New(c Config) *Console {
	one := &Console{api: client.InProcess(c.API), secure: c.HTTPS, cross: http.NewCrossOriginProtection(), mux: http.NewServeMux()}
	if public, err := url.Parse(c.PublicURL); err == nil && public.Host != "" {
		// Behind a proxy the host of a request may differ from the browser's.
		_ = one.cross.AddTrustedOrigin(public.Scheme + "://" + public.Host)
	}
	one.routes()
	return one
}

func (c *Console) routes() {
	c.mux.HandleFunc("GET "+Path+"/assets/{file}", func(w http.ResponseWriter, r *http.Request) {
		if !assets.Serve(w, r, r.PathValue("file"), r.URL.Query().Get("v") == assets.Stamp()) {
			http.NotFound(w, r)
		}
	})
	c.mux.HandleFunc("GET "+Path+"/sign-in", c.showSignIn)
	c.mux.HandleFunc("POST "+Path+"/sign-in", c.signIn)
	c.mux.HandleFunc("POST "+Path+"/sign-out", c.signOut)
	c.mux.HandleFunc("POST "+Path+"/theme", c.setTheme)

	c.page("GET", "", c.showOverview)
	c.page("GET", "/sagas", c.listSagas, "status", "type", "older_than", "number", "customer", "cursor")
	c.page("GET", "/sagas/{id}", c.showSaga)
	c.page("POST", "/sagas/{id}/{action}", c.actOnSaga)
	c.page("GET", "/streams", c.findStream, "q")
	c.page("GET", "/streams/{module}/{id}", c.showStream, "after")
	c.page("GET", "/orders/{id}", c.showTimeline, "cursor")
	c.page("GET", "/parked", c.listParked, "module", "reader", "cursor")
	c.page("POST", "/parked/{id}/{action}", c.actOnParked)
	c.page("GET", "/webhooks", c.listWebhooks, "provider", "reference", "cursor")
	c.page("GET", "/webhooks/{id}", c.showWebhook)
	c.page("POST", "/webhooks/{id}/replay", c.replayWebhook)
	c.page("GET", "/readers", c.listProjections)
	c.page("POST", "/readers/{name}/rebuild", c.rebuild)
	c.page("GET", "/limits", c.showLimits)
	c.page("GET", "/reconciliation", c.reconcile, "look", "cursor")
	c.page("POST", "/reconciliation", c.reconcile)
}

// page registers a handler for signed-in operators, with its query parameters. An error of the handler becomes an error page.
func (c *Console) page(method, path string, handle func(*visit) error, parameters ...string) {
	c.mux.HandleFunc(method+" "+Path+path, func(w http.ResponseWriter, r *http.Request) {
		v, ok := c.enter(w, r)
		if !ok {
			return
		}
		err := v.readRequest(parameters)
		if err == nil {
			err = handle(v)
		}
		if err != nil {
			v.fail(err)
		}
	})
}

// ServeHTTP serves the pages below Path.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer, browsers hide the origin of a form
	if path := strings.TrimSuffix(r.URL.Path, "/"); path != r.URL.Path && strings.HasPrefix(path, Path) {
		redirect(w, r, path, http.StatusMovedPermanently)
		return
	}
	if err := c.checkRequest(r); err != nil {
		if v, ok := c.enter(w, r); ok {
			v.fail(err)
		}
		return
	}
	c.mux.ServeHTTP(w, r)
}

// checkRequest refuses an unknown address and a form that is too large.
func (c *Console) checkRequest(r *http.Request) error {
	if _, pattern := c.mux.Handler(r); pattern == "" {
		return errNoPage
	}
	if large := (*http.MaxBytesError)(nil); errors.As(r.ParseForm(), &large) {
		return &client.Refusal{Status: http.StatusRequestEntityTooLarge, Title: "Too large",
			Detail: fmt.Sprintf("The form has more than %d bytes, so nothing was done. Go back and shorten it.", large.Limit)}
	}
	return nil
}

var errNoPage = &client.Refusal{Status: http.StatusNotFound, Title: "Not found", Detail: "There is no such page in the console."}

// problemOf returns the error response that an operator sees for an error.
func problemOf(err error) *client.Refusal {
	if p := (*client.Refusal)(nil); errors.As(err, &p) {
		return p
	}
	return &client.Refusal{Status: http.StatusInternalServerError, Title: "Something went wrong", Detail: "The page could not be rendered."}
}

// statusOf returns the HTTP status of an error, or 0 without one.
func statusOf(err error) int {
	if err == nil {
		return 0
	}
	return problemOf(err).Status
}
