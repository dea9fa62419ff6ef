package config

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/migrations"
)

func TestLoad(t *testing.T) {
	t.Run("NothingSetIsEmbedded", func(t *testing.T) {
		c, err := parse(map[string]string{})
		require.NoError(t, err)
		require.True(t, c.Embedded())
		require.Equal(t, Simulator, c.PaymentProvider)
		require.Equal(t, ":8080", c.HTTPAddr)
		require.Equal(t, DefaultDataDir, c.DataDir)
		require.Equal(t, 3*time.Second, c.PaymentTimeout)
	})

	t.Run("ProxiesAreAddressesOrNetworks", func(t *testing.T) {
		c, err := parse(map[string]string{"TRUSTED_PROXIES": "10.0.0.1,2001:db8::/32"})
		require.NoError(t, err)
		networks, err := c.Proxies()
		require.NoError(t, err)
		require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32"), netip.MustParsePrefix("2001:db8::/32")}, networks)
	})

	t.Run("EmptyMeansDefault", func(t *testing.T) {
		c, err := parse(map[string]string{"HTTP_ADDR": "", "DATABASE_URL": "", "COMMITTERS": ""})
		require.NoError(t, err)
		require.Equal(t, ":8080", c.HTTPAddr)
		require.EqualValues(t, 2, c.Committers)
	})

	t.Run("FileFillsInWhatTheEnvironmentLeavesOpen", func(t *testing.T) {
		emptyEnvironment(t)
		t.Chdir(t.TempDir())
		require.NoError(t, os.WriteFile(".env", []byte("QUEUE_SIZE=7\nLOG_FORMAT=json\n"), 0o600))
		t.Setenv("QUEUE_SIZE", "9")
		c, err := Load()
		require.NoError(t, err)
		require.Equal(t, 9, c.QueueSize)
		require.Equal(t, "json", c.LogFormat)
	})

	t.Run("BrokenFileRefused", func(t *testing.T) {
		emptyEnvironment(t)
		t.Chdir(t.TempDir())
		require.NoError(t, os.WriteFile(".env", []byte("QUEUE_SIZE='7"), 0o600))
		_, err := Load()
		require.ErrorContains(t, err, ".env")
	})
}

const (
	goodSecret  = "2d5724a228fca7acb1a9d9e9bb6a98d484815863ea9ebce52aa4f7ea8feeecbb"
	adminSecret = "9d0f7c21b65f4b0e8a3c5d1e2f6a7b8c9e4d3f2a1b0c8d7e6f5a4b3c2d1e0f9a"
)

func TestDatabases(t *testing.T) {
	external := map[string]string{
		"DATABASE_URL": "postgres://app@db/shop", "AUTH_SECRET": goodSecret, "ADMIN_SECRET": adminSecret, "PAYMENT_PROVIDER": Simulator,
	}

	t.Run("OneForAll", func(t *testing.T) {
		c, err := parse(external)
		require.NoError(t, err)
		require.False(t, c.Embedded())
		urls := c.DatabaseURLs("")
		for _, schema := range migrations.Schemas {
			require.Equal(t, "postgres://app@db/shop", urls[schema], schema)
		}
		require.Len(t, urls, len(migrations.Schemas))
	})

	t.Run("OneOfItsOwnForAModule", func(t *testing.T) {
		c, err := parse(with(external, "ORDER_DATABASE_URL", "postgres://app@orders/shop"))
		require.NoError(t, err)
		require.Equal(t, "postgres://app@orders/shop", c.DatabaseURLs("")["orders"])
		require.Equal(t, "postgres://app@db/shop", c.DatabaseURLs("")["cart"])
		require.Equal(t, "ORDER_DATABASE_URL", c.DatabaseSetting("orders"))
		require.Equal(t, "DATABASE_URL", c.DatabaseSetting("cart"))
	})

	t.Run("TheRestIsEmbedded", func(t *testing.T) {
		c, err := parse(with(with(external, "DATABASE_URL", ""), "CART_DATABASE_URL", "postgres://app@carts/shop"))
		require.NoError(t, err)
		require.True(t, c.Embedded())
		require.Equal(t, "postgres://app@carts/shop", c.DatabaseURLs("mine")["cart"])
		require.Equal(t, "mine", c.DatabaseURLs("mine")["saga"])
	})

	t.Run("ProductionRunsOnNoSecretOfOurs", func(t *testing.T) {
		for _, setting := range []string{"AUTH_SECRET", "PAYMENT_PROVIDER"} {
			_, err := parse(with(external, setting, ""))
			require.ErrorContains(t, err, setting+" must be set")
		}
		_, err := parse(map[string]string{"SAGA_DATABASE_URL": "postgres://app@db/shop"})
		require.ErrorContains(t, err, "AUTH_SECRET must be set")
	})
}

