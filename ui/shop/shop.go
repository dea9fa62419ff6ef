// Package shop serves a small storefront at /shop: an example to copy and a demo.
//
// The pages are static files (site/) that use only the public API from the browser:
//
//	site/index.html            the one page; its address selects the content
//	site/assets/api.js         calls with keys, versions and retries
//	site/assets/session.js     the customer, and a cart that survives a reload
//	site/assets/stream.js      a checkout as it happens, over server-sent events
//	site/assets/pages/*.js     a module for each page
//
// The package itself adds the part that every shop has already: a log-in ([signIn]).
package shop

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/web"
)

// Minter makes the tokens of customers, as the back end of a real shop does.
type Minter interface {
	Mint(subject string, scopes []string, ttl time.Duration) (token string, expires time.Time, err error)
}

// Shop is the storefront.
type Shop struct {
	minter Minter
	ttl    time.Duration
	page   *web.Assets
	assets *web.Assets
}

// New returns the shop. Its customers get tokens from minter that last for ttl.
func New(minter Minter, ttl time.Duration) *Shop {
	page, assets := files()
	return &Shop{minter: minter, ttl: ttl, page: page, assets: assets}
}

// Routes adds the pages, the log-in, and the redirect from / to the shop.
func (s *Shop) Routes(w *web.Server) {
	w.Public.GET("/", func(c echo.Context) error { return c.Redirect(http.StatusFound, "/shop") }, web.AnyQuery)
	w.Public.GET("/shop", s.showPage, web.AnyQuery, web.Uncompressed)
	w.Public.GET("/shop/*", s.showPage, web.AnyQuery, web.Uncompressed)
	w.Public.GET("/shop/assets/*", s.sendAsset, web.AnyQuery, web.Uncompressed)
	w.Public.POST("/shop/sign-in", s.signIn, web.Limit(web.Sessions))
}
