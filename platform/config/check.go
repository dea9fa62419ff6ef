package config

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The payment providers.
const (
	Simulator = "simulator" // moves no money
	Stripe    = "stripe"
)

// shopAuto enables the shop depending on the other settings.
const shopAuto = "auto"

// check finds all invalid values, not only the first.
func (c Config) check() error {
	var wrong findings
	c.checkHTTP(&wrong)
	c.checkDatabases(&wrong)
	c.checkReady(&wrong)
	c.checkSecrets(&wrong)
	c.checkStripe(&wrong)
	c.checkLimits(&wrong)
	wrong.oneOf("LOG_FORMAT", c.LogFormat, "text", "json")
	wrong.oneOf("SHOP", c.Shop, shopAuto, "true", "false")
	if c.Shop == "true" && c.PaymentProvider == Stripe {
		wrong.add("SHOP", "must be auto or false with PAYMENT_PROVIDER="+Stripe+": its test cards work with the simulator only")
	}
	if c.PaymentProvider != "" {
		wrong.oneOf("PAYMENT_PROVIDER", c.PaymentProvider, Simulator, Stripe)
	}
	wrong.positive("REQUEST_TIMEOUT", c.RequestTimeout)
	wrong.positive("SHUTDOWN_TIMEOUT", c.ShutdownTimeout)
	wrong.positive("SESSION_TTL", c.SessionTTL)
	wrong.positive("PAYMENT_TIMEOUT", c.PaymentTimeout)
	wrong.positive("PAYMENT_ACTION_TTL", c.PaymentActionTTL)
	wrong.positive("STEP_DEADLINE", c.StepDeadline)
	if c.ShutdownNotice < 0 {
		wrong.add("SHUTDOWN_NOTICE", "must not be negative")
	}
	if c.CartTTL < 0 {
		wrong.add("CART_TTL", "must not be negative; 0 keeps carts forever")
	}
	wrong.atLeast("RECEIPT_RETENTION", c.ReceiptRetention, 24*time.Hour)
	if c.ContactRetention != 0 {
		wrong.atLeast("CONTACT_RETENTION", c.ContactRetention, 24*time.Hour)
	}
	wrong.positive("WEBHOOK_RETENTION", c.WebhookRetention)
	if c.SealInterval < 0 {
		wrong.add("SEAL_INTERVAL", "must not be negative; 0 makes no seals")
	}
	if c.SimulatorLatency < 0 {
		wrong.add("SIMULATOR_LATENCY", "must not be negative")
	}
	wrong.oneOf("DATABASE_POOLER", c.DatabasePooler, "session", "transaction", "transaction-prepared")
	if c.Notify && c.DatabasePooler != "session" {
		wrong.add("NOTIFY", "must be false with DATABASE_POOLER="+c.DatabasePooler+": LISTEN needs a session")
	}
	wrong.between("COMMITTERS", int(c.Committers), 1, 64)
	wrong.between("PAYMENT_CONCURRENCY", c.PaymentConcurrency, 1, 10_000)
	wrong.between("QUEUE_SIZE", c.QueueSize, 1, 1<<20)
	wrong.between("QUERY_CONNECTIONS", int(c.QueryConnections), 1, 1000)
	wrong.between("CART_MAX_EVENTS", int(c.CartMaxEvents), 100, 1_000_000)
	wrong.between("SEARCH_CONNECTIONS", int(c.SearchConnections), 1, 100)
	c.checkGuards(&wrong)
	return errors.Join(wrong...)
}

func (c Config) checkHTTP(wrong *findings) {
	if !isAddress(c.HTTPAddr) {
		wrong.add("HTTP_ADDR", "must be host:port or :port, such as :8080")
	}
	if c.AdminAddr != "" && !isAddress(c.AdminAddr) {
		wrong.add("ADMIN_ADDR", "must be host:port or :port, such as 127.0.0.1:9090")
	}
	if c.PublicURL != "" && !isWebURL(c.PublicURL) {
		wrong.add("PUBLIC_URL", "must be a URL such as https://shop.example.com")
	}
	if _, err := c.Proxies(); err != nil {
		wrong.add("TRUSTED_PROXIES", "must be addresses or networks such as 10.0.0.0/8, separated by commas")
	}
	if c.AdminURL != "" && !isWebURL(c.AdminURL) {
		wrong.add("ADMIN_URL", "must be a URL such as https://shop-admin.example.com")
	}
	if c.AdminURL != "" && c.AdminAddr == "" {
		wrong.add("ADMIN_URL", "must be empty without ADMIN_ADDR: PUBLIC_URL leads to the operators' pages too")
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		wrong.add("TLS_CERT", "and TLS_KEY must be set together: the files of the certificate and of its key")
	}
	for _, origin := range c.CORSOrigins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || !isWebURL(origin) || u.Path != "" || u.RawQuery != "" || u.Fragment != "") {
			wrong.add("CORS_ORIGINS", "must be origins such as https://shop.example.com, separated by commas, or *")
			return
		}
	}
}

func (c Config) checkDatabases(wrong *findings) {
	for _, d := range c.allDatabases() {
		if *d.url == "" {
			continue
		}
		if why := wrongURL(*d.url); why != "" {
			wrong.add(d.setting, "must be a URL such as postgres://user:password@host:5432/shop?sslmode=verify-full: "+why)
		}
	}
}

