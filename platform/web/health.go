package web

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
)

var errNotReady = fault.New(fault.Unavailable, "not_ready", "The service is not ready.")

// readyWithin bounds the question whether the service is ready, so that a probe gets an answer.
const readyWithin = 3 * time.Second

type status struct {
	Status string `json:"status" example:"ok"`
}

func (s *Server) health() {
	s.Public.GET("/healthz", alive, AnyQuery)
	s.Public.GET("/readyz", s.ready, AnyQuery)
	if s.cfg.Metrics != nil {
		s.Public.GET("/metrics", s.metrics, AnyQuery, Uncompressed) // it compresses by itself
	}
}

// alive says that the process lives.
//
//	@Summary	Ask whether the process lives
//	@Description	For probes: it asks nothing of the database.
//	@ID			isAlive
//	@Tags		health
//	@Success	200	{object}	status
//	@Router		/healthz [get]
func alive(c echo.Context) error { return c.JSON(http.StatusOK, status{"ok"}) }

// ready says no with the reason. The reason is the error's own text: probes and operators read it, and the Ready
// function is written for them.
//
//	@Summary	Ask whether it can serve
//	@Description	For probes and balancers: it says no with the reason while the database is away, and from the moment it is told to stop.
//	@ID			isReady
//	@Tags		health
//	@Success	200	{object}	status
//	@Failure	503	{object}	Problem	"not_ready, with the reason"
//	@Router		/readyz [get]
func (s *Server) ready(c echo.Context) error {
	select {
	case <-s.draining:
		return errNotReady.Detailf("The service is stopping.")
	default:
	}
	if s.cfg.Ready == nil {
		return c.JSON(http.StatusOK, status{"ready"})
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyWithin)
	defer cancel()
	if err := s.cfg.Ready(ctx); err != nil {
		return errNotReady.Detailf("Not ready: %v.", err)
	}
	return c.JSON(http.StatusOK, status{"ready"})
}

// metrics shows what is counted.
//
//	@Summary	Read the metrics, in the format of Prometheus
//	@Description	Of requests, commands, sagas, readers, provider calls and pools.
//	@ID			readMetrics
//	@Tags		health
//	@Produce	plain
//	@Success	200	{string}	string
//	@Router		/metrics [get]
func (s *Server) metrics(c echo.Context) error {
	s.cfg.Metrics.ServeHTTP(c.Response(), c.Request())
	return nil
}