func TestShop(t *testing.T) {
	external := map[string]string{
		"DATABASE_URL": "postgres://app@db/shop", "AUTH_SECRET": goodSecret, "ADMIN_SECRET": adminSecret, "PAYMENT_PROVIDER": Simulator,
	}
	stripe := map[string]string{"PAYMENT_PROVIDER": Stripe, "STRIPE_SECRET_KEY": "rk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}
	for name, test := range map[string]struct {
		settings map[string]string
		on       bool
	}{
		"EmbeddedHasIt":               {map[string]string{}, true},
		"EmbeddedWithoutWhenAsked":    {map[string]string{"SHOP": "false"}, false},
		"ADatabaseOfYoursDoesWithout": {external, false},
		"SoDoesOneOfAModule":          {with(with(external, "DATABASE_URL", ""), "CART_DATABASE_URL", "postgres://app@db/shop"), false},
		"UnlessAskedFor":              {with(external, "SHOP", "true"), true},
		"RealMoneyDoesWithout":        {stripe, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := parse(test.settings)
			require.NoError(t, err)
			require.Equal(t, test.on, c.ShopOn())
		})
	}
	_, err := parse(with(stripe, "SHOP", "true"))
	require.ErrorContains(t, err, "SHOP must be auto or false with PAYMENT_PROVIDER=stripe")
}

func TestRates(t *testing.T) {
	external := map[string]string{"DATABASE_URL": "postgres://app@db/shop", "AUTH_SECRET": goodSecret, "ADMIN_SECRET": adminSecret, "PAYMENT_PROVIDER": Simulator}
	rates := func(settings map[string]string) map[string]Rates {
		c, err := parse(settings)
		require.NoError(t, err)
		all, err := c.Rates()
		require.NoError(t, err)
		return all
	}
	require.Equal(t, Rates{Rate{500, 5000}, Rate{500, 5000}}, rates(nil)["edits"])
	require.Equal(t, Rates{Rate{10, 50}, Rate{100, 500}}, rates(external)["edits"])
	require.Equal(t, Rates{Rate{10, 50}, Rate{100, 500}}, rates(map[string]string{"LIMITS": "true"})["edits"])
	require.Nil(t, rates(with(external, "LIMITS", "false")))
	require.Equal(t, Rates{Rate{0.5, 5}, Rate{5, 50}}, rates(with(external, "LIMIT_EDITS", " 30/m  5,300/m 50 "))["edits"])
	require.Equal(t, Rates{Rate{2, 1}, Rate{2, 1}}, rates(map[string]string{"LIMIT_READS": "7200/h 1"})["reads"])
	require.Zero(t, rates(with(external, "LIMIT_EDITS", "none"))["edits"])
	require.Equal(t, Rates{Rate{2.5, 12}, Rate{25, 125}}, rates(with(external, "LIMIT_REPLICAS", "4"))["edits"])
	require.Equal(t, Rates{Rate{0.1, 1}, Rate{1, 10}}, rates(with(with(external, "LIMIT_REPLICAS", "10"), "LIMIT_CHECKOUTS", "1/s 5, 10/s 100"))["checkouts"])

	unlimited, err := Config{}.Rates()
	require.NoError(t, err)
	require.Nil(t, unlimited)
	for _, one := range (Config{}).classes() {
		for _, text := range []string{one.shop, one.embedded} {
			_, err := parseRates(text)
			require.NoError(t, err, one.setting)
		}
	}
}

