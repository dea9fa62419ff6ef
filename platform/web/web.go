// Package web serves HTTP, so that a handler is a few lines about its subject.
//
// New makes a server from a Config, modules add their routes, and Run serves until its context ends:
//
//	s := web.New(web.Config{Auth: tokens, Log: log})
//	s.Public.GET("/v1/products/:sku", showProduct)             // anyone
//	s.Customer.POST("/v1/carts", openCart)                     // callers with a valid token
//	s.Owned("orders:read").GET("/v1/orders/:id", showOrder)    // the same, and operators with one of these scopes
//	s.Scoped("stock:write").PUT("/v1/stock/:sku", putStock)    // operators with one of these scopes
//	err := s.Run(ctx, listener, nil)
//
// A route declares its query parameters and its largest body where it is registered (Query, MaxBody).
//
// A handler that changes something reads its request with Read, in the promised order of refusals. A handler that
// shows something uses ID, SKU and PageOf. Both answer with c.JSON, ETag and NewPage, or return an error. One place (problem.go)
// turns errors into application/problem+json. It has the only table of the status of each kind of fault.
//
//	func (h *handlers) openCart(c echo.Context) error {
//		r, err := web.Read[openRequest](c, web.Needs{Key: true})
//		if err != nil {
//			return err
//		}
//		cart, err := h.carts.Open(c.Request().Context(), r.Caller, r.Body, r.Write)
//		…
//	}
package web

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"shopping-cart/platform/bulkhead"
)

// Authenticator returns the caller that an access token names, without an address. An error means that the token is not valid, unless
// it is a fault of the kind Unavailable.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (Caller, error)
}

// Config configures a Server. Zero values have the defaults named.
type Config struct {
	Auth         Authenticator // nil: no token is valid
	Log          *slog.Logger  // nil: slog.Default
	RequestLevel slog.Level    // of the log line of a request that is neither a probe nor a failure; info
	CORSOrigins  []string      // pages of these origins may call; none by default
	// TrustedProxies are the addresses of proxies whose X-Forwarded-For names the client. From others the header is ignored.
	TrustedProxies []netip.Prefix
	BodyLimit      int64                               // bytes, of routes that declare no MaxBody; 64 KiB
	Timeout        time.Duration                       // of one request, plus its "Prefer: wait"; default 15 s
	ReadTimeout    time.Duration                       // of the head and the body of one request; 30 s
	Grace          time.Duration                       // for requests in flight when Run ends; 35 s
	DrainDelay     time.Duration                       // how long it is not ready and still accepts, before the listener closes; 0
	Heartbeat      time.Duration                       // between two comments in a stream of events; 15 s
	WriteTimeout   time.Duration                       // of one write to a stream of events; 10 s
	Ready          func(ctx context.Context) Readiness // called at most once a second; nil: always ready
	Warnings       []string                            // at /readyz
	OpenAPI        []byte                              // the document at /openapi.json
	Metrics        http.Handler                        // at /metrics
	MetricsPrivate bool                                // they need ScopeMetricsRead
	Build          string                              // of this program, which /healthz shows
	Certificate    *Certificate                        // of all listeners; nil: plain HTTP
	HSTS           bool                                // browsers come back by HTTPS only
	AdminApart     bool                                // the routes for operators are served on a listener of their own; see isAdmin
	Tracer         trace.Tracer                        // of spans; nil: none
	Limits         Limits                              // of what clients may use
	// Audit records requests of operators; nil: they are not recorded.
	Audit func(ctx context.Context, request Audited) error
	// Observe is called after every request, with its route template.
	Observe func(ctx context.Context, method, route string, status int, took time.Duration)
	// Limited is called after every refusal because of a limit, with the class or "streams" or "connections", and with what was counted.
	Limited func(what, by string)

	// EachLimited calls each with the number of all refusals, also those of the guards of stock and money; nil: none.
	EachLimited func(each func(what, by string, refused int64))
}

func (c Config) withDefaults() Config {
	c.Log = cmp.Or(c.Log, slog.Default())
	c.BodyLimit = cmp.Or(c.BodyLimit, 64<<10)
	c.Timeout = cmp.Or(c.Timeout, 15*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 30*time.Second)
	c.Grace = cmp.Or(c.Grace, MaxWait+5*time.Second)
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 10*time.Second)
	return c
}

// Server serves the routes of all modules.
type Server struct {
	Public   *Routes // anyone
	Customer *Routes // callers with a valid token: Owned(ScopeAdmin)

	cfg         Config
	echo        *echo.Echo           // all routes
	public      *echo.Echo           // the routes of the first listener: all, or those that are not for operators
	endpoints   map[string]*endpoint // by method and path
	limiters    map[Class]*limiter
	connections *connections // of the first listener; nil: no limit
	compress    echo.MiddlewareFunc
	costly      *bulkhead.Bulkhead // of Costly routes
	draining    chan struct{}
	heldBack    chan struct{} // taken by refused requests that wait for their answer
	probe       probe
	drain       sync.Once
	streams     *streams
	floods      *floods
	refused     refusals
}

// New makes a server with the routes of health, metrics and the API document.
func New(cfg Config) *Server {
	s := &Server{
		cfg: cfg.withDefaults(), endpoints: map[string]*endpoint{}, compress: compressed(), draining: make(chan struct{}), heldBack: make(chan struct{}, heldBackMost),
		limiters: newLimiters(cfg.Limits.Rates), streams: newStreams(cfg.Limits.Streams), floods: newFloods(),
		refused: refusals{proxies: rate.Sometimes{Interval: warningInterval}},
	}
	if cfg.Limits.Connections.Most > 0 {
		s.connections = newConnections(cfg.Limits.Connections, s.isProxy, s.cfg.Log, func(by string) {
			s.refused.connections.Add(1)
			s.countLimited("connections", by)
		})
	}
	s.costly = bulkhead.New(costlyAtOnce, costlyWaiting, costlyPatience, errTooManyReads)
	s.echo = s.router()
	s.public = s.echo
	if s.cfg.AdminApart {
		s.public = s.router()
	}
	s.Public = &Routes{server: s, access: Access{Public: true}}
	s.Customer = s.Owned(ScopeAdmin)
	s.health()
	s.Scoped(ScopeAdmin).GET("/v1/admin/limits", s.showLimits)
	s.document()
	return s
}

// router returns a router without routes.
func (s *Server) router() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = s.answerError
	e.IPExtractor = addressFrom(s.cfg.TrustedProxies)
	e.Use(s.middleware)
	if len(s.cfg.CORSOrigins) > 0 {
		e.Use(s.cors())
	}
	return e
}

// ServeHTTP serves one request without a listener. It serves all routes.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// Draining is closed when the server begins to stop. A handler that waits should then answer at once.
func (s *Server) Draining() <-chan struct{} { return s.draining }
