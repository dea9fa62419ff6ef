package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
)

var errNotReady = fault.New(fault.Unavailable, "not_ready", "The service is not ready.")

// readyWithin limits the check of readiness, so that a probe gets an answer.
const readyWithin = 3 * time.Second

// readyFresh limits the age of a reused result of that check.
const readyFresh = time.Second

type status struct {
	Status string `json:"status" example:"ok"`
	Build  string `json:"build" example:"e3711fb5d0c9a4be0c0a2f4a1d8f3a9c1b7e6d52"` // the revision or the version of the program
}

func (s *Server) health() {
	s.Public.GET("/healthz", s.alive, Limit(unlimited))
	s.Public.GET("/readyz", s.ready, Limit(unlimited))
	if s.cfg.Metrics != nil {
		readers := s.Public
		if s.cfg.MetricsPrivate {
			readers = s.Scoped(ScopeMetricsRead)
		}
		readers.GET("/metrics", s.metrics, Limit(Metrics), Uncompressed) // it compresses by itself
	}
}

// alive says that the process lives.
//
//	@Summary	Ask whether the process lives, and which build it is
//	@Description	For probes: it asks nothing of the database.
//	@ID			isAlive
//	@Tags		health
//	@Success	200	{object}	status
//	@Router		/healthz [get]
func (s *Server) alive(c echo.Context) error {
	return c.JSON(http.StatusOK, status{"ok", s.cfg.Build})
}

// Readiness reports whether the service and each of its modules can serve.
type Readiness struct {
	Ready   bool
	Modules []ModuleReadiness
}

// The states of a module.
const (
	ModuleReady = "ready"
	ModuleAway  = "away"
)

// ModuleReadiness says whether the database of a module takes writes.
type ModuleReadiness struct {
	Module string `json:"module" example:"cart"`
	Status string `json:"status" enums:"ready,away"`
	Reason string `json:"reason,omitempty" example:"The database of CART_DATABASE_URL cannot be used: it only takes reads."`
}

type readyStatus struct {
	Status   string            `json:"status" enums:"ready,degraded"` // degraded: some module is away, and the others work
	Modules  []ModuleReadiness `json:"modules,omitempty"`
	Warnings []string          `json:"warnings" example:"Payments are simulated although a database is named: no money moves."`
}

// probe shares one result among the probes of a second.
type probe struct {
	mu   sync.Mutex
	last Readiness
	made time.Time
}

// Readiness returns the last result, or checks again when that is a second old. Concurrent callers wait for the same check. The check
// has its own deadline and does not end with the request that started it.
func (s *Server) Readiness(ctx context.Context) Readiness {
	if s.cfg.Ready == nil {
		return Readiness{Ready: true}
	}
	p := &s.probe
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made.IsZero() || time.Since(p.made) >= readyFresh {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readyWithin)
		defer cancel()
		p.last = s.cfg.Ready(ctx)
		p.made = time.Now()
	}
	return p.last
}

// ready tells probes and balancers whether to send requests here.
//
//	@Summary	Ask whether it can serve
//	@Description	For probes and balancers. It tries one write on every database, at most once a second however many ask, and names each module with what is wrong. `warnings` says when payments are simulated although a database is named. `READY_REQUIRES` names the modules that must be ready, any one of them by default. It is not ready once it was told to stop.
//	@ID			isReady
//	@Tags		health
//	@Success	200	{object}	readyStatus
//	@Failure	503	{object}	Problem	"not_ready, with the reason and `modules`"
//	@Router		/readyz [get]
func (s *Server) ready(c echo.Context) error {
	select {
	case <-s.draining:
		return errNotReady.Detailf("The service is stopping.")
	default:
	}
	r := s.Readiness(c.Request().Context())
	reasons := r.Reasons()
	if !r.Ready {
		return errNotReady.Detailf("%s", strings.Join(append([]string{"The service is not ready."}, reasons...), " ")).With("modules", r.Modules)
	}
	is := readyStatus{Status: "ready", Modules: r.Modules, Warnings: append([]string{}, s.cfg.Warnings...)}
	if len(reasons) > 0 {
		is.Status = "degraded"
	}
	return c.JSON(http.StatusOK, is)
}

// Reasons returns the reasons of the modules that are away, each once, since modules may share a database.
func (r Readiness) Reasons() (reasons []string) {
	for _, m := range r.Modules {
		if m.Status != ModuleReady && !slices.Contains(reasons, m.Reason) {
			reasons = append(reasons, m.Reason)
		}
	}
	return reasons
}

// metrics answers with the metrics.
//
//	@Summary	Read the metrics, in the format of Prometheus
//	@Description	Of requests, commands, sagas, projections, provider calls and pools. With `METRICS_PUBLIC=false` it needs the scope `metrics:read`.
//	@ID			readMetrics
//	@Tags		health
//	@Produce	plain
//	@Success	200	{string}	string
//	@Failure	401	{object}	Problem	"unauthorized"
//	@Failure	403	{object}	Problem	"forbidden"
//	@Failure	429	{object}	Problem	"too_many_requests"
//	@Router		/metrics [get]
func (s *Server) metrics(c echo.Context) error {
	s.cfg.Metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}
