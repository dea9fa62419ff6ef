package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/payment"
	"shopping-cart/platform/config"
)

// suite is the set of all workloads, ready to run side by side on one server.
type suite struct {
	callers []int
	dbos    string // path of the program in dbos; empty: DBOS is not measured
	scripts string // URL of the database of pgbench and GORM
	gorm    *GORMBaseline
	shop    *Shop
	echo    *EchoBaseline
	client  *Client
	runner  *Client // of DBOS
}

func (u *suite) open(ctx context.Context, server *Server) (err error) {
	if u.scripts, err = server.Database(ctx, "scripts"); err != nil {
		return err
	}
	if err = Fill(ctx, u.scripts, "setup.sql"); err != nil {
		return err
	}
	if u.gorm, err = OpenGORM(u.scripts, slices.Max(u.callers), benchCarts); err != nil {
		return err
	}
	url, err := server.Database(ctx, "ours")
	if err != nil {
		return err
	}
	if u.shop, err = OpenShop(ctx, url, benchProducts, benchCarts); err != nil {
		return err
	}
	settings, err := config.Load()
	if err != nil {
		return err
	}
	if u.echo, err = startEchoBaseline(ctx, url, settings.QueryConnections); err != nil {
		return err
	}
	if u.client, err = StartClient(ctx, "bench-client"); err != nil || u.dbos == "" {
		return err
	}
	if url, err = server.Database(ctx, "dbos"); err != nil {
		return err
	}
	connections := fmt.Sprintf("&pool_max_conns=%d", slices.Max(u.callers)) // 20 otherwise
	u.runner, err = startClient(exec.CommandContext(ctx, u.dbos, url+connections))
	return err
}

