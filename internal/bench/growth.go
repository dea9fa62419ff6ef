package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"shopping-cart/client"
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
func (s *Shop) grow(ctx context.Context, events int64) (old []uuid.UUID, err error) {
	pool, err := openPool(ctx, s.URL, growthPool)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	h, err := s.history(ctx)
	if err != nil {
		return nil, err
	}
	each, err := h.events(ctx, pool)
	if err != nil {
		return nil, err
	}
	err = h.copy(ctx, pool, (events+each-1)/each, func(done int64) {
		fmt.Fprintf(os.Stderr, "\rfilled with %d of %d events ", done*each, events)
	})
	fmt.Fprintln(os.Stderr)
	if err != nil {
		return nil, err
	}
	if err := awaitProjections(ctx, pool); err != nil {
		return nil, err
	}
	for _, statement := range []string{"vacuum analyze", "checkpoint"} { // as autovacuum and the checkpointer would do later
		if _, err := pool.Exec(ctx, statement); err != nil {
			return nil, fmt.Errorf("%s: %w", statement, err)
		}
	}
	if s.carts, err = s.copyCarts(ctx, growthCarts, false); err != nil { // current carts come after all old ones
		return nil, err
	}
	err = pool.QueryRow(ctx, `select array(select id from cart.streams
		where kind = 'cart' and status = 'checked_out' order by md5(id::text) limit 20000)`).Scan(&old)
	return old, err
}

// growthPool is the number of connections that fill a store, one for each schema.
const growthPool = 4

// history returns the streams of one checkout.
func (s *Shop) history(ctx context.Context) (history, error) {
	id := s.carts[0]
	for n := range int64(growthEdits) {
		if err := s.setQuantity(ctx, id, n); err != nil {
			return nil, err
		}
	}
	checkout, err := s.CheckOutCart(ctx, id, ShopCartVersion+growthEdits)
	if err != nil {
		return nil, err
	}
	return history{"cart": id, "orders": checkout.OrderID, "payment": *checkout.PaymentID, "saga": checkout.ID}, nil
}

// awaitProjections waits until the projections have processed the copies.
func awaitProjections(ctx context.Context, pool *pgxpool.Pool) error {
	for {
		var behind int
		err := pool.QueryRow(ctx, "select count(*) from orders.subscriptions where position < (select max(position) from orders.events)").Scan(&behind)
		if err != nil || behind == 0 {
			return err
		}
		if err := client.Sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

func (g *growth) workloads() (all []Workload) {
	for i, size := range g.sizes {
		s, old := g.shops[i], g.old[i]
		all = append(all, withCallers(growthCallers, []Workload{
			{Name: GrowthName("command", size), Run: s.commandsOn(s.carts)},
			{Name: GrowthName("load", size), Run: s.loadsOf(s.carts)},
			{Name: GrowthName("load-old", size), Run: s.loadsOf(old)},
			s.checkoutWorkload(GrowthName("checkout", size), 0, false, s.drive(s.checkOut)),
		})...)
	}
	return all
}

// GrowthName returns the name of a workload on a store with that many events.
func GrowthName(what string, size int64) string { return fmt.Sprintf("%s/%d-events", what, size) }

// targets compares every size with the first.
func (g *growth) targets() (all []Target) {
	for _, size := range g.sizes[1:] {
		for _, what := range []string{"command", "load", "load-old", "checkout"} {
			bound := 0.8
			if what == "checkout" {
				bound = 0 // only shown
			}
			all = append(all, atLeast(fmt.Sprintf("%s, %d events", what, size), GrowthName(what, size), growthCallers,
				GrowthName(what, g.sizes[0]), growthCallers, bound, fmt.Sprintf("of that with %d", g.sizes[0])))
		}
	}
	return all
}

func (*growth) plots() []Plot { return nil }
