package web

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"

	"github.com/labstack/echo/v4"
	swagger "github.com/swaggo/files/v2"
)

//go:embed swagger
var swaggerPage embed.FS

// swaggerNames lists the files of Swagger UI that the page loads.
var swaggerNames = []string{
	"swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "favicon-16x16.png", "favicon-32x32.png", "oauth2-redirect.html",
}

// ownScripts lets the page run its own scripts and no others.
const ownScripts = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"

// document serves the API document and Swagger UI. Both work without the internet.
func (s *Server) document() {
	if s.cfg.OpenAPI == nil {
		return
	}
	document := AssetsOf(map[string][]byte{"openapi.json": s.cfg.OpenAPI})
	s.Public.GET("/openapi.json", func(c echo.Context) error {
		document.Serve(c.Response(), c.Request(), "openapi.json", false)
		return nil
	}, Uncompressed)
	home := func(c echo.Context) error { return c.Redirect(http.StatusFound, "/swagger/index.html") }
	s.Public.GET("/swagger", home, AnyQuery)
	s.Public.GET("/swagger/", home, AnyQuery)
	files := swaggerFiles()
	s.Public.GET("/swagger/*", func(c echo.Context) error {
		c.Response().Header().Set(echo.HeaderContentSecurityPolicy, ownScripts)
		if !files.Serve(c.Response(), c.Request(), c.Param("*"), c.QueryParam("v") == files.Stamp()) {
			return errNoRoute
		}
		return nil
	}, AnyQuery, Uncompressed)
}

// swaggerFiles returns the page and the files that it loads. The addresses in the page contain the stamp.
func swaggerFiles() *Assets {
	bodies := map[string][]byte{"start.js": mustRead(swaggerPage, "swagger/start.js")}
	for _, name := range swaggerNames {
		bodies[name] = mustRead(swagger.FS, name)
	}
	files := AssetsOf(bodies)
	files.add("index.html", bytes.ReplaceAll(mustRead(swaggerPage, "swagger/index.html"), []byte("STAMP"), []byte(files.Stamp())))
	return files
}

func mustRead(folder fs.FS, name string) []byte {
	body, err := fs.ReadFile(folder, name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return body
}