func TestProviderRate(t *testing.T) {
	stripe := map[string]string{"PAYMENT_PROVIDER": Stripe, "STRIPE_SECRET_KEY": "rk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}
	for _, test := range []struct {
		settings map[string]string
		want     Rate
	}{
		{nil, Rate{}},
		{stripe, Rate{25, 25}},
		{with(stripe, "LIMIT_REPLICAS", "5"), Rate{5, 5}},
		{with(stripe, "PAYMENT_RATE", "none"), Rate{}},
		{map[string]string{"PAYMENT_RATE": "120/m 3"}, Rate{2, 3}},
	} {
		c, err := parse(test.settings)
		require.NoError(t, err)
		rate, err := c.ProviderRate()
		require.NoError(t, err)
		require.Equal(t, test.want, rate)
	}
}

func TestGuards(t *testing.T) {
	external := map[string]string{"DATABASE_URL": "postgres://app@db/shop", "AUTH_SECRET": goodSecret, "ADMIN_SECRET": adminSecret, "PAYMENT_PROVIDER": Simulator}
	guest := func(settings map[string]string) int64 {
		c, err := parse(settings)
		require.NoError(t, err)
		return c.Guards()["CART_MAX_GUEST_QUANTITY"]
	}
	require.EqualValues(t, 10_000, guest(external))
	require.EqualValues(t, 9_999_000, guest(nil))
	require.EqualValues(t, 10_000, guest(map[string]string{"LIMITS": "true"}))
	require.EqualValues(t, 7, guest(map[string]string{"CART_MAX_GUEST_QUANTITY": "7"}))
	require.Zero(t, guest(map[string]string{"CART_MAX_GUEST_QUANTITY": "7", "LIMITS": "false"}))
	require.Nil(t, Config{}.Guards())

	ttl := func(settings map[string]string) time.Duration {
		c, err := parse(settings)
		require.NoError(t, err)
		return c.GuestTTL()
	}
	require.Equal(t, 5*time.Minute, ttl(external))
	require.Equal(t, time.Minute, ttl(with(external, "PAYMENT_ACTION_TTL", "1m")))
	require.Equal(t, 15*time.Minute, ttl(nil))
	require.Equal(t, 15*time.Minute, ttl(with(external, "LIMITS", "false")))
	require.Equal(t, 10*time.Minute, ttl(map[string]string{"PAYMENT_GUEST_ACTION_TTL": "10m"}))
	for _, g := range (Config{}).guards() {
		require.Positive(t, g.shop, g.setting)
		require.LessOrEqual(t, g.shop, g.embedded, g.setting)
		require.LessOrEqual(t, g.embedded, g.most, g.setting)
	}
}

func TestBadValuesAreRefusedByName(t *testing.T) {
	for setting, values := range map[string][]string{
		"HTTP_ADDR":          {"8080", "host:port", ":70000"},
		"PUBLIC_URL":         {"shop.example.com", "ftp://shop"},
		"ADMIN_ADDR":         {"9090", ":70000"},
		"ADMIN_URL":          {"https://ops.example.com", "ops"},
		"TLS_CERT":           {"tls.crt"},
		"AUTH_SECRET_FILE":   {"/nowhere/key", "/dev/null"},
		"CORS_ORIGINS":       {"shop.example.com", "https://a.example,b", "https://a.example/path"},
		"TRUSTED_PROXIES":    {"proxy", "10.0.0.0/33", "10.0.0.1, 10.0.0.0/8,"},
		"REQUEST_TIMEOUT":    {"soon", "0s", "-1s", "35"},
		"SHUTDOWN_TIMEOUT":   {"x", "0s"},
		"SHUTDOWN_NOTICE":    {"-1s"},
		"SHOP":               {"on", "1", "TRUE"},
		"LOG_LEVEL":          {"loud"},
		"LOG_FORMAT":         {"xml"},
		"DATABASE_URL":       {"host=db", "mysql://db", "postgres://user:hush@db:nine/"},
		"CART_DATABASE_URL":  {"cart"},
		"DATABASE_POOLER":    {"pgbouncer"},
		"COMMITTERS":         {"0", "many", "65"},
		"QUEUE_SIZE":         {"-1", "1.5"},
		"QUERY_CONNECTIONS":  {"0", "99999999999"},
		"SEARCH_CONNECTIONS": {"0", "101"},
		"CART_MAX_EVENTS":    {"0", "99", "1000001"},

		"CART_MAX_LINE_QUANTITY":   {"-1", "10000", "ten"},
		"CART_MAX_QUANTITY":        {"-1", "9999001"},
		"CART_MAX_GUEST_QUANTITY":  {"-1", "9999001"},
		"CART_MAX_FAILED_PAYMENTS": {"-1", "1000001"},
		"CART_PAYMENT_PAUSE":       {"0s", "soon"},

		"WAITING_CHECKOUTS_PER_CUSTOMER": {"-1", "100001"},
		"WAITING_CHECKOUTS_PER_GUEST":    {"-1", "100001"},
		"WAITING_CHECKOUTS_PER_ADDRESS":  {"-1", "100001"},
		"WAITING_VALUE_PER_CUSTOMER":     {"-1", "10.50"},
		"WAITING_VALUE_PER_GUEST":        {"-1", "10.50"},
		"WAITING_VALUE_PER_ADDRESS":      {"-1", "10.50", "9007199254740992"},
		"PAYMENT_GUEST_ACTION_TTL":       {"-1s", "16m"},

		"AUTH_SECRET":     {"short", strings.Repeat("s", 32), strings.Repeat("ab12", 16), "0123456789abcdef0123456789abcdef", "my-Secret-" + goodSecret, "a-long-one-" + goodSecret},
		"AUTH_SECRET_OLD": {"short", goodSecret + ",short", goodSecret + ","},
		"ADMIN_SECRET":    {"short", strings.Repeat("s", 32)},
		"AUTH_ISSUERS": {
			"login.example.com", "http://login.example.com", "https://", "https://a:b@login.example.com", "https://login.example.com?x=1", "https://a.example,",
			"https://a.example;scope=x", "https://a.example;claim=x", "https://a.example;audience=", "https://a.example;name=a b", "https://a.example;name=a|b",
			"https://a.example;jwks=http://a.example/keys", "https://a.example;name=a;name=b", "https://a.example,https://a.example",
			"https://a.example/one,https://a.example/two", "https://a.example;name=x,https://b.example;name=x",
		},
		"ADMIN_ISSUERS":                {"staff", "https://a.example;claim="},
		"CART_TTL":                     {"-1h", "30d"},
		"RECEIPT_RETENTION":            {"23h59m", "0s"},
		"WEBHOOK_RETENTION":            {"0s"},
		"CONTACT_RETENTION":            {"-24h", "23h59m", "30d"},
		"SEAL_INTERVAL":                {"-1s"},
		"SESSION_TTL":                  {"30d", "0s"},
		"PAYMENT_PROVIDER":             {"paypal"},
		"PAYMENT_TIMEOUT":              {"0s"},
		"PAYMENT_ACTION_TTL":           {"0s"},
		"PAYMENT_RATE":                 {"25", "25/d 1", "0/s 1", "25/s 25, 25/s 25"},
		"PAYMENT_MAX_GUEST_DECLINES":   {"-1", "1000001"},
		"PAYMENT_MAX_ADDRESS_DECLINES": {"-1"},
		"PAYMENT_DECLINE_WINDOW":       {"0s"},
		"PAYMENT_ONE_DECLINE":          {"no"},
		"PAYMENT_CONCURRENCY":          {"0", "many", "10001"},
		"STEP_DEADLINE":                {"-1h"},
		"SIMULATOR_LATENCY":            {"-1s"},
		"SIMULATOR_SECRET":             {"short", strings.Repeat("x", 64)},

		"LIMITS":          {"on"},
		"LIMIT_EDITS":     {"10", "10/s", "10/d 5", "0/s 5", "10/s 0", "-1/s 5", "NaN/s 5", "10/s 5,", "10/s 5, x", "10/s 5 6"},
		"LIMIT_REPLICAS":  {"0"},
		"MAX_CONNECTIONS": {"-1"},

		"STRIPE_SECRET_KEY":     {"pk_hush", "hush"},
		"STRIPE_WEBHOOK_SECRET": {"hush"},
		"STRIPE_RECEIPTS":       {"mail"},
		"STRIPE_API_BASE":       {"localhost:12111", "ftp://localhost", "http://stripe.example.com", "http://127.0.0.1.example.com:12111"},
	} {
		t.Run(setting, func(t *testing.T) {
			for _, value := range values {
				_, err := parse(map[string]string{setting: value})
				require.ErrorContains(t, err, setting, value)
				require.NotContains(t, err.Error(), "hush", "a password in an error")
			}
		})
	}

	t.Run("StripeWantsItsSecrets", func(t *testing.T) {
		stripe := map[string]string{"PAYMENT_PROVIDER": Stripe, "STRIPE_SECRET_KEY": "rk_live_1", "STRIPE_WEBHOOK_SECRET": "whsec_1"}
		_, err := parse(stripe)
		require.NoError(t, err)
		for _, setting := range []string{"STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"} {
			_, err := parse(with(stripe, setting, ""))
			require.ErrorContains(t, err, setting+" must be set")
		}
	})

	t.Run("NoSessionNoNotify", func(t *testing.T) {
		_, err := parse(map[string]string{"NOTIFY": "true", "DATABASE_POOLER": "transaction"})
		require.ErrorContains(t, err, "NOTIFY must be false")
	})

	t.Run("AllAtOnce", func(t *testing.T) {
		_, err := parse(map[string]string{"QUEUE_SIZE": "x", "SESSION_TTL": "y"})
		require.ErrorContains(t, err, "QUEUE_SIZE")
		require.ErrorContains(t, err, "SESSION_TTL")
	})
}

func TestBaseURL(t *testing.T) {
	everywhere := &net.TCPAddr{IP: net.IPv6unspecified, Port: 8080}
	require.Equal(t, "http://localhost:8080", Config{}.BaseURL(everywhere))
	require.Equal(t, "http://127.0.0.1:99", Config{}.BaseURL(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 99}))
	require.Equal(t, "https://shop.example", Config{PublicURL: "https://shop.example/"}.BaseURL(everywhere))
	require.Equal(t, "http://localhost:8080", Config{HTTPAddr: ":8080", PublicURL: "https://shop.example"}.LocalURL())
}

