// Shopping-cart is a headless cart and checkout engine: it turns a cart into a paid order exactly once.
//
// This file is wiring only: settings, databases, modules, saga, web.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"shopping-cart/cart"
	"shopping-cart/docs"
	"shopping-cart/eventstore"
	"shopping-cart/migrations"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/payment/simulator"
	"shopping-cart/payment/stripe"
	"shopping-cart/platform/auth"
	"shopping-cart/platform/config"
	"shopping-cart/platform/console"
	"shopping-cart/platform/database"
	"shopping-cart/platform/shop"
	"shopping-cart/platform/telemetry"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// gcPercent trades memory for time: what a batch decodes is garbage at its end, and the live heap is a few megabytes. With
// Go's 100 the collector took a fifth of the processor time of a check-out. GOGC overrides it.
const gcPercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	ctx := untilStopped()
	command := parse(ctx, os.Args[1:])
	if err := command.Run(); err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = errInterrupted
		}
		fmt.Fprintln(os.Stderr, "shopping-cart:", err)
		os.Exit(exitCode(err))
	}
}

// errInterrupted is said in place of the canceled context in which a command was stopped.
var errInterrupted = errors.New("stopped before it came to its end")

// run is the whole program: it serves until ctx is done, then drains from the outside in. Requests end first, then the
// steps of sagas, then what they wrote is committed, and the embedded database goes last.
func run(ctx context.Context, settings config.Config, banner io.Writer) error {
	if err := settings.FillSecrets(); err != nil {
		return err
	}
	log, err := telemetry.Log(telemetry.NewPipe(os.Stderr), logLevel(settings).String(), settings.LogFormat)
	if err != nil {
		return err
	}
	if limit := config.SetMemoryLimit(settings.Embedded()); limit > 0 {
		log.Info("memory limit set from the control group", "bytes", limit)
	}
	listener, err := listen(settings.HTTPAddr) // first: a taken port is said before anything is made
	if err != nil {
		return err
	}
	defer listener.Close()
	started := false
	defer func() { // the last thing, when the database has stopped too
		if started {
			log.Info("stopped")
		}
	}()
	asked := ctx // ends when the program is asked to stop
	stopped := func(err error) error {
		if err == nil || asked.Err() == nil {
			return err
		}
		log.Info("stopped before it was ready")
		return nil
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	urls, stopDatabase, err := databases(ctx, settings, log, fail)
	if err != nil {
		return stopped(err)
	}
	defer stopDatabase()
	p, err := build(ctx, settings, urls, listener.Addr(), log)
	if err != nil {
		return stopped(err)
	}
	defer p.close()
	started = true
	greeted := make(chan struct{})
	go func() {
		defer close(greeted)
		if p.awaitReady(ctx, log) == nil {
			greet(banner, settings, listener.Addr())
		}
	}()
	defer func() {
		fail(nil)
		<-greeted
	}()
	defer context.AfterFunc(ctx, func() { log.Info("stopping: requests and steps under way come to their end") })()
	err = p.serve(ctx, listener, settings.ShutdownTimeout)
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		err = errors.Join(cause, err)
	}
	return err
}

var errDatabaseEnded = errors.New("the embedded PostgreSQL ended and could not be started again; its log is in the data directory")

