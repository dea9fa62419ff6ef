package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/payment"
	"shopping-cart/platform/config"
)

// suite is the set of all workloads, ready to run side by side on one server.
type suite struct {
	callers []int
	scripts string // URL of the database of pgbench and GORM
	gorm    *GORMBaseline
	shop    *Shop
	echo    *EchoBaseline
	client  *Client
}

func (l *suite) open(ctx context.Context, server *Server) (err error) {
	if l.scripts, err = server.Database(ctx, "scripts"); err != nil {
		return err
	}
	if err = Fill(ctx, l.scripts, "setup.sql"); err != nil {
		return err
	}
	if l.gorm, err = OpenGORM(l.scripts, slices.Max(l.callers), benchCarts); err != nil {
		return err
	}
	url, err := server.Database(ctx, "ours")
	if err != nil {
		return err
	}
	if l.shop, err = OpenShop(ctx, url, benchProducts, benchCarts); err != nil {
		return err
	}
	settings, err := config.Load()
	if err != nil {
		return err
	}
	if l.echo, err = startEchoBaseline(ctx, url, settings.QueryConnections); err != nil {
		return err
	}
	l.client, err = StartClient(ctx, "bench-client")
	return err
}

func (l *suite) close() (err error) {
	if l.client != nil {
		err = l.client.Stop()
	}
	if l.echo != nil {
		l.echo.stop()
	}
	if l.shop != nil {
		err = errors.Join(err, l.shop.Stop())
	}
	if l.gorm != nil {
		l.gorm.Close()
	}
	return err
}

// The kinds of measurements. The way follows the slash.
const (
	CommandPgbench = "command/pgbench"
	CommandGORM    = "command/gorm"
	CommandProcess = "command/process"
	CommandHTTP    = "command/http"
	CommandHot     = "command/hot"

	LoadProcess = "load/process"
	LoadHTTP    = "load/http"
	LoadEcho    = "load/echo"

	CheckoutPgbench     = "checkout/pgbench"
	CheckoutProcess     = "checkout/process"
	CheckoutHTTP        = "checkout/http"
	CheckoutProcess20   = "checkout/process-20ms"
	CheckoutHTTP20      = "checkout/http-20ms"
	CheckoutOnSimulator = "checkout/process-simulator"
)

const slowProvider = 20 * time.Millisecond

