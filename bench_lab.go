package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/payment"
	"shopping-cart/platform/bench"
	"shopping-cart/platform/config"
)

// lab is everything that is measured, ready to run beside each other on one server.
type lab struct {
	callers []int
	scripts string // URL of the database that pgbench and GORM work on
	naive   *bench.Naive
	shop    *benchShop
	bare    *bench.Bare
	client  *bench.Client
}

func (l *lab) open(ctx context.Context, server *bench.Server) (err error) {
	if l.scripts, err = server.Database(ctx, "scripts"); err != nil {
		return err
	}
	if err = bench.Fill(ctx, l.scripts, "setup.sql"); err != nil {
		return err
	}
	if l.naive, err = bench.OpenNaive(l.scripts, slices.Max(l.callers), benchCarts); err != nil {
		return err
	}
	url, err := server.Database(ctx, "ours")
	if err != nil {
		return err
	}
	if l.shop, err = openBenchShop(ctx, url, benchProducts, benchCarts); err != nil {
		return err
	}
	settings, err := config.Load()
	if err != nil {
		return err
	}
	if l.bare, err = bench.StartBare(ctx, url, "select state from cart.streams where id = $1", settings.QueryConnections); err != nil {
		return err
	}
	l.client, err = bench.StartClient(ctx, "bench-client")
	return err
}

func (l *lab) close() (err error) {
	if l.client != nil {
		err = l.client.Stop()
	}
	if l.bare != nil {
		l.bare.Stop()
	}
	if l.shop != nil {
		err = errors.Join(err, l.shop.stop())
	}
	if l.naive != nil {
		l.naive.Close()
	}
	return err
}

// The kinds of measurements. What stands after the slash is the way.
const (
	commandPgbench = "command/pgbench"
	commandGORM    = "command/gorm"
	commandProcess = "command/process"
	commandHTTP    = "command/http"
	commandHot     = "command/hot"

	loadProcess = "load/process"
	loadHTTP    = "load/http"
	loadEcho    = "load/echo"

	checkoutPgbench     = "checkout/pgbench"
	checkoutProcess     = "checkout/process"
	checkoutHTTP        = "checkout/http"
	checkoutProcess20   = "checkout/process-20ms"
	checkoutHTTP20      = "checkout/http-20ms"
	checkoutOnSimulator = "checkout/process-simulator"
)

const slowProvider = 20 * time.Millisecond

// workloads are in the order in which they are measured: what is compared stands together.
func (l *lab) workloads() (all []bench.Workload) {
	for _, n := range l.callers {
		all = append(all, l.commands(n)...)
	}
	for _, n := range l.callers {
		all = append(all, l.loads(n)...)
	}
	for _, n := range l.callers {
		all = append(all, l.checkouts(n)...)
	}
	return all
}

func (l *lab) commands(callers int) []bench.Workload {
	s := l.shop
	on := func(carts []uuid.UUID) func(context.Context, int, time.Duration) (bench.Sample, error) {
		return s.driven(func(ctx context.Context, n int64) error { return s.setQuantity(ctx, carts[n%int64(len(carts))], n) })
	}
	all := []bench.Workload{
		{Name: commandPgbench, Run: bench.Pgbench{URL: l.scripts, Script: "command.sql", Commands: 1, Appends: 1, Sampling: 0.1}.Run},
		{Name: commandGORM, Run: l.naive.Run},
		{Name: commandProcess, Run: on(s.carts)},
		{Name: commandHTTP, Run: l.requests(s.address, s.carts, bench.Request{
			Method: "PATCH", Path: "/v1/carts/{id}/items/" + s.skus[0], Body: `{"quantity":{n}}`, Header: s.keyed(), Status: 200,
		})},
	}
	if callers > 8 {
		all = append(all, bench.Workload{Name: commandHot, Run: on(s.carts[:1])})
	}
	return with(callers, all)
}

