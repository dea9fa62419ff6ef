package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"shopping-cart/platform/database"
)

const (
	growthCallers  = 32
	growthProducts = 100
	growthCarts    = 1000
	growthEdits    = 5 // of a cart, between its first line and its checkout
)

// growth is several instances of the program, each on a store with more events.
type growth struct {
	sizes []int64
	shops []*Shop
	old   [][]uuid.UUID // for each store, carts that were checked out long ago
}

func (g *growth) close() (err error) {
	for _, s := range g.shops {
		err = errors.Join(err, s.Stop())
	}
	return err
}

// open fills a database for each size.
func (g *growth) open(ctx context.Context, server *Server) error {
	for _, size := range g.sizes {
		url, err := server.Database(ctx, fmt.Sprintf("with_%d_events", size))
		if err != nil {
			return err
		}
		s, err := OpenShop(ctx, url, growthProducts, growthCarts)
		if err != nil {
			return err
		}
		g.shops = append(g.shops, s)
		old, err := s.grow(ctx, size)
		if err != nil {
			return err
		}
		g.old = append(g.old, old)
	}
	return nil
}

// grow fills the store with that many events, copies of a whole checkout. It returns some of the carts.
func (s *Shop) grow(ctx context.Context, events int64) ([]uuid.UUID, error) {
	config, err := database.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	history, err := s.history(ctx, pool)
	if err != nil {
		return nil, err
	}
	each, err := history.Events(ctx, pool)
	if err != nil {
		return nil, err
	}
	err = history.Copy(ctx, pool, (events+each-1)/each, func(done int64) {
		fmt.Fprintf(os.Stderr, "\rfilled with %d of %d events ", done*each, events)
	})
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return nil, err
	}
	if err := waitForReaders(ctx, pool); err != nil {
		return nil, err
	}
	if err := history.Settle(ctx, pool); err != nil {
		return nil, err
	}
	if s.carts, err = s.copies(ctx, growthCarts, false); err != nil { // current carts come after all old ones
		return nil, err
	}
	return checkedOutCarts(ctx, pool)
}

// history returns the streams of one checkout.
func (s *Shop) history(ctx context.Context, pool *pgxpool.Pool) (History, error) {
	id := s.carts[0]
	for n := range int64(growthEdits) {
		if err := s.setQuantity(ctx, id, n); err != nil {
			return nil, err
		}
	}
	checkout, err := s.ChecksOut(ctx, id, ShopCartVersion+growthEdits)
	if err != nil {
		return nil, err
	}
	return History{"cart": id, "orders": checkout.OrderID, "payment": *checkout.PaymentID, "saga": checkout.ID}, nil
}

// waitForReaders waits until the projections have processed the copies.
func waitForReaders(ctx context.Context, pool *pgxpool.Pool) error {
	for {
		var behind int
		err := pool.QueryRow(ctx, "select count(*) from orders.subscriptions where position < (select max(position) from orders.events)").Scan(&behind)
		if err != nil || behind == 0 {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// checkedOutCarts returns some of the copies, spread over the table.
func checkedOutCarts(ctx context.Context, pool *pgxpool.Pool) (ids []uuid.UUID, err error) {
	err = pool.QueryRow(ctx, `select array(select id from cart.streams
		where kind = 'cart' and status = 'checked_out' order by md5(id::text) limit 20000)`).Scan(&ids)
	return ids, err
}

func (g *growth) workloads() (all []Workload) {
	for i, size := range g.sizes {
		s, old := g.shops[i], g.old[i]
		loads := func(carts []uuid.UUID) runs {
			return s.driven(func(ctx context.Context, n int64) error { return s.load(ctx, carts[n%int64(len(carts))]) })
		}
		all = append(all, with(growthCallers, []Workload{
			{Name: Grown("command", size), Run: s.driven(func(ctx context.Context, n int64) error {
				return s.setQuantity(ctx, s.carts[n%int64(len(s.carts))], n)
			})},
			{Name: Grown("load", size), Run: loads(s.carts)},
			{Name: Grown("load-old", size), Run: loads(old)},
			s.paying(Grown("checkout", size), 0, false, s.driven(s.checkOut)),
		})...)
	}
	return all
}

func Grown(what string, size int64) string { return fmt.Sprintf("%s/%d-events", what, size) }

// targets compares every size with the first.
func (g *growth) targets() (all []Target) {
	for _, size := range g.sizes[1:] {
		for _, what := range []struct {
			name  string
			bound float64
		}{{"command", 0.8}, {"load", 0.8}, {"load-old", 0.8}, {"checkout", 0}} {
			all = append(all, atLeast(fmt.Sprintf("%s, %d events", what.name, size), Grown(what.name, size), growthCallers,
				Grown(what.name, g.sizes[0]), growthCallers, what.bound, fmt.Sprintf("of that with %d", g.sizes[0])))
		}
	}
	return all
}

func (*growth) plots() []Plot { return nil }
