package web

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"
)

// Routes registers handlers behind a guard. Guards belong to routes and not to path prefixes, so that an unknown
// path is 404 for everyone.
type Routes struct {
	echo   *echo.Echo
	guards []echo.MiddlewareFunc
}

// Scoped are the routes of callers who have at least one of the scopes.
func (s *Server) Scoped(scopes ...string) *Routes {
	return &Routes{echo: s.echo, guards: append(slices.Clone(s.Customer.guards), require(scopes))}
}

// Paths are the routes, as "GET /v1/carts/:id", in no order. HEAD goes with GET and is left out.
func (s *Server) Paths() []string {
	var paths []string
	for _, r := range s.echo.Routes() {
		if r.Method != http.MethodHead {
			paths = append(paths, r.Method+" "+r.Path)
		}
	}
	return paths
}

// GET registers a read. HEAD answers the same without the body.
func (r *Routes) GET(path string, h echo.HandlerFunc, more ...echo.MiddlewareFunc) {
	r.add(http.MethodGet, path, h, more)
	r.add(http.MethodHead, path, h, more)
}

// POST registers a handler.
func (r *Routes) POST(path string, h echo.HandlerFunc, more ...echo.MiddlewareFunc) {
	r.add(http.MethodPost, path, h, more)
}

// PUT registers a handler.
func (r *Routes) PUT(path string, h echo.HandlerFunc, more ...echo.MiddlewareFunc) {
	r.add(http.MethodPut, path, h, more)
}

// PATCH registers a handler.
func (r *Routes) PATCH(path string, h echo.HandlerFunc, more ...echo.MiddlewareFunc) {
	r.add(http.MethodPatch, path, h, more)
}

// DELETE registers a handler.
func (r *Routes) DELETE(path string, h echo.HandlerFunc, more ...echo.MiddlewareFunc) {
	r.add(http.MethodDelete, path, h, more)
}

// add puts the guards around the handler once: Echo would do it for every request.
func (r *Routes) add(method, path string, h echo.HandlerFunc, more []echo.MiddlewareFunc) {
	for _, around := range slices.Backward(slices.Concat(r.guards, []echo.MiddlewareFunc{refuseNULQuery}, more)) {
		h = around(h)
	}
	r.echo.Add(method, path, func(c echo.Context) error {
		visitOf(c).routed = true
		return h(c)
	})
}