func (l *lab) loads(callers int) []bench.Workload {
	s := l.shop
	return with(callers, []bench.Workload{
		{Name: loadProcess, Run: s.driven(func(ctx context.Context, n int64) error { return s.load(ctx, s.carts[n%int64(len(s.carts))]) })},
		{Name: loadEcho, Run: l.requests(l.bare.Address, s.carts, bench.Request{Method: "GET", Path: "/{id}", Status: 200})},
		{Name: loadHTTP, Run: l.requests(s.address, s.carts, bench.Request{
			Method: "GET", Path: "/v1/carts/{id}", Header: s.headers(), Status: 200,
		})},
	})
}

func (l *lab) checkouts(callers int) []bench.Workload {
	s := l.shop
	process, http := s.driven(s.checkOut), l.httpCheckouts()
	all := []bench.Workload{
		{Name: checkoutPgbench, Run: bench.Pgbench{URL: l.scripts, Script: "checkout.sql", Commands: 10, Appends: 15, Sampling: 1}.Run},
		s.paying(checkoutProcess, 0, false, process),
		s.paying(checkoutHTTP, 0, false, http),
	}
	if callers >= 32 {
		all = append(all,
			s.paying(checkoutProcess20, slowProvider, false, process), s.paying(checkoutHTTP20, slowProvider, false, http),
			s.paying(checkoutOnSimulator, 0, true, process))
	}
	return with(callers, all)
}

func with(callers int, all []bench.Workload) []bench.Workload {
	for i := range all {
		all[i].Callers = callers
	}
	return all
}

// paying is a workload of check-outs at a provider.
func (s *benchShop) paying(name string, latency time.Duration, simulated bool, run runs) bench.Workload {
	return bench.Workload{Name: name, Run: run, Prepare: func(ctx context.Context, rate float64, d time.Duration) error {
		s.world.latency.Store(int64(latency))
		s.world.instead.Store(nil)
		if simulated {
			s.world.instead.Store(new(payment.Provider(s.bank)))
		}
		return s.prepare(ctx, rate, d)
	}}
}

// runs is the Run of a workload.
type runs = func(ctx context.Context, callers int, d time.Duration) (bench.Sample, error)

// driven does units of work in this process.
func (s *benchShop) driven(do func(ctx context.Context, n int64) error) runs {
	return func(ctx context.Context, callers int, d time.Duration) (bench.Sample, error) {
		return s.counted(func() (bench.Sample, error) { return bench.Drive(ctx, callers, d, do) })
	}
}

func (s *benchShop) headers() map[string]string {
	return map[string]string{"Authorization": "Bearer " + s.token}
}

// keyed are the headers of a request that happens once however often it is sent.
func (s *benchShop) keyed() map[string]string {
	header := s.headers()
	header["Idempotency-Key"] = "{key}"
	return header
}

// requests has the client send requests about the carts, one after the other.
func (l *lab) requests(address string, carts []uuid.UUID, r bench.Request) runs {
	ids := texts(carts)
	return func(_ context.Context, callers int, d time.Duration) (bench.Sample, error) {
		return l.shop.counted(func() (bench.Sample, error) {
			return l.client.Do(bench.Job{Address: address, Request: r, IDs: ids, Callers: callers, For: d})
		})
	}
}

// httpCheckouts has the client check fresh carts out, and wait for the end of each check-out.
func (l *lab) httpCheckouts() runs {
	s := l.shop
	r := bench.Request{
		Method: "POST", Path: "/v1/carts/{id}/checkout", Body: `{"payment_method":"sim_ok","email":"ada@example.com"}`,
		Header: s.keyed(), Status: 201,
	}
	r.Header["If-Match"], r.Header["Prefer"] = fmt.Sprintf(`"%d"`, benchVersion), "wait=30"
	return func(_ context.Context, callers int, d time.Duration) (bench.Sample, error) {
		sample, err := s.counted(func() (bench.Sample, error) {
			return l.client.Do(bench.Job{Address: s.address, Request: r, IDs: texts(s.fresh), Once: true, Callers: callers, For: d})
		})
		s.taken.Add(int64(sample.Units))
		return sample, err
	}
}

func texts(ids []uuid.UUID) []string {
	all := make([]string, len(ids))
	for i, id := range slices.All(ids) {
		all[i] = id.String()
	}
	return all
}
