package shop

import (
	"bytes"
	"embed"
	"io/fs"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/web"
)

//go:embed site
var site embed.FS

// files loads the site. The page names its assets below a folder that is named after their content, so that browsers cache them
// until they change. Scripts and styles name each other relatively and stay in that folder.
func files() (page, assets *web.Assets) {
	folder, err := fs.Sub(site, "site/assets")
	if err != nil {
		panic(err) // it is part of the program
	}
	assets = web.NewAssets(folder)
	body, err := site.ReadFile("site/" + indexName)
	if err != nil {
		panic(err)
	}
	body = bytes.ReplaceAll(body, []byte("/shop/assets/"), []byte("/shop/assets/"+assets.Stamp()+"/"))
	return web.AssetsOf(map[string][]byte{indexName: body}), assets
}

const indexName = "index.html"

// policy lets the page run its own scripts and call its own server only. Trusted types refuse code that turns text into HTML.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// showPage serves the same page for every address below /shop. The script reads the address.
func (s *Shop) showPage(c echo.Context) error { return send(c, s.page, indexName, false) }

// sendAsset serves an asset, with or without the stamp in its address.
func (s *Shop) sendAsset(c echo.Context) error {
	name, ours := s.assets.Unstamped(c.Param("*"))
	return send(c, s.assets, name, ours)
}

func send(c echo.Context, from *web.Assets, name string, stamped bool) error {
	c.Response().Header().Set(echo.HeaderContentSecurityPolicy, policy)
	if !from.Serve(c.Response(), c.Request(), name, stamped) {
		return echo.ErrNotFound
	}
	return nil
}
