// Package app is the composition root: it builds the program from its settings and runs it.
package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"shopping-cart/admin"
	"shopping-cart/admin/audit"
	"shopping-cart/admin/privacy"
	"shopping-cart/admin/reconcile"
	"shopping-cart/cart"
	"shopping-cart/docs"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/payment/simulator"
	"shopping-cart/payment/stripe"
	"shopping-cart/platform/auth"
	"shopping-cart/platform/config"
	"shopping-cart/platform/telemetry"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
	"shopping-cart/ui/console"
	"shopping-cart/ui/shop"
)

// App is the whole program: its modules, their databases and the web server.
type App struct {
	Traces    *telemetry.Traces    // nil: nothing is traced
	Databases map[string]*Database // by URL
	Carts     *cart.Module
	Orders    *order.Module
	Payments  *payment.Module
	Simulator *simulator.Simulator
	Sagas     *saga.Module
	Audit     *audit.Module
	Admin     *admin.Module
	Privacy   *privacy.Module
	Reconcile *reconcile.Module
	Web       *web.Server

	simulated []runner // the simulator, while payments are simulated
	tokens    *auth.Tokens
	notes     eventstore.Notes
}

type runner interface {
	Run(ctx context.Context) error
}

// New builds the program. Payments go to the first of the providers, else to the provider that the settings name.
func New(ctx context.Context, settings config.Config, urls map[string]string, address net.Addr, log *slog.Logger,
	providers ...payment.Provider,
) (p *App, err error) {
	p = &App{Databases: map[string]*Database{}}
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if p.Traces, err = telemetry.NewTraces(ctx, os.Getenv, ThisBuild().ID(), log); err != nil {
		return p, err
	}
	metrics := telemetry.New()
	for schema, url := range urls {
		if p.Databases[url] != nil {
			continue
		}
		if err := p.open(ctx, settings, schema, urls, metrics, log); err != nil {
			return p, err
		}
	}
	on := func(schema string) *Database { return p.Databases[urls[schema]] }
	denied, err := auth.NewDenyList(ctx, on("saga").Control, log)
	if err != nil {
		return p, fmt.Errorf("%s: %w", settings.DatabaseSetting("saga"), err)
	}
	if p.tokens, err = Tokens(settings, denied, log); err != nil {
		return p, err
	}
	p.Simulator = simulator.New(simulator.Config{
		Pool: on("simulator").Query, Latency: settings.SimulatorLatency, Secret: settings.SimulatorSecret, Log: log,
		WebhookURL: func() string { return LocalURL(settings.Scheme(), address) + "/v1/webhooks/payments/simulator" },
		PublicURL:  func() string { return settings.BaseURL(address) },
		Now:        on("payment").Committer.Clock().Now,
		Transport:  toItself(settings),
	})
	if settings.PaymentProvider == config.Stripe {
		providers = append(providers, stripe.New(stripe.Config{
			SecretKey: settings.StripeSecretKey, WebhookSecret: settings.StripeWebhookSecret, BaseURL: settings.StripeAPIBase, Receipts: settings.StripeReceipts, Log: log,
			Now: on("payment").Committer.Clock().Now,
		}))
	}
	var retired []payment.Provider
	if settings.Simulated() {
		providers = append(providers, p.Simulator)
	} else {
		retired = append(retired, p.Simulator)
	}
	rate, err := settings.ProviderRate()
	if err != nil {
		return p, err
	}
	p.Payments = payment.New(payment.Config{
		Database: on("payment").Database, WebhookRetention: settings.WebhookRetention, Providers: providers, Retired: retired,
		Timeout: settings.PaymentTimeout, ActionTTL: settings.PaymentActionTTL, GuestTTL: settings.GuestTTL(), InFlight: settings.PaymentConcurrency, Rate: payment.Rate(rate),
		Declines: declineLimits(settings), OneDecline: settings.PaymentOneDecline, Limited: metrics.Limited, Called: metrics.ProviderCall,
	})
	p.Audit = audit.New(on("audit").Database)
	p.Orders = order.New(order.Config{Database: on("orders").Database, Payments: p.Payments, Limits: orderLimits(settings), Limited: metrics.Limited, ContactRetention: settings.ContactRetention})
	addressKey := settings.AddressKey()
	p.Carts = cart.New(cart.Config{
		Database: on("cart").Database, TTL: settings.CartTTL, MaxEvents: settings.CartMaxEvents, Stock: p.Orders,
		Search: on("cart").Pools.Search, Searches: int(settings.SearchConnections),
		Limits: cartLimits(settings), Limited: metrics.Limited,
		HashAddress: func(address netip.Addr) string { return web.HashAddress(addressKey, address) },
		VerifyGuest: func(token string) (string, error) { return p.tokens.VerifyGuest(token, guestLeeway) },
	})
	p.Sagas = saga.New(saga.Config{
		Database: on("saga").Database, StepDeadline: settings.StepDeadline, Metrics: metrics,
		Modules: saga.Modules{Carts: p.Carts, Orders: p.Orders, Payments: p.Payments},
	})
	stores := []admin.Store{
		{Name: "cart", Store: p.Carts.Store()}, {Name: "order", Store: p.Orders.Store()},
		{Name: "payment", Store: p.Payments.Store()}, {Name: "saga", Store: p.Sagas.Store()},
		{Name: "audit", Store: p.Audit.Store()},
	}
	p.Admin = admin.New(admin.Config{Stores: stores, Orders: p.Orders, Payments: p.Payments, Sagas: p.Sagas, Tokens: p.tokens, Log: log, Warnings: settings.Warnings()})
	p.Privacy = privacy.New(privacy.Config{Carts: p.Carts, Orders: p.Orders, Payments: p.Payments, Sagas: p.Sagas, Audit: p.Audit, Log: log})
	signer, err := reconcile.NewSigner(append([]string{settings.AuthSecret}, settings.AuthSecretOld...)...)
	if err != nil {
		return p, err
	}
	p.Reconcile = reconcile.New(reconcile.Config{Log: log, Signer: signer, Sources: reconcile.Sources{
		Stores: stores, Carts: p.Carts, Orders: p.Orders, Payments: p.Payments, Sagas: p.Sagas,
	}})
	p.measure(metrics)
	return p, p.route(settings, on, metrics, log)
}

