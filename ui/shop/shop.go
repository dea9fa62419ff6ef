// Package shop is a small storefront at /shop: an example to copy, and a demo to click.
//
// The pages are static files (site/), which use nothing but the public API from the browser:
//
//	site/index.html            the one page; what it shows follows from its address
//	site/assets/api.js         calls with keys, versions and retries
//	site/assets/session.js     who shops, and the cart that survives a reload
//	site/assets/stream.js      a checkout as it happens, over server-sent events
//	site/assets/pages/*.js     a module a page
//
// What the package adds itself is the one thing that every shop brings along: its own log-in ([signIn]).
package shop

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/web"
)

// Shop is the storefront.
type Shop struct {
	minter web.Minter
	ttl    time.Duration
	page   *web.Assets
	assets *web.Assets
}

// New makes the shop. Its customers' tokens come from minter and last ttl.
func New(minter web.Minter, ttl time.Duration) *Shop {
	page, assets := files()
	return &Shop{minter: minter, ttl: ttl, page: page, assets: assets}
}

// Routes adds the pages, the log-in, and the way from / to the shop.
func (s *Shop) Routes(w *web.Server) {
	w.Public.GET("/", func(c echo.Context) error { return c.Redirect(http.StatusFound, "/shop") }, web.AnyQuery)
	w.Public.GET("/shop", s.showPage, web.AnyQuery, web.Uncompressed)
	w.Public.GET("/shop/*", s.showPage, web.AnyQuery, web.Uncompressed)
	w.Public.GET("/shop/assets/*", s.sendAsset, web.AnyQuery, web.Uncompressed)
	w.Public.POST("/shop/sign-in", s.signIn)
}