func TestSecret(t *testing.T) {
	t.Parallel()

	t.Run("IsTheSameForAllWhoAskAtOnce", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "data")
		secrets := make([]string, 16)
		var all sync.WaitGroup
		for i := range secrets {
			all.Go(func() { secrets[i], _ = Secret(dir, "auth_secret") })
		}
		all.Wait()
		require.Len(t, secrets[0], 64)
		for _, s := range secrets {
			require.Equal(t, secrets[0], s)
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, left, 1)
	})

	t.Run("IsForItsOwnerOnly", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		_, err := Secret(dir, "auth_secret")
		require.NoError(t, err)
		s, err := os.Stat(filepath.Join(dir, "auth_secret"))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), s.Mode())
	})

	t.Run("TooShortRefused", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "auth_secret"), []byte("x\n"), 0o600))
		_, err := Secret(dir, "auth_secret")
		require.ErrorContains(t, err, "must have 32 bytes or more")
	})

	t.Run("ASetOneStands", func(t *testing.T) {
		t.Parallel()
		c := Config{AuthSecret: goodSecret, AdminSecret: adminSecret, DataDir: filepath.Join(t.TempDir(), "untouched")}
		require.NoError(t, c.FillSecrets())
		require.Equal(t, goodSecret, c.AuthSecret)
		require.NotEmpty(t, c.SimulatorSecret)
		require.NoDirExists(t, c.DataDir)
	})
}

