// Package config reads the settings of the program from the environment. A .env file in the working directory supplies settings
// that the environment does not set.
//
// Load checks all settings at start; its error names each invalid one. Nothing else in the program reads the environment, except the SDK
// of OpenTelemetry: it reads the variables OTEL_*, which are no settings of Config. The file .env.example lists every setting, and a test
// compares it with Config.
//
// Without settings everything is embedded: the database, the secrets (see Secret) and the payment provider. A named database
// means production: the secret and the provider must then be set too.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/caarlos0/env/v10"
)

// Config holds every setting.
type Config struct {
	HTTPAddr        string        `env:"HTTP_ADDR" envDefault:":8080"`
	PublicURL       string        `env:"PUBLIC_URL"` // URL for clients; see BaseURL
	AdminAddr       string        `env:"ADMIN_ADDR"` // second listener, for operators; empty: HTTP_ADDR serves them too
	AdminURL        string        `env:"ADMIN_URL"`  // URL for operators; see AdminBaseURL
	TLSCert         string        `env:"TLS_CERT"`   // file of the certificate with its chain, for all listeners; empty: plain HTTP
	TLSKey          string        `env:"TLS_KEY"`    // file of its key
	CORSOrigins     []string      `env:"CORS_ORIGINS"`
	TrustedProxies  []string      `env:"TRUSTED_PROXIES"`                  // addresses or networks; see Proxies
	Console         bool          `env:"CONSOLE" envDefault:"true"`        // serves the operators' pages at /console
	MetricsPublic   bool          `env:"METRICS_PUBLIC" envDefault:"true"` // false: /metrics needs the scope metrics:read
	RequestTimeout  time.Duration `env:"REQUEST_TIMEOUT" envDefault:"35s"`
	ShutdownTimeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"20s"`
	ShutdownNotice  time.Duration `env:"SHUTDOWN_NOTICE" envDefault:"0s"` // from "not ready" until the listener closes
	ReadyRequires   string        `env:"READY_REQUIRES" envDefault:"any"` // modules that /readyz requires: any, all, or their names

	Shop string `env:"SHOP" envDefault:"auto"` // the example storefront: auto, true or false; see ShopOn

	Limits         string `env:"LIMITS" envDefault:"auto"` // auto, true or false; see Rates
	LimitReplicas  int    `env:"LIMIT_REPLICAS" envDefault:"1"`
	LimitSessions  string `env:"LIMIT_SESSIONS"` // of a class of requests; see classes
	LimitReads     string `env:"LIMIT_READS"`
	LimitSearches  string `env:"LIMIT_SEARCHES"`
	LimitEdits     string `env:"LIMIT_EDITS"`
	LimitCheckouts string `env:"LIMIT_CHECKOUTS"`
	LimitWebhooks  string `env:"LIMIT_WEBHOOKS"`
	LimitBadTokens string `env:"LIMIT_BAD_TOKENS"`
	LimitMetrics   string `env:"LIMIT_METRICS"`
	LimitOperators string `env:"LIMIT_OPERATORS"`

	MaxConnections           int `env:"MAX_CONNECTIONS" envDefault:"0"`             // 0: derived from the limit of open files
	MaxConnectionsPerAddress int `env:"MAX_CONNECTIONS_PER_ADDRESS" envDefault:"0"` // 0: a quarter of all
	MaxStreams               int `env:"MAX_STREAMS" envDefault:"0"`                 // of events; 0: half of the connections
	MaxStreamsPerAddress     int `env:"MAX_STREAMS_PER_ADDRESS" envDefault:"100"`
	MaxStreamsPerSubject     int `env:"MAX_STREAMS_PER_SUBJECT" envDefault:"16"`
	MaxStreamsPerCheckout    int `env:"MAX_STREAMS_PER_CHECKOUT" envDefault:"4"` // of one subject

	LogLevel  *slog.Level `env:"LOG_LEVEL"`                    // nil: info, and requests at debug on a terminal
	LogFormat string      `env:"LOG_FORMAT" envDefault:"text"` // text or json

	DataDir  string `env:"DATA_DIR" envDefault:"./data"` // the embedded database and the generated secret
	PGBinDir string `env:"PG_BIN_DIR"`                   // PostgreSQL's programs; empty: searched for

	DatabaseURL          string `env:"DATABASE_URL"` // empty: embedded
	CartDatabaseURL      string `env:"CART_DATABASE_URL"`
	OrderDatabaseURL     string `env:"ORDER_DATABASE_URL"`
	PaymentDatabaseURL   string `env:"PAYMENT_DATABASE_URL"`
	SagaDatabaseURL      string `env:"SAGA_DATABASE_URL"`
	AuditDatabaseURL     string `env:"AUDIT_DATABASE_URL"`
	SimulatorDatabaseURL string `env:"SIMULATOR_DATABASE_URL"`
	DatabasePooler       string `env:"DATABASE_POOLER" envDefault:"session"` // session, transaction or transaction-prepared

	Committers       int32 `env:"COMMITTERS" envDefault:"2"`        // batches of commands in flight per database
	Notify           bool  `env:"NOTIFY" envDefault:"false"`        // notifies other processes of new events at once
	QueueSize        int   `env:"QUEUE_SIZE" envDefault:"4096"`     // commands waiting for a batch, in each lane of the queue
	QueryConnections int32 `env:"QUERY_CONNECTIONS" envDefault:"8"` // per database

	SearchConnections int32 `env:"SEARCH_CONNECTIONS" envDefault:"2"` // for searches of products; also those that run at once

	CartMaxEvents int64 `env:"CART_MAX_EVENTS" envDefault:"5000"` // edits of a cart end at this version

	CartMaxLineQuantity   int64         `env:"CART_MAX_LINE_QUANTITY" envDefault:"0"` // units of one line; 0: see guards
	CartMaxQuantity       int64         `env:"CART_MAX_QUANTITY" envDefault:"0"`
	CartMaxGuestQuantity  int64         `env:"CART_MAX_GUEST_QUANTITY" envDefault:"0"`
	CartMaxFailedPayments int64         `env:"CART_MAX_FAILED_PAYMENTS" envDefault:"0"`
	WaitingPerCustomer    int64         `env:"WAITING_CHECKOUTS_PER_CUSTOMER" envDefault:"0"` // with a payment that waits for its customer
	WaitingPerGuest       int64         `env:"WAITING_CHECKOUTS_PER_GUEST" envDefault:"0"`
	WaitingPerAddress     int64         `env:"WAITING_CHECKOUTS_PER_ADDRESS" envDefault:"0"`
	WaitingValueCustomer  int64         `env:"WAITING_VALUE_PER_CUSTOMER" envDefault:"0"` // minor units of each currency
	WaitingValueGuest     int64         `env:"WAITING_VALUE_PER_GUEST" envDefault:"0"`
	WaitingValueAddress   int64         `env:"WAITING_VALUE_PER_ADDRESS" envDefault:"0"`
	CartPaymentPause      time.Duration `env:"CART_PAYMENT_PAUSE" envDefault:"15m"` // after them, from a failed payment to the next checkout

	CartTTL          time.Duration `env:"CART_TTL" envDefault:"720h"`           // open carts untouched for this long are abandoned; 0: never
	ReceiptRetention time.Duration `env:"RECEIPT_RETENTION" envDefault:"168h"`  // how long an Idempotency-Key is remembered
	WebhookRetention time.Duration `env:"WEBHOOK_RETENTION" envDefault:"2160h"` // of processed webhooks
	ContactRetention time.Duration `env:"CONTACT_RETENTION" envDefault:"0s"`    // of the contacts of orders; 0: until their erasure
	SealInterval     time.Duration `env:"SEAL_INTERVAL" envDefault:"1s"`        // pause between two seals of a log, which make changed events evident; 0: no seals

	AuthSecret    string        `env:"AUTH_SECRET"`     // HS256 key of customers' tokens; see FillSecrets
	AuthSecretOld []string      `env:"AUTH_SECRET_OLD"` // further keys that customers' tokens may be signed with
	AdminSecret   string        `env:"ADMIN_SECRET"`    // HS256 key of operators' tokens; see FillSecrets
	AuthAudience  string        `env:"AUTH_AUDIENCE" envDefault:"shopping-cart"`
	AuthIssuers   []string      `env:"AUTH_ISSUERS"`                  // of customers' tokens; see Issuers
	AdminIssuers  []string      `env:"ADMIN_ISSUERS"`                 // of operators' tokens; see Issuers
	SessionTTL    time.Duration `env:"SESSION_TTL" envDefault:"720h"` // of a guest's token

	PaymentProvider    string        `env:"PAYMENT_PROVIDER"`                         // simulator or stripe
	PaymentTimeout     time.Duration `env:"PAYMENT_TIMEOUT" envDefault:"3s"`          // of one call to the provider
	PaymentConcurrency int           `env:"PAYMENT_CONCURRENCY" envDefault:"100"`     // concurrent calls to the provider
	PaymentRate        string        `env:"PAYMENT_RATE"`                             // of calls to the provider; see ProviderRate
	PaymentActionTTL   time.Duration `env:"PAYMENT_ACTION_TTL" envDefault:"15m"`      // time limit of 3-D Secure
	GuestActionTTL     time.Duration `env:"PAYMENT_GUEST_ACTION_TTL" envDefault:"0s"` // the same of a guest; see GuestTTL
	PaymentOneDecline  bool          `env:"PAYMENT_ONE_DECLINE" envDefault:"true"`    // guests see payment_declined for every declined card
	StepDeadline       time.Duration `env:"STEP_DEADLINE" envDefault:"1h"`            // how long a step's outcome may stay unknown before the saga needs attention

	PaymentMaxGuestDeclines    int64         `env:"PAYMENT_MAX_GUEST_DECLINES" envDefault:"0"` // see Guards
	PaymentMaxCustomerDeclines int64         `env:"PAYMENT_MAX_CUSTOMER_DECLINES" envDefault:"0"`
	PaymentMaxAddressDeclines  int64         `env:"PAYMENT_MAX_ADDRESS_DECLINES" envDefault:"0"`
	PaymentDeclineWindow       time.Duration `env:"PAYMENT_DECLINE_WINDOW" envDefault:"1h"`

	StripeSecretKey     string `env:"STRIPE_SECRET_KEY"`
	StripeWebhookSecret string `env:"STRIPE_WEBHOOK_SECRET"`              // verifies Stripe's webhooks
	StripeReceipts      bool   `env:"STRIPE_RECEIPTS" envDefault:"false"` // Stripe learns shoppers' e-mail addresses, and mails receipts
	StripeAPIBase       string `env:"STRIPE_API_BASE"`                    // of a mock server; empty: Stripe's own

	SimulatorLatency time.Duration `env:"SIMULATOR_LATENCY" envDefault:"0s"`
	SimulatorSecret  string        `env:"SIMULATOR_SECRET"` // signs the simulator's webhooks; see FillSecrets
}

// Load reads and checks the settings. The error names every invalid setting.
func Load() (Config, error) {
	settings, err := readEnvFile(".env")
	if err != nil {
		return Config{}, err
	}
	if err := exportTelemetry(settings); err != nil {
		return Config{}, err
	}
	maps.Copy(settings, env.ToMap(os.Environ())) // the real environment wins
	return parse(settings)
}

// exportTelemetry adds the variables OTEL_* of the file .env to the environment, where the SDK of OpenTelemetry reads them.
func exportTelemetry(file map[string]string) error {
	for name, value := range file {
		if _, set := os.LookupEnv(name); set || !strings.HasPrefix(name, "OTEL_") {
			continue
		}
		if err := os.Setenv(name, trim(value)); err != nil {
			return fmt.Errorf("%s cannot be set: %w", name, err)
		}
	}
	return nil
}

func parse(settings map[string]string) (Config, error) {
	settings = trimmed(settings)
	if err := errors.Join(readSecretFiles(settings), checkText(settings)); err != nil {
		return Config{}, err
	}
	var c Config
	if err := env.ParseWithOptions(&c, env.Options{Environment: settings}); err != nil {
		return Config{}, inTermsOfSettings(err)
	}
	for i, old := range c.AuthSecretOld {
		c.AuthSecretOld[i] = trim(old)
	}
	if err := c.check(); err != nil {
		return Config{}, err
	}
	if c.PaymentProvider == "" {
		c.PaymentProvider = Simulator
	}
	return c, nil
}

// trimmed returns this program's settings from an environment, without spaces, line breaks and byte order marks at the ends of
// their values.
func trimmed(environment map[string]string) map[string]string {
	settings := map[string]string{}
	for name := range names() {
		if value, set := environment[name]; set {
			settings[name] = trim(value)
		}
	}
	return settings
}

// DefaultDataDir is the data directory when DATA_DIR is not set.
const DefaultDataDir = "./data"

// byteOrderMark starts a file written by some Windows editors.
const byteOrderMark = "\ufeff"

// trim removes spaces, line breaks and byte order marks at the ends of a value. Secrets from "echo" or from a file have them.
func trim(value string) string {
	return strings.TrimFunc(value, func(r rune) bool { return unicode.IsSpace(r) || string(r) == byteOrderMark })
}

// names returns the names of all settings.
func names() map[string]bool {
	own := map[string]bool{}
	for f := range reflect.TypeFor[Config]().Fields() {
		own[f.Tag.Get("env")] = true
	}
	for _, name := range secretSettings() {
		own[name+fileSuffix] = true
	}
	return own
}

// Embedded reports whether the embedded database is needed: DATABASE_URL is empty, and a module has no database of its own.
func (c Config) Embedded() bool {
	for _, own := range c.databases() {
		if *own.url == "" && c.DatabaseURL == "" {
			return true
		}
	}
	return false
}

// ShopOn reports whether the example storefront is served. Its log-in accepts any name. So "auto" serves it only while no
// database is named and payments are simulated.
func (c Config) ShopOn() bool {
	return c.Shop == "true" || c.Shop == shopAuto && !c.external() && c.PaymentProvider == Simulator
}

// DatabaseURLs returns the database URL of each schema. A schema without a setting gets embedded, the URL of the embedded server.
func (c Config) DatabaseURLs(embedded string) map[string]string {
	urls := map[string]string{}
	for _, own := range c.databases() {
		urls[own.schema] = cmp.Or(*own.url, c.DatabaseURL, embedded)
	}
	return urls
}

// DatabaseSetting returns the name of the setting that supplies a schema's database.
func (c Config) DatabaseSetting(schema string) string {
	for _, own := range c.databases() {
		if own.schema == schema && *own.url != "" {
			return own.setting
		}
	}
	if c.DatabaseURL == "" {
		return "DATA_DIR" // embedded
	}
	return "DATABASE_URL"
}

// external reports whether a setting names a database.
func (c Config) external() bool {
	for _, own := range c.databases() {
		if *own.url != "" {
			return true
		}
	}
	return c.DatabaseURL != ""
}

type moduleDatabase struct {
	schema, setting string
	url             *string
}

// allDatabases returns the settings of the databases, also the one for all modules.
func (c *Config) allDatabases() []moduleDatabase {
	return append([]moduleDatabase{{setting: "DATABASE_URL", url: &c.DatabaseURL}}, c.databases()...)
}

func (c *Config) databases() []moduleDatabase {
	return []moduleDatabase{
		{"cart", "CART_DATABASE_URL", &c.CartDatabaseURL},
		{"orders", "ORDER_DATABASE_URL", &c.OrderDatabaseURL},
		{"payment", "PAYMENT_DATABASE_URL", &c.PaymentDatabaseURL},
		{"saga", "SAGA_DATABASE_URL", &c.SagaDatabaseURL},
		{"audit", "AUDIT_DATABASE_URL", &c.AuditDatabaseURL},
		{"simulator", "SIMULATOR_DATABASE_URL", &c.SimulatorDatabaseURL},
	}
}

// inTermsOfSettings translates a parser error into the names of the settings and their valid values. It drops the parser's text:
// that repeats the value, and the value may be a secret.
func inTermsOfSettings(err error) error {
	var several env.AggregateError
	if !errors.As(err, &several) {
		return errors.New("the settings cannot be read")
	}
	var wrong findings
	for _, one := range several.Errors {
		var bad env.ParseError
		errors.As(one, &bad)
		field, known := reflect.TypeFor[Config]().FieldByName(bad.Name)
		if !known {
			return errors.New("the settings cannot be read")
		}
		wrong.add(field.Tag.Get("env"), "must be "+wanted(field.Type))
	}
	return errors.Join(wrong...)
}

// wanted describes the valid values of a setting of this type.
func wanted(kind reflect.Type) string {
	switch kind {
	case reflect.TypeFor[bool]():
		return "true or false"
	case reflect.TypeFor[time.Duration]():
		return "a duration, such as 500ms, 30s or 15m"
	case reflect.TypeFor[*slog.Level]():
		return "debug, info, warn or error"
	}
	return "a whole number below 2147483648"
}

// Foreign returns an environment without this program's settings, for a process that gets its own.
func Foreign(environ []string) []string {
	own := names()
	return slices.DeleteFunc(slices.Clone(environ), func(one string) bool {
		name, _, _ := strings.Cut(one, "=")
		return own[name]
	})
}
