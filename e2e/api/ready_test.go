package api

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
)

// A server that only reads answers pings, and sells nothing.
func TestReadinessTriesAWrite(t *testing.T) {
	t.Parallel()
	pgtest.NeedsSessions(t, "it turns a database read-only")
	s := harness.OpenUnchecked(t, harness.OneDatabase)
	require.Equal(t, "ready", harness.Get[harness.ReadyAnswer](t, s, "/readyz", "").Status)

	readOnly(t, s.Settings.DatabaseURL, "on")
	harness.Until(t, "it is not ready", func() bool {
		return s.Send(t, http.MethodGet, "/readyz", "", nil).StatusCode == http.StatusServiceUnavailable
	})
	p := harness.RequireProblem(t, s.Send(t, http.MethodGet, "/readyz", "", nil), http.StatusServiceUnavailable, "not_ready")
	require.Equal(t, "The service is not ready. The database of DATABASE_URL cannot be used: it only takes reads.", p.Detail)

	readOnly(t, s.Settings.DatabaseURL, "off")
	harness.Until(t, "it is ready again", func() bool {
		return s.Send(t, http.MethodGet, "/readyz", "", nil).StatusCode == http.StatusOK
	})
}

// The banner says ready when /readyz does: a standby is alive, serves reads, and says what it waits for.
func TestBannerWaitsForAWrite(t *testing.T) {
	t.Parallel()
	pgtest.NeedsSessions(t, "it turns a database read-only")
	if testing.Short() {
		t.Skip("starts the program")
	}
	url, address := pgtest.New(t), harness.FreeAddress(t)
	readOnly(t, url, "on")
	program, said, complained := starting(t, []string{"HTTP_ADDR=" + address, "DATABASE_URL=" + url, "PAYMENT_PROVIDER=simulator",
		"AUTH_SECRET=" + harness.Secret, "ADMIN_SECRET=" + harness.AdminSecret})
	line := prints(t, complained, "still waiting")
	require.Contains(t, line, "The database of DATABASE_URL cannot be used: it only takes reads.")
	require.NotContains(t, line, "gives_up_after")
	for path, status := range map[string]int{"/healthz": http.StatusOK, "/readyz": http.StatusServiceUnavailable, "/v1/products": http.StatusOK} {
		response, err := http.Get("http://" + address + path)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, status, response.StatusCode, path)
	}
	select {
	case line := <-said:
		t.Fatalf("it greets before it is ready: %s", line)
	default:
	}
	readOnly(t, url, "off")
	prints(t, said, "shopping-cart is ready")
	response, err := http.Get("http://" + address + "/readyz")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NoError(t, program.Process.Signal(syscall.SIGTERM))
	for range complained { // to its end
	}
	require.NoError(t, program.Wait())
}

// A schema that cannot be made is refused with what to do about it.
func TestStartSaysWhatTheDatabaseLacks(t *testing.T) {
	t.Parallel()
	pgtest.NeedsSessions(t, "it turns a database read-only")
	start := func(t *testing.T, url string) string {
		_, complained, status := command(t, []string{"HTTP_ADDR=127.0.0.1:0", "DATABASE_URL=" + url, "PAYMENT_PROVIDER=simulator",
			"AUTH_SECRET=" + harness.Secret, "ADMIN_SECRET=" + harness.AdminSecret})
		require.Equal(t, 1, status)
		return complained
	}
	t.Run("ItOnlyTakesReads", func(t *testing.T) {
		t.Parallel()
		url := pgtest.NewEmpty(t)
		readOnly(t, url, "on")
		require.Contains(t, start(t, url), "shopping-cart: DATABASE_URL: the database is read-only, and its schema ")
	})
	t.Run("TheSchemaIsAnothers", func(t *testing.T) {
		t.Parallel()
		url := pgtest.NewLimited(t, 20)
		owner, err := pgx.Connect(t.Context(), pgtest.Direct(t, url))
		require.NoError(t, err)
		defer owner.Close(t.Context())
		_, err = owner.Exec(t.Context(), "create schema orders")
		require.NoError(t, err)
		require.Contains(t, start(t, url), "shopping-cart: DATABASE_URL: the role must own the schema orders and its contents, "+
			"or be allowed to create a missing schema: ")
	})
}

// Modules with databases apart: the one that is away is named, and the setting decides whether it takes the replica out.
func TestReadinessNamesTheModuleThatIsAway(t *testing.T) {
	t.Parallel()
	for requires, status := range map[string]int{
		config.ReadyAny: http.StatusOK, "cart, order": http.StatusOK, config.ReadyAll: http.StatusServiceUnavailable, "payment": http.StatusServiceUnavailable,
	} {
		t.Run(requires, func(t *testing.T) {
			t.Parallel()
			var line *pgtest.Proxy
			s := harness.OpenUnchecked(t, harness.DatabaseEach, func(t testing.TB, c *config.Config) {
				line = pgtest.NewProxy(t, c.PaymentDatabaseURL)
				c.PaymentDatabaseURL, c.ReadyRequires, c.ShutdownTimeout = line.URL(), requires, time.Second
			})
			line.Cut()
			defer line.Restore()
			var found harness.ReadyAnswer
			harness.Until(t, "the module is named", func() bool {
				a := s.Send(t, http.MethodGet, "/readyz", "", nil)
				found = harness.ReadyAnswer{}
				require.NoError(t, a.Decode(&found))
				return found.Modules[2].Status == web.ModuleAway && a.StatusCode == status
			})
			require.Equal(t, "payment", found.Modules[2].Module)
			require.Equal(t, "The database of PAYMENT_DATABASE_URL cannot be used: it is not reachable.", found.Modules[2].Reason)
			require.Equal(t, web.ModuleReady, found.Modules[0].Status)
		})
	}
}

func readOnly(t *testing.T, url, value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	for _, sql := range []string{
		"set default_transaction_read_only = off",
		"alter database " + pgx.Identifier{conn.Config().Database}.Sanitize() + " set default_transaction_read_only = " + value,
		"select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
	} {
		_, err := conn.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
}
