package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/labstack/echo/v4"

	"shopping-cart/platform/database"
)

// EchoBaseline is a minimal HTTP server that answers with a row: Echo without middleware, and one SELECT by primary key.
type EchoBaseline struct {
	address string
	server  *http.Server
	pool    *pgxpool.Pool
}

// startEchoBaseline serves GET /{id} with the state of that cart.
func startEchoBaseline(ctx context.Context, url string, connections int32) (*EchoBaseline, error) {
	pool, err := openPool(ctx, url, connections)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		pool.Close()
		return nil, err
	}
	e := echo.New()
	e.GET("/:id", func(c echo.Context) error {
		id, err := uuid.Parse(c.Param("id"))
		if err != nil {
			return err
		}
		var row []byte
		if err := pool.QueryRow(c.Request().Context(), "select state from cart.streams where id = $1", id).Scan(&row); err != nil {
			return err
		}
		return c.JSONBlob(http.StatusOK, row)
	})
	b := &EchoBaseline{address: listener.Addr().String(), server: &http.Server{Handler: e, ReadHeaderTimeout: time.Minute}, pool: pool}
	go func() {
		if err := b.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("the Echo baseline ended: %v", err))
		}
	}()
	return b, nil
}

func openPool(ctx context.Context, url string, connections int32) (*pgxpool.Pool, error) {
	config, err := database.Parse(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = connections
	return pgxpool.NewWithConfig(ctx, config)
}

func (b *EchoBaseline) stop() {
	_ = b.server.Close()
	b.pool.Close()
}
