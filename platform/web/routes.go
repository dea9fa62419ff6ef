package web

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
)

var errTooManyReads = fault.New(fault.TooMany, "too_many_requests", "Too many long lists are being read. Try again shortly.")

// Routes registers handlers behind guards. Guards belong to routes and not to path prefixes, so that an unknown path is 404 for
// everyone.
type Routes struct {
	server        *Server
	authenticates bool // callers need a valid token
	access        Access
	guards        []echo.MiddlewareFunc // behind the rate limits
}

// Access says who may call a route.
type Access struct {
	Public    bool     // anyone
	Customers bool     // anyone with a token, for resources of their own
	Scopes    []string // operators with one of these; admin has all
}

// Scoped returns routes for operators with at least one of the scopes.
func (s *Server) Scoped(scopes ...string) *Routes { return s.guarded(Access{Scopes: scopes}) }

// Owned returns routes for customers, who use their own resources, and for operators with one of the scopes, who use those of all
// customers: see Caller.Operator.
func (s *Server) Owned(scopes ...string) *Routes {
	return s.guarded(Access{Customers: true, Scopes: scopes})
}

func (s *Server) guarded(a Access) *Routes {
	return &Routes{server: s, authenticates: true, access: a, guards: []echo.MiddlewareFunc{authorize(a)}}
}

// Access returns who may call each route, named as in Paths.
func (s *Server) Access() map[string]Access {
	all := map[string]Access{}
	for route, e := range s.endpoints {
		if !strings.HasPrefix(route, http.MethodHead) {
			all[route] = e.access
		}
	}
	return all
}

// Paths returns the routes as "GET /v1/carts/:id", in no order. HEAD belongs to GET and is left out.
func (s *Server) Paths() []string {
	var paths []string
	for _, r := range s.echo.Routes() {
		if r.Method != http.MethodHead {
			paths = append(paths, r.Method+" "+r.Path)
		}
	}
	return paths
}

// Parameters returns the declared query parameters by route, named as in Paths. Routes that accept any query are left out.
func (s *Server) Parameters() map[string][]string {
	all := map[string][]string{}
	for route, e := range s.endpoints {
		if !e.anyQuery && !strings.HasPrefix(route, http.MethodHead) {
			all[route] = e.query
		}
	}
	return all
}

// Option configures a route: Query, Paged, Logged, Dated, AnyQuery, MaxBody, Costly, Uncompressed, Personal, AuditedAs and Limit.
type Option func(*endpoint)

// endpoint is the configuration of a route.
type endpoint struct {
	access       Access
	query        []string // the parameters that it accepts
	anyQuery     bool
	maxBody      int64 // bytes
	uncompressed bool
	costly       bool   // see Costly
	audited      string // the action under which requests of operators are recorded; empty: they are not
	class        Class
}

// MaxBody sets the largest body of a route in bytes, in place of Config.BodyLimit. A larger one is refused with 413.
func MaxBody(bytes int64) Option { return func(e *endpoint) { e.maxBody = bytes } }

// Costly marks a read of operators that may look through many rows. The server runs a few of these at once, so that they leave
// connections to the reads of shoppers. Others wait for a moment and are then refused with 429.
func Costly(e *endpoint) { e.costly = true }

// The limits of Costly routes.
const (
	costlyAtOnce   = 3
	costlyWaiting  = 32
	costlyPatience = 5 * time.Second
)

// takeTurn runs a handler as one of the costly ones.
func (s *Server) takeTurn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		leave, err := s.costly.Enter(c.Request().Context())
		if err != nil {
			return err
		}
		defer leave()
		return next(c)
	}
}

// GET registers a read. HEAD answers the same without the body.
func (r *Routes) GET(path string, h echo.HandlerFunc, more ...Option) {
	r.add(http.MethodGet, path, h, more)
	r.add(http.MethodHead, path, h, more)
}

// POST registers a handler.
func (r *Routes) POST(path string, h echo.HandlerFunc, more ...Option) {
	r.add(http.MethodPost, path, h, more)
}

// PUT registers a handler.
func (r *Routes) PUT(path string, h echo.HandlerFunc, more ...Option) {
	r.add(http.MethodPut, path, h, more)
}

// PATCH registers a handler.
func (r *Routes) PATCH(path string, h echo.HandlerFunc, more ...Option) {
	r.add(http.MethodPatch, path, h, more)
}

// DELETE registers a handler.
func (r *Routes) DELETE(path string, h echo.HandlerFunc, more ...Option) {
	r.add(http.MethodDelete, path, h, more)
}

// add wraps the handler in the guards once, since Echo would do it for every request.
func (r *Routes) add(method, path string, h echo.HandlerFunc, more []Option) {
	e := &endpoint{access: r.access, maxBody: r.server.cfg.BodyLimit, class: classOf(method)}
	for _, option := range more {
		option(e)
	}
	r.server.endpoints[method+" "+path] = e
	if !e.uncompressed {
		h = r.server.compress(h)
	}
	if e.costly {
		h = r.server.takeTurn(h)
	}
	h = e.refuseQuery(r.server.audit(e, method, h))
	for _, guard := range slices.Backward(r.guards) {
		h = guard(h)
	}
	h = r.server.limited(e, h)
	if r.authenticates {
		h = r.server.authenticate(h)
	}
	r.server.register(method, path, func(c echo.Context) error {
		state := stateOf(c)
		state.routed, state.class = true, e.class
		if request := c.Request(); request.Body != http.NoBody {
			request.Body = http.MaxBytesReader(c.Response(), request.Body, e.maxBody)
		}
		return h(c)
	})
}

// register adds a route to the listeners that serve it.
func (s *Server) register(method, path string, h echo.HandlerFunc) {
	s.echo.Add(method, path, h)
	if s.cfg.AdminApart && !isAdmin(path) {
		s.public.Add(method, path, h)
	}
}

// isAdmin reports whether a route is for operators only: the first listener does not serve it when there is a second one. The other
// routes with an operator's scope, such as PUT /v1/products/{sku}, are for the programs of the shop, so both listeners serve them.
func isAdmin(path string) bool {
	return slices.ContainsFunc([]string{"/v1/admin", "/console", "/swagger", "/metrics"}, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+"/")
	})
}
