package app

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"shopping-cart/platform/config"
	"shopping-cart/platform/database"
	"shopping-cart/platform/web"
)

// tryWriteWithin limits the write that a readiness probe tries on a database.
const tryWriteWithin = 2 * time.Second

// readyModule is a module with a database that must accept writes.
type readyModule struct {
	name, schema, setting string
	database              *Database
}

// readyModules lists the modules in the order of /readyz. The simulator is one if it is the provider.
func readyModules(settings config.Config, on func(schema string) *Database) (all []readyModule) {
	for _, m := range config.Modules {
		if m.Name == config.Simulator && settings.PaymentProvider == config.Stripe {
			continue
		}
		all = append(all, readyModule{m.Name, m.Schema, settings.DatabaseSetting(m.Schema), on(m.Schema)})
	}
	return all
}

// readiness tries a write on all databases concurrently, and reports which modules can work.
func readiness(modules []readyModule, requires string) func(context.Context) web.Readiness {
	return func(ctx context.Context) web.Readiness {
		failed := tryWrites(ctx, modules)
		var r web.Readiness
		for _, m := range modules {
			one := web.ModuleReadiness{Module: m.name, Status: web.ModuleReady}
			if err := failed[m.database]; err != nil {
				one.Status = web.ModuleAway
				one.Reason = fmt.Sprintf("The database of %s cannot be used: %s.", m.setting, database.WriteReason(err))
			}
			r.Modules = append(r.Modules, one)
		}
		r.Ready = satisfies(r.Modules, requires)
		return r
	}
}

func tryWrites(ctx context.Context, modules []readyModule) map[*Database]error {
	ctx, cancel := context.WithTimeout(ctx, tryWriteWithin)
	defer cancel()
	schemas := map[*Database]string{}
	for _, m := range modules {
		schemas[m.database] = m.schema // any schema on that database
	}
	failed := map[*Database]error{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for db, schema := range schemas {
		all.Go(func() {
			err := db.Pools.TryWrite(ctx, schema)
			mu.Lock()
			defer mu.Unlock()
			failed[db] = err
		})
	}
	all.Wait()
	return failed
}

// readyAgain is the pause between two readiness checks.
const readyAgain = time.Second

// awaitReady returns when /readyz reports ready. Until then it logs the missing parts. It fails only when ctx ends, and the
// program serves reads in the meantime.
func (p *App) awaitReady(ctx context.Context, log *slog.Logger) error {
	return database.Await(ctx, log, "databases that take writes", 0, func(ctx context.Context, because func(string)) error {
		for {
			r := p.Web.Readiness(ctx)
			if r.Ready {
				return nil
			}
			because(strings.Join(r.Reasons(), " "))
			select {
			case <-time.After(readyAgain):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
}

// satisfies reports whether enough modules can work for READY_REQUIRES.
func satisfies(modules []web.ModuleReadiness, requires string) bool {
	works := func(m web.ModuleReadiness) bool { return m.Status == web.ModuleReady }
	switch requires {
	case config.ReadyAny, "":
		return slices.ContainsFunc(modules, works)
	case config.ReadyAll:
		return !slices.ContainsFunc(modules, func(m web.ModuleReadiness) bool { return !works(m) })
	}
	required := strings.Split(requires, ",")
	return !slices.ContainsFunc(modules, func(m web.ModuleReadiness) bool {
		return !works(m) && slices.ContainsFunc(required, func(name string) bool { return strings.TrimSpace(name) == m.Module })
	})
}