// databases gives the URL of each schema's database, migrated. Without DATABASE_URL it starts one; failed is called when
// that ends for good before it is stopped.
func databases(ctx context.Context, settings config.Config, log *slog.Logger, failed func(error)) (urls map[string]string, stop func(), err error) {
	embedded, stop := "", func() {}
	if settings.Embedded() {
		server, err := database.Start(ctx, database.EmbeddedConfig{Dir: settings.DataDir, Database: "shop", BinDir: settings.PGBinDir, Logger: log,
			Connections: poolsOf(settings).Connections()})
		if err != nil {
			return nil, nil, err
		}
		embedded = server.URL("shop")
		go func() {
			<-server.Done()
			failed(errDatabaseEnded)
		}()
		stop = func() {
			grace, cancel := context.WithTimeout(context.Background(), settings.ShutdownTimeout)
			defer cancel()
			if err := server.Stop(grace); err != nil {
				log.Error("the embedded PostgreSQL did not stop cleanly", "error", err)
			}
		}
	}
	urls = settings.DatabaseURLs(embedded)
	g, migrating := errgroup.WithContext(ctx)
	for _, schema := range migrations.Schemas {
		g.Go(func() error {
			if err := migrateSchema(migrating, settings, log, urls[schema], schema); err != nil {
				return fmt.Errorf("%s: %w", settings.DatabaseSetting(schema), err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		stop()
		return nil, nil, err
	}
	return urls, stop, nil
}

// migrationTimeout bounds the migration of a schema at the start, with the wait for others that migrate it. To build an index
// on a large table takes hours.
const migrationTimeout = 24 * time.Hour

func migrateSchema(ctx context.Context, settings config.Config, log *slog.Logger, url, schema string) error {
	return database.Await(ctx, log, "the migrations of schema "+schema, migrationTimeout, func(ctx context.Context, because func(string)) error {
		return database.MigrateWith(ctx, url, schema, database.MigrateOptions{Pooler: database.Pooler(settings.DatabasePooler), Tell: because})
	})
}

// program is everything that runs.
type program struct {
	databases map[string]*databaseOf // by URL
	carts     *cart.Module
	orders    *order.Module
	payments  *payment.Module
	bank      *simulator.Simulator
	sagas     *saga.Module
	web       *web.Server
}

// databaseOf is one database: its pools, and the one committer that the modules on it share.
type databaseOf struct {
	pools     *database.Pools
	committer *eventstore.Committer
	hints     *hints // nil: the processes on it look for new events by themselves
}

// hints run beside a committer.
type hints struct {
	eventstore.Hints
	committer *eventstore.Committer
}

// Run sends and hears them until ctx is done.
func (h *hints) Run(ctx context.Context) error { return h.committer.RunHints(ctx, h.Hints) }

type runner interface {
	Run(ctx context.Context) error
}

// build makes the program. Payments go to the first of the providers, else to the one that the settings name.
func build(ctx context.Context, settings config.Config, urls map[string]string, address net.Addr, log *slog.Logger,
	providers ...payment.Provider,
) (p *program, err error) {
	p = &program{databases: map[string]*databaseOf{}}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	metrics := telemetry.New()
	for schema, url := range urls {
		if p.databases[url] != nil {
			continue
		}
		if err := p.open(ctx, settings, schema, urls, metrics, log); err != nil {
			return p, err
		}
	}
	tokens, err := auth.New([]byte(settings.AuthSecret), settings.AuthAudience)
	if err != nil {
		return p, err
	}
	on := func(schema string) *databaseOf { return p.databases[urls[schema]] }
	alone := settings.Embedded()

	p.orders = order.New(order.Config{
		Committer: on("orders").committer, Query: on("orders").pools.Query, Control: on("orders").pools.Control, Views: on("orders").pools.Views,
		Alone: alone, Log: log, ReceiptRetention: settings.ReceiptRetention,
		CheckoutEnded: func(ctx context.Context, id uuid.UUID) (bool, error) { return p.sagas.CheckoutEnded(ctx, id) },
		Refunding:     func(ctx context.Context, id uuid.UUID) (int64, error) { return p.payments.Refunding(ctx, id) },
		Erase:         func(ctx context.Context, payments []uuid.UUID) error { return p.payments.Erase(ctx, payments) },
	})
	p.carts = cart.New(cart.Config{
		Committer: on("cart").committer, Query: on("cart").pools.Query, Control: on("cart").pools.Control, Views: on("cart").pools.Views,
		Alone: alone, Log: log, TTL: settings.CartTTL, ReceiptRetention: settings.ReceiptRetention,
		Available: p.orders.Available,
		VerifyGuest: func(token string) (string, error) {
			claims, err := tokens.VerifyExpired(token, guestLeeway)
			return claims.Subject, err
		},
	})
	p.bank = simulator.New(simulator.Config{
		Pool: on("simulator").pools.Query, Latency: settings.SimulatorLatency, Secret: settings.SimulatorSecret, Log: log,
		WebhookURL: func() string { return localURL(address) + "/v1/webhooks/payments/simulator" },
		PublicURL:  func() string { return settings.BaseURL(address) },
		Now:        on("payment").committer.Clock().Now,
	})
	if settings.PaymentProvider == config.Stripe {
		providers = append(providers, stripe.New(stripe.Config{
			SecretKey: settings.StripeSecretKey, WebhookSecret: settings.StripeWebhookSecret, BaseURL: settings.StripeAPIBase, Log: log,
			Now: on("payment").committer.Clock().Now,
		}))
	}
	p.payments = payment.New(payment.Config{
		Committer: on("payment").committer, Query: on("payment").pools.Query, Control: on("payment").pools.Control, Alone: alone, Log: log,
		ReceiptRetention: settings.ReceiptRetention, WebhookRetention: settings.WebhookRetention,
		Providers: append(providers, p.bank), Timeout: settings.PaymentTimeout, ActionTTL: settings.PaymentActionTTL,
		InFlight: settings.PaymentConcurrency, Called: metrics.ProviderCall, Resume: func(saga uuid.UUID) { p.sagas.Wake(saga) },
	})
	p.sagas = saga.New(saga.Config{
		Committer: on("saga").committer, Query: on("saga").pools.Query, Control: on("saga").pools.Control, Views: on("saga").pools.Views,
		Alone: alone, Log: log, ReceiptRetention: settings.ReceiptRetention, Patience: settings.StepDeadline, Ended: metrics.SagaEnded,
		Stores: map[string]*eventstore.Store{"cart": p.carts.Store(), "order": p.orders.Store(), "payment": p.payments.Store()},
		Rooms: saga.Rooms{
			CheckOut: p.carts.CheckOut, CartVisible: p.carts.Visible, Cart: p.carts.Handle,
			Order: p.orders.Handle, SaveContact: p.orders.SaveContact, DropContact: p.orders.DropContact,
			TakesMethod: p.payments.TakesMethod,
			Chargeable:  p.payments.Chargeable, Charge: p.payments.Charge, UndoPayment: p.payments.Undo, CancelPayment: p.payments.Cancel,
			OrderPaid:     p.orders.Paid,
			RequestRefund: p.payments.RequestRefund, Refund: p.payments.Refund, RefundsUnderWay: p.payments.RefundsUnderWay, RefundLost: p.payments.RefundLost,
			SettlePayment: p.payments.Settle, VerifyPayment: p.payments.Verify, ObservePayment: p.payments.Observe,
			Trail: p.orders.Trail, Webhooks: p.payments.WebhooksOf,
			Takings: p.payments.Takings, Numbered: p.orders.Numbered, RefundsOf: p.payments.RefundsOf,
		},
		Books: saga.Books{
			Carts: p.carts.Book(), Orders: p.orders.Book(), Payments: p.payments.Book(),
			Holdings: p.orders.Holdings, Balances: p.payments.Balances, Charged: p.payments.Charged,
		},
	})
	p.measure(metrics)
	p.route(settings, on, tokens, metrics, log)
	return p, nil
}

// measure shows what the modules know of themselves.
func (p *program) measure(metrics *telemetry.Metrics) {
	metrics.Providers(func() (all []telemetry.Provider) {
		for _, h := range p.payments.Health() {
			all = append(all, telemetry.Provider(h))
		}
		return all
	})
	for _, kind := range saga.Types() {
		metrics.SagaAge(kind, func() (time.Duration, error) { return p.sagas.OldestUnfinished(kind) })
	}
	for _, store := range []*eventstore.Store{p.carts.Store(), p.orders.Store(), p.payments.Store(), p.sagas.Store()} {
		metrics.OutboxAge(store.Schema(), store.OldestUnhandled)
		metrics.Subscriptions(store.Schema(), func() ([]telemetry.Subscription, error) { return subscriptionsOf(store) })
	}
}

// route makes the server, and has every room answer there.
func (p *program) route(settings config.Config, on func(schema string) *databaseOf, tokens *auth.Tokens, metrics *telemetry.Metrics, log *slog.Logger) {
	p.web = web.New(web.Config{
		Auth: tokens, Log: log, RequestLevel: requestLevel(settings, isTerminal(os.Stderr)), CORSOrigins: settings.CORSOrigins,
		Timeout: settings.RequestTimeout, Grace: settings.ShutdownTimeout, Notice: settings.ShutdownNotice,
		Ready: readiness(readyModules(settings, on), settings.ReadyRequires), OpenAPI: docs.OpenAPI, Metrics: metrics.Handler(), Observe: metrics.HTTP,
	})
	metrics.Streams(p.web.OpenStreams)
	p.web.Sessions(tokens, settings.SessionTTL)
	for _, room := range []interface{ Routes(*web.Server) }{p.carts, p.orders, p.payments, p.bank, p.sagas} {
		room.Routes(p.web)
	}
	if settings.Console {
		pages := echo.WrapHandler(console.New(console.Config{API: p.web, PublicURL: settings.PublicURL}))
		p.web.Public.GET(console.Path, pages, web.AnyQuery)
		p.web.Public.GET(console.Path+"/*", pages, web.AnyQuery)
		p.web.Public.GET(console.Path+"/assets/*", pages, web.AnyQuery, web.Uncompressed)
		p.web.Public.POST(console.Path+"/*", pages, web.AnyQuery)
	}
	if settings.ShopOn() {
		shop.New(tokens, settings.SessionTTL).Routes(p.web)
	}
}

// subscriptionsOf are those of a store, as metrics show them.
func subscriptionsOf(store *eventstore.Store) ([]telemetry.Subscription, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	found, err := store.Subscriptions(ctx)
	all := make([]telemetry.Subscription, len(found))
	for i, s := range found {
		all[i] = telemetry.Subscription{Name: s.Name, Kind: s.Kind, Lag: s.Lag, Oldest: s.OldestAge, Parked: s.Parked}
	}
	return all, err
}

// guestLeeway is how long after its end a guest's token still proves whose cart it is.
const guestLeeway = 30 * 24 * time.Hour

// poolsOf are the pools of each database, as the settings want them.
func poolsOf(settings config.Config) database.Options {
	return database.Options{Write: settings.Committers + 1, Query: settings.QueryConnections, Pooler: database.Pooler(settings.DatabasePooler)}
}

// open makes the pools and the committer of the database that a schema lies on.
func (p *program) open(ctx context.Context, settings config.Config, schema string, urls map[string]string, metrics *telemetry.Metrics, log *slog.Logger) error {
	options := poolsOf(settings)
	options.Databases = slices.Compact(slices.Sorted(maps.Values(urls)))
	options.Log = log.With("database", settings.DatabaseSetting(schema))
	pools, err := database.Open(ctx, urls[schema], options)
	if err != nil {
		return fmt.Errorf("%s: %w", settings.DatabaseSetting(schema), err)
	}
	metrics.WatchPool(schema, "write", pools.Write.Stat)
	metrics.WatchPool(schema, "query", pools.Query.Stat)
	metrics.WatchPool(schema, "control", pools.Control.Stat)
	db := &databaseOf{pools: pools, committer: eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{
		Queue: settings.QueueSize, Workers: int(settings.Committers), Begin: pools.Begin, Batched: metrics.Batch, Decided: metrics.Command, Handled: metrics.Dispatched,
		Failed: func(commands int, err error) { log.Warn("a batch is repeated", "commands", commands, "error", err) },
		Skewed: func(skew time.Duration) {
			log.Warn("the clocks of the database and of this machine differ; the database's clock decides",
				"database", settings.DatabaseSetting(schema), "database_ahead_by", skew.Round(time.Millisecond).String())
		},
	})}
	p.databases[urls[schema]] = db
	if err := db.committer.Clock().Measure(ctx, pools.Control); err != nil {
		return fmt.Errorf("%s: %w", settings.DatabaseSetting(schema), err)
	}
	metrics.ClockSkew(schema, db.committer.Clock().Skew)
	if settings.Notify && pools.Listen == nil {
		return fmt.Errorf("NOTIFY must be false: %s leads through a pooler, and who listens needs a session", settings.DatabaseSetting(schema))
	} else if settings.Notify {
		db.hints = &hints{committer: db.committer, Hints: eventstore.Hints{
			Send: pools.Control, Listen: pools.Listen,
			Failed: func(err error) { log.Warn("hints of new events are late", "error", err) },
		}}
	}
	return nil
}

// serve starts from the inside out, and stops from the outside in once ctx is done or a part fails. grace bounds each
// of the inner layers.
func (p *program) serve(ctx context.Context, listener net.Listener, grace time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := p.start(cancel)
	err := p.web.Run(ctx, listener)
	return errors.Join(err, stop(grace))
}

// start starts everything but the web. failed is called when a part ends too early.
func (p *program) start(failed func()) (stop func(grace time.Duration) error) {
	var committers []runner
	for _, db := range p.databases {
		committers = append(committers, db.committer)
		if db.hints != nil {
			committers = append(committers, db.hints)
		}
	}
	layers := []*layer{start(failed, committers...), start(failed, p.carts, p.orders, p.payments, p.bank), start(failed, p.sagas)}
	return func(grace time.Duration) (err error) {
		for i := len(layers) - 1; i >= 0; i-- {
			err = errors.Join(err, layers[i].stop(grace))
		}
		return err
	}
}

// layer is what runs and stops together.
type layer struct {
	cancel context.CancelFunc
	ended  chan error
}

func start(failed func(), parts ...runner) *layer {
	ctx, cancel := context.WithCancel(context.Background())
	l := &layer{cancel: cancel, ended: make(chan error, 1)}
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range parts {
		g.Go(func() error {
			err := part.Run(ctx)
			if err != nil {
				failed()
			}
			return err
		})
	}
	go func() { l.ended <- g.Wait() }()
	return l
}

func (l *layer) stop(grace time.Duration) error {
	l.cancel()
	select {
	case err := <-l.ended:
		return err
	case <-time.After(grace):
		return errors.New("the program was cut off while it stopped; what it was doing is taken up at the next start")
	}
}

func (p *program) close() {
	for _, db := range p.databases {
		db.pools.Close()
	}
}

// localURL is where this process reaches itself: at the address that it listens on, or on the loopback when that is every
// address.
func localURL(address net.Addr) string {
	host, port, _ := net.SplitHostPort(address.String())
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// greet says where everything is.
func greet(w io.Writer, settings config.Config, address net.Addr) {
	base := settings.BaseURL(address)
	where, program := "in the database of DATABASE_URL", self()
	if settings.Embedded() {
		where = settings.DataDir
		if absolute, err := filepath.Abs(settings.DataDir); err == nil {
			where = absolute
		}
		if settings.DataDir != config.DefaultDataDir { // another shell may not have the setting
			program = "DATA_DIR='" + strings.ReplaceAll(where, "'", `'\''`) + "' " + program
		}
	}
	pages := ""
	if settings.ShopOn() {
		pages = fmt.Sprintf("  shop     %s/shop (%s demo fills it)\n", base, program)
	}
	if settings.Console {
		pages += "  console  " + base + console.Path + "\n"
	}
	fmt.Fprintf(w, "shopping-cart is ready\n%s  API      %s/swagger\n  data     %s\n  operator %s token --admin\n", pages, base, where, program)
}

// self is how this program is called.
func self() string {
	if byGoRun.MatchString(filepath.ToSlash(os.Args[0])) {
		return "go run ."
	}
	return os.Args[0]
}

// byGoRun are the places that "go run" starts programs from: a folder of its own, or the build cache.
var byGoRun = regexp.MustCompile(`/exe/[^/]+$|/[0-9a-f]{64}-d/[^/]+$`)