// Who may sign customers' tokens must not make operators.
func TestOperatorsHaveAnotherKey(t *testing.T) {
	t.Parallel()
	one, two := goodSecret, adminSecret
	for _, settings := range []map[string]string{
		{"AUTH_SECRET": one, "ADMIN_SECRET": one}, {"AUTH_SECRET": one, "AUTH_SECRET_OLD": two, "ADMIN_SECRET": two},
	} {
		_, err := parse(settings)
		require.ErrorContains(t, err, "ADMIN_SECRET must differ from AUTH_SECRET and AUTH_SECRET_OLD")
	}
	c, err := parse(map[string]string{"AUTH_SECRET": one, "AUTH_SECRET_OLD": two + " , " + one + two})
	require.NoError(t, err)
	require.Equal(t, []string{two, one + two}, c.AuthSecretOld)

	generated := Config{DataDir: filepath.Join(t.TempDir(), "data")}
	require.Error(t, generated.FindSecrets(), "no server has run there")
	require.NoError(t, generated.FillSecrets())
	require.Len(t, generated.AdminSecret, 64)
	require.NotEqual(t, generated.AuthSecret, generated.AdminSecret)
	again := Config{DataDir: generated.DataDir}
	require.NoError(t, again.FindSecrets())
	require.Equal(t, generated, again)
}