func (c Config) checkSecrets(wrong *findings) {
	if _, err := c.Issuers(); err != nil {
		*wrong = append(*wrong, err)
	}
	if c.AuthSecret == "" && c.external() {
		wrong.add("AUTH_SECRET", "must be set when DATABASE_URL (or a module's) is: the key that signs tokens, 32 bytes or more")
	}
	if c.PaymentProvider == "" && c.external() {
		wrong.add("PAYMENT_PROVIDER", "must be set when DATABASE_URL (or a module's) is: "+Simulator+" moves no money")
	}
	for setting, secret := range map[string]string{"AUTH_SECRET": c.AuthSecret, "ADMIN_SECRET": c.AdminSecret, "SIMULATOR_SECRET": c.SimulatorSecret} {
		if flaw := weakness(secret); secret != "" && flaw != "" {
			wrong.add(setting, flaw)
		}
	}
	for _, old := range c.AuthSecretOld {
		if flaw := weakness(old); flaw != "" {
			wrong.add("AUTH_SECRET_OLD", flaw+"; several are separated by commas")
		}
	}
	if c.AdminSecret != "" && slices.Contains(append(c.AuthSecretOld, c.AuthSecret), c.AdminSecret) {
		wrong.add("ADMIN_SECRET", "must differ from AUTH_SECRET and AUTH_SECRET_OLD: who may sign customers' tokens must not make operators")
	}
	if c.AuthAudience == "" {
		wrong.add("AUTH_AUDIENCE", "must not be empty")
	}
}

// checkStripe never quotes a key, not even an invalid one.
func (c Config) checkStripe(wrong *findings) {
	if c.PaymentProvider == Stripe && c.StripeSecretKey == "" {
		wrong.add("STRIPE_SECRET_KEY", "must be set with PAYMENT_PROVIDER="+Stripe+": a key that begins with sk_ or rk_")
	}
	if c.PaymentProvider == Stripe && c.StripeWebhookSecret == "" {
		wrong.add("STRIPE_WEBHOOK_SECRET", "must be set with PAYMENT_PROVIDER="+Stripe+": the signing secret of the endpoint, whsec_…")
	}
	if k := c.StripeSecretKey; k != "" && !strings.HasPrefix(k, "sk_") && !strings.HasPrefix(k, "rk_") {
		wrong.add("STRIPE_SECRET_KEY", "must begin with sk_ or rk_: a publishable key cannot charge")
	}
	if c.StripeWebhookSecret != "" && !strings.HasPrefix(c.StripeWebhookSecret, "whsec_") {
		wrong.add("STRIPE_WEBHOOK_SECRET", "must begin with whsec_")
	}
	if c.StripeAPIBase != "" && !isWebURL(c.StripeAPIBase) {
		wrong.add("STRIPE_API_BASE", "must be a URL such as http://localhost:12111, or empty")
	} else if c.StripeAPIBase != "" && !isSecureURL(c.StripeAPIBase) {
		wrong.add("STRIPE_API_BASE", "must begin with https:// unless it leads to this machine: the calls carry STRIPE_SECRET_KEY")
	}
}

// isAddress reports whether text is an address to listen on.
func isAddress(text string) bool {
	_, port, err := net.SplitHostPort(text)
	_, portErr := strconv.ParseUint(port, 10, 16)
	return err == nil && portErr == nil
}

func isWebURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// paths are the settings that name a file or a folder.
var paths = []string{"DATA_DIR", "PG_BIN_DIR", "TLS_CERT", "TLS_KEY"}

// checkText refuses invisible characters: they get into a setting by mistake, and their effects are hard to find. A path may hold
// them.
func checkText(settings map[string]string) error {
	var wrong findings
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if flaw := textFlaw(settings[name], !slices.Contains(paths, name)); flaw != "" {
			wrong.add(name, flaw)
		}
	}
	return errors.Join(wrong...)
}

// textFlaw returns the reason why the characters of a value are refused, without quoting them, or "" for valid text.
func textFlaw(value string, visible bool) string {
	switch {
	case strings.ContainsFunc(value, unicode.IsControl):
		return "must not hold a line break or another control character"
	case visible && !utf8.ValidString(value):
		return "must be text in UTF-8"
	case visible && strings.ContainsFunc(value, func(r rune) bool { return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) }):
		return "must not hold an invisible character, such as a zero-width space: type the value again"
	}
	return ""
}

// findings lists the invalid settings, each as "NAME sentence".
type findings []error

func (f *findings) add(setting, what string) { *f = append(*f, fmt.Errorf("%s %s", setting, what)) }

func (f *findings) positive(setting string, d time.Duration) {
	if d <= 0 {
		f.add(setting, "must be longer than 0, such as 30s or 15m")
	}
}

func (f *findings) atLeast(setting string, d, least time.Duration) {
	if d < least {
		f.add(setting, fmt.Sprintf("must be %.0fh or longer", least.Hours()))
	}
}

func (f *findings) between(setting string, n, least, most int) {
	if n < least || n > most {
		f.add(setting, fmt.Sprintf("must be from %d to %d", least, most))
	}
}

func (f *findings) oneOf(setting, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		f.add(setting, "must be "+strings.Join(allowed, " or "))
	}
}