// workloads returns the workloads in the order of measurement. Compared ones are neighbours.
func (l *suite) workloads() (all []Workload) {
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

func (l *suite) commands(callers int) []Workload {
	s := l.shop
	all := []Workload{
		{Name: CommandPgbench, Run: Pgbench{URL: l.scripts, Script: "command.sql", Commands: 1, Appends: 1, Sampling: 0.1}.Run},
		{Name: CommandGORM, Run: l.gorm.Run},
		{Name: CommandProcess, Run: s.commandsOn(s.carts)},
		{Name: CommandHTTP, Run: l.requests(s.address, s.carts, Request{
			Method: "PATCH", Path: "/v1/carts/{id}/items/" + s.SKUs[0], Body: `{"quantity":{n}}`, Header: s.keyed(), Status: 200,
		})},
	}
	if callers > 8 {
		all = append(all, Workload{Name: CommandHot, Run: s.commandsOn(s.carts[:1])})
	}
	return with(callers, all)
}

func (l *suite) loads(callers int) []Workload {
	s := l.shop
	return with(callers, []Workload{
		{Name: LoadProcess, Run: s.loadsOf(s.carts)},
		{Name: LoadEcho, Run: l.requests(l.echo.address, s.carts, Request{Method: "GET", Path: "/{id}", Status: 200})},
		{Name: LoadHTTP, Run: l.requests(s.address, s.carts, Request{
			Method: "GET", Path: "/v1/carts/{id}", Header: map[string]string{"Authorization": "Bearer " + s.Token}, Status: 200,
		})},
	})
}

func (l *suite) checkouts(callers int) []Workload {
	s := l.shop
	process, http := s.driven(s.checkOut), l.httpCheckouts()
	all := []Workload{
		{Name: CheckoutPgbench, Run: Pgbench{URL: l.scripts, Script: "checkout.sql", Commands: 10, Appends: 15, Sampling: 1}.Run},
		s.paying(CheckoutProcess, 0, false, process),
		s.paying(CheckoutHTTP, 0, false, http),
	}
	if callers >= 32 {
		all = append(all,
			s.paying(CheckoutProcess20, slowProvider, false, process), s.paying(CheckoutHTTP20, slowProvider, false, http),
			s.paying(CheckoutOnSimulator, 0, true, process))
	}
	return with(callers, all)
}

func with(callers int, all []Workload) []Workload {
	for i := range all {
		all[i].Callers = callers
	}
	return all
}

// paying returns a workload of checkouts at a provider.
func (s *Shop) paying(name string, latency time.Duration, simulated bool, run runs) Workload {
	return Workload{Name: name, Run: run, Prepare: func(ctx context.Context, rate float64, d time.Duration) error {
		s.provider.latency.Store(int64(latency))
		s.provider.delegate.Store(nil)
		if simulated {
			s.provider.delegate.Store(new(payment.Provider(s.Simulator)))
		}
		return s.prepare(ctx, rate, d)
	}}
}

// runs is the Run of a workload.
type runs = func(ctx context.Context, callers int, d time.Duration) (Sample, error)

// commandsOn changes quantities in the carts in turn.
func (s *Shop) commandsOn(carts []uuid.UUID) runs {
	return s.driven(func(ctx context.Context, n int64) error { return s.setQuantity(ctx, carts[n%int64(len(carts))], n) })
}

// loadsOf reads the carts in turn.
func (s *Shop) loadsOf(carts []uuid.UUID) runs {
	return s.driven(func(ctx context.Context, n int64) error { return s.load(ctx, carts[n%int64(len(carts))]) })
}

// driven runs units of work in this process.
func (s *Shop) driven(do func(ctx context.Context, n int64) error) runs {
	return func(ctx context.Context, callers int, d time.Duration) (Sample, error) {
		return s.counted(func() (Sample, error) { return Drive(ctx, callers, d, do) })
	}
}

// keyed returns the headers of an idempotent request.
func (s *Shop) keyed() map[string]string {
	return map[string]string{"Authorization": "Bearer " + s.Token, "Idempotency-Key": "{key}"}
}

// requests makes the client send requests about the carts in turn.
func (l *suite) requests(address string, carts []uuid.UUID, r Request) runs {
	ids := texts(carts)
	return func(_ context.Context, callers int, d time.Duration) (Sample, error) {
		return l.shop.counted(func() (Sample, error) {
			return l.client.Do(Job{Address: address, Request: r, IDs: ids, Callers: callers, For: d})
		})
	}
}

// httpCheckouts makes the client check out fresh carts, and wait for the end of each checkout.
func (l *suite) httpCheckouts() runs {
	s := l.shop
	r := Request{
		Method: "POST", Path: "/v1/carts/{id}/checkout", Body: `{"payment_method":"sim_ok","email":"ada@example.com"}`,
		Header: s.keyed(), Status: 201,
	}
	r.Header["If-Match"], r.Header["Prefer"] = fmt.Sprintf(`"%d"`, ShopCartVersion), "wait=30"
	return func(_ context.Context, callers int, d time.Duration) (Sample, error) {
		sample, err := s.counted(func() (Sample, error) {
			return l.client.Do(Job{Address: s.address, Request: r, IDs: texts(s.fresh), Once: true, Callers: callers, For: d})
		})
		s.taken.Add(int64(sample.Units))
		return sample, err
	}
}

func texts(ids []uuid.UUID) (all []string) {
	for _, id := range ids {
		all = append(all, id.String())
	}
	return all
}