func TestTrustedIssuers(t *testing.T) {
	t.Parallel()
	c, err := parse(map[string]string{
		"AUTH_ISSUERS":  "https://shop.eu.auth0.com/ ; audience = https://api.shop.example, http://127.0.0.1:8080/realms/shop;name=keycloak;jwks=https://keys.example",
		"ADMIN_ISSUERS": "https://staff.example;claim=realm_access.roles", "AUTH_AUDIENCE": "shop",
	})
	require.NoError(t, err)
	found, err := c.Issuers()
	require.NoError(t, err)
	require.Equal(t, []Issuer{
		{URL: "https://shop.eu.auth0.com/", Name: "shop.eu.auth0.com", Audience: "https://api.shop.example", Claim: "scope"},
		{URL: "http://127.0.0.1:8080/realms/shop", Name: "keycloak", Audience: "shop", JWKS: "https://keys.example", Claim: "scope"},
		{URL: "https://staff.example", Name: "staff.example", Audience: "shop", Operators: true, Claim: "realm_access.roles"},
	}, found)
	_, err = parse(map[string]string{"AUTH_ISSUERS": "https://a.example", "ADMIN_ISSUERS": "https://a.example;name=staff"})
	require.ErrorContains(t, err, "ADMIN_ISSUERS must name each issuer once")

	production := map[string]string{"DATABASE_URL": "postgres://app@db/shop", "AUTH_SECRET": goodSecret, "ADMIN_SECRET": adminSecret, "PAYMENT_PROVIDER": Simulator}
	_, err = parse(with(production, "ADMIN_ISSUERS", "https://staff.example"))
	require.NoError(t, err, "operators need no local key then")
}

// .env.example must list each setting with its default.
func TestExampleListsEverySetting(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../.env.example")
	require.NoError(t, err)
	listed := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^#([A-Z_]+)=(.*)$`).FindAllStringSubmatch(string(text), -1) {
		listed[m[1]] = m[2]
	}
	settings := map[string]string{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		settings[field.Tag.Get("env")] = field.Tag.Get("envDefault")
	}
	require.Equal(t, settings, listed)
}

// emptyEnvironment unsets every setting until the test ends.
func emptyEnvironment(t *testing.T) {
	t.Helper()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		name := field.Tag.Get("env")
		t.Setenv(name, "") // restores it at the end
		require.NoError(t, os.Unsetenv(name))
	}
}

func with(settings map[string]string, name, value string) map[string]string {
	changed := map[string]string{name: value}
	for n, v := range settings {
		if n != name {
			changed[n] = v
		}
	}
	return changed
}