func (u *suite) close() (err error) {
	for _, c := range []*Client{u.client, u.runner} {
		if c != nil {
			err = errors.Join(err, c.Stop())
		}
	}
	if u.echo != nil {
		u.echo.stop()
	}
	if u.shop != nil {
		err = errors.Join(err, u.shop.Stop())
	}
	if u.gorm != nil {
		u.gorm.Close()
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

	WorkflowDBOS = "workflow/dbos"
)

const slowProvider = 20 * time.Millisecond

// workloads returns the workloads in the order of measurement. Compared ones are neighbours.
func (u *suite) workloads() (all []Workload) {
	for _, kind := range []func(callers int) []Workload{u.commands, u.loads, u.checkouts} {
		for _, n := range u.callers {
			all = append(all, withCallers(n, kind(n))...)
		}
	}
	return all
}

func (u *suite) commands(callers int) []Workload {
	s := u.shop
	all := []Workload{
		{Name: CommandPgbench, Run: Pgbench{URL: u.scripts, Script: "command.sql", Commands: 1, Appends: 1, Sampling: 0.1}.Run},
		{Name: CommandGORM, Run: u.gorm.Run},
		{Name: CommandProcess, Run: s.commandsOn(s.carts)},
		{Name: CommandHTTP, Run: u.requests(s.address, s.carts, Request{
			Method: "PATCH", Path: "/v1/carts/{id}/items/" + s.SKUs[0], Body: `{"quantity":{n}}`, Header: s.writeHeaders(), Status: 200,
		})},
	}
	if callers > 8 {
		all = append(all, Workload{Name: CommandHot, Run: s.commandsOn(s.carts[:1])})
	}
	return all
}

func (u *suite) loads(int) []Workload {
	s := u.shop
	return []Workload{
		{Name: LoadProcess, Run: s.loadsOf(s.carts)},
		{Name: LoadEcho, Run: u.requests(u.echo.address, s.carts, Request{Method: "GET", Path: "/{id}", Status: 200})},
		{Name: LoadHTTP, Run: u.requests(s.address, s.carts, Request{
			Method: "GET", Path: "/v1/carts/{id}", Header: map[string]string{"Authorization": "Bearer " + s.Token}, Status: 200,
		})},
	}
}

func (u *suite) checkouts(callers int) []Workload {
	s := u.shop
	process, http := s.drive(s.checkOut), u.httpCheckouts()
	all := []Workload{
		{Name: CheckoutPgbench, Run: Pgbench{URL: u.scripts, Script: "checkout.sql", Commands: 10, Appends: 15, Sampling: 1}.Run},
		s.checkoutWorkload(CheckoutProcess, 0, false, process),
		s.checkoutWorkload(CheckoutHTTP, 0, false, http),
	}
	if callers >= 32 {
		all = append(all,
			s.checkoutWorkload(CheckoutProcess20, slowProvider, false, process), s.checkoutWorkload(CheckoutHTTP20, slowProvider, false, http),
			s.checkoutWorkload(CheckoutOnSimulator, 0, true, process))
	}
	if u.dbos != "" {
		all = append(all, Workload{Name: WorkflowDBOS, Run: func(_ context.Context, callers int, d time.Duration) (Sample, error) {
			return u.runner.Do(Job{Callers: callers, For: d})
		}})
	}
	return all
}

func withCallers(callers int, all []Workload) []Workload {
	for i := range all {
		all[i].Callers = callers
	}
	return all
}

// checkoutWorkload returns a workload of checkouts at a provider.
func (s *Shop) checkoutWorkload(name string, latency time.Duration, simulated bool, run runFunc) Workload {
	return Workload{Name: name, Run: run, Prepare: func(ctx context.Context, rate float64, d time.Duration) error {
		s.provider.latency.Store(int64(latency))
		s.provider.delegate.Store(nil)
		if simulated {
			s.provider.delegate.Store(new(payment.Provider(s.Simulator)))
		}
		return s.prepare(ctx, rate, d)
	}}
}

// runFunc is the Run of a workload.
type runFunc = func(ctx context.Context, callers int, d time.Duration) (Sample, error)

// commandsOn changes quantities in the carts in turn.
func (s *Shop) commandsOn(carts []uuid.UUID) runFunc {
	return s.drive(func(ctx context.Context, n int64) error { return s.setQuantity(ctx, carts[n%int64(len(carts))], n) })
}

// loadsOf reads the carts in turn.
func (s *Shop) loadsOf(carts []uuid.UUID) runFunc {
	return s.drive(func(ctx context.Context, n int64) error { return s.load(ctx, carts[n%int64(len(carts))]) })
}

// drive runs units of work in this process.
func (s *Shop) drive(do func(ctx context.Context, n int64) error) runFunc {
	return func(ctx context.Context, callers int, d time.Duration) (Sample, error) {
		return s.count(func() (Sample, error) { return Drive(ctx, callers, d, do) })
	}
}

// writeHeaders returns the headers of an idempotent request.
func (s *Shop) writeHeaders() map[string]string {
	return map[string]string{"Authorization": "Bearer " + s.Token, "Idempotency-Key": "{key}"}
}

// requests makes the client send requests about the carts in turn.
func (u *suite) requests(address string, carts []uuid.UUID, r Request) runFunc {
	ids := texts(carts)
	return func(_ context.Context, callers int, d time.Duration) (Sample, error) {
		return u.shop.count(func() (Sample, error) {
			return u.client.Do(Job{Address: address, Request: r, IDs: ids, Callers: callers, For: d})
		})
	}
}

// httpCheckouts makes the client check out fresh carts, and wait for the end of each checkout.
func (u *suite) httpCheckouts() runFunc {
	s := u.shop
	r := Request{
		Method: "POST", Path: "/v1/carts/{id}/checkout", Body: `{"payment_method":"sim_ok","email":"ada@example.com"}`,
		Header: s.writeHeaders(), Status: 201,
	}
	r.Header["If-Match"], r.Header["Prefer"] = fmt.Sprintf(`"%d"`, ShopCartVersion), "wait=30"
	return func(_ context.Context, callers int, d time.Duration) (Sample, error) {
		sample, err := s.count(func() (Sample, error) {
			return u.client.Do(Job{Address: s.address, Request: r, IDs: texts(s.fresh), Once: true, Callers: callers, For: d})
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
