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

// Bare is a minimal HTTP server that answers with a row: Echo without middleware, and one SELECT by primary key.
type Bare struct {
	Address string
	server  *http.Server
	pool    *pgxpool.Pool
}

// StartBare serves GET /{id} with the JSON that sql returns for $1, on its own connections.
func StartBare(ctx context.Context, url, sql string, connections int32) (*Bare, error) {
	config, err := database.Parse(url)
	if err != nil {
		return nil, err
	}
	config.MaxConns = connections
	pool, err := pgxpool.NewWithConfig(ctx, config)
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
		if err := pool.QueryRow(c.Request().Context(), sql, id).Scan(&row); err != nil {
			return err
		}
		return c.JSONBlob(http.StatusOK, row)
	})
	b := &Bare{Address: listener.Addr().String(), server: &http.Server{Handler: e, ReadHeaderTimeout: time.Minute}, pool: pool}
	go func() {
		if err := b.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			panic(fmt.Sprintf("the bare server ended: %v", err))
		}
	}()
	return b, nil
}

// Stop closes the server and its connections.
func (b *Bare) Stop() {
	_ = b.server.Close()
	b.pool.Close()
}