// measure shows what the modules know of themselves.
func (p *App) measure(metrics *telemetry.Metrics) {
	metrics.Providers(func() (all []telemetry.Provider) {
		for _, h := range p.Payments.Health() {
			all = append(all, telemetry.Provider(h))
		}
		return all
	})
	for _, kind := range saga.Types() {
		metrics.SagaAge(kind, func() (time.Duration, error) { return p.Sagas.OldestUnfinished(kind) })
	}
	for _, store := range []*eventstore.Store{p.Carts.Store(), p.Orders.Store(), p.Payments.Store(), p.Sagas.Store(), p.Audit.Store()} {
		metrics.OutboxAge(store.Schema(), store.OldestUnhandled)
		metrics.Subscriptions(store.Schema(), func() ([]telemetry.Subscription, error) { return subscriptionsOf(store) })
	}
}

// route makes the server, and has every room answer there.
func (p *App) route(settings config.Config, on func(schema string) *Database, metrics *telemetry.Metrics, log *slog.Logger) error {
	proxies, err := settings.Proxies()
	if err != nil {
		return err
	}
	limits, err := p.limits(settings, log)
	if err != nil {
		return err
	}
	certificate, err := certificateOf(settings, log)
	if err != nil {
		return err
	}
	p.Web = web.New(web.Config{
		Auth: callers{p.tokens}, Log: log, RequestLevel: requestLevel(settings, isTerminal(os.Stderr)), CORSOrigins: settings.CORSOrigins,
		Timeout: settings.RequestTimeout, Grace: settings.ShutdownTimeout, DrainDelay: settings.ShutdownNotice,
		Ready: readiness(readyModules(settings, on), settings.ReadyRequires), OpenAPI: docs.OpenAPI, Metrics: metrics.Handler(), MetricsPrivate: !settings.MetricsPublic, Observe: metrics.HTTP,
		Audit: p.Audit.Record,
		Build: ThisBuild().ID(), TrustedProxies: proxies, Tracer: p.Traces.Tracer(),
		AdminApart: settings.AdminAddr != "", Certificate: certificate, HSTS: settings.HTTPS(),
		Limits: limits, Limited: metrics.Limited, EachLimited: metrics.EachLimited, Warnings: settings.PretendedPayments(),
	})
	metrics.Streams(p.Web.OpenStreams)
	metrics.Connections(p.Web.OpenConnections)
	p.Web.Sessions(p.tokens, settings.SessionTTL)
	for _, room := range []interface{ Routes(*web.Server) }{p.Carts, p.Orders, p.Payments, p.Sagas, p.Audit, p.Admin, p.Privacy, p.Reconcile} {
		room.Routes(p.Web)
	}
	if settings.Simulated() {
		p.Simulator.Routes(p.Web)
		p.simulated = []runner{p.Simulator}
	}
	if settings.Console {
		pages := web.WrapPages(console.New(console.Config{API: p.Web, PublicURL: settings.OperatorsURL(), HTTPS: settings.OperatorsHTTPS()}))
		p.Web.Public.GET(console.Path, pages, web.AnyQuery)
		p.Web.Public.GET(console.Path+"/*", pages, web.AnyQuery)
		p.Web.Public.GET(console.Path+"/assets/*", pages, web.AnyQuery, web.Uncompressed)
		p.Web.Public.POST(console.Path+"/*", pages, web.AnyQuery)
	}
	if settings.ShopOn() {
		shop.New(p.tokens, settings.SessionTTL).Routes(p.Web)
	}
	return nil
}

// toItself returns the transport of the requests that this program sends to itself.
func toItself(settings config.Config) http.RoundTripper {
	if settings.TLSCert == "" {
		return http.DefaultTransport
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = web.TrustOnly(settings.TLSCert)
	return transport
}

// certificateOf opens the certificate of the settings. It returns nil if they name none.
func certificateOf(settings config.Config, log *slog.Logger) (*web.Certificate, error) {
	if settings.TLSCert == "" {
		return nil, nil
	}
	certificate, err := web.OpenCertificate(settings.TLSCert, settings.TLSKey, log)
	if err != nil {
		return nil, fmt.Errorf("TLS_CERT and TLS_KEY must be the files of a certificate and of its key: %w", err)
	}
	return certificate, nil
}

// subscriptionsOf are those of a store, as metrics show them.
func subscriptionsOf(store *eventstore.Store) ([]telemetry.Subscription, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	found, err := store.Progress(ctx)
	all := make([]telemetry.Subscription, len(found))
	for i, s := range found {
		all[i] = telemetry.Subscription{Name: s.Name, Kind: s.Kind, Lag: s.Lag, Oldest: s.OldestAge, Parked: s.Parked}
	}
	return all, err
}

// guestLeeway is how long after its end a guest's token still proves whose cart it is.
const guestLeeway = 30 * 24 * time.Hour

func (p *App) Close() {
	for _, db := range p.Databases {
		db.Pools.Close()
	}
	p.Traces.Close()
}
