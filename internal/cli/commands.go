package cli

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/alecthomas/kong"

	"shopping-cart/client"
	"shopping-cart/docs"
	"shopping-cart/internal/app"
	"shopping-cart/internal/bench"
	"shopping-cart/internal/demo"
	"shopping-cart/internal/replay"
	"shopping-cart/platform/config"
	"shopping-cart/platform/telemetry"
	"shopping-cart/platform/web"
)

type commands struct {
	Serve   serve   `cmd:"" default:"1" help:"Serve the API (the default)."`
	Token   Token   `cmd:"" help:"Print an access token, or revoke one."`
	Migrate migrate `cmd:"" help:"Bring the schemas of the databases up to date, as their owner, and exit."`

	Replay replay.Replay `cmd:"" help:"Play the invoices of a file against a running server, as a shop would."`
	Demo   demo.Demo     `cmd:"" help:"Fill the example shop of a running server and send customers to it."`
	Health Health        `cmd:"" help:"Ask a running server whether it is ready; for health checks of containers."`
	Verify Verify        `cmd:"" help:"Make a running server check every promise over all data, and against the provider's ledger."`

	Heads Heads `cmd:"" help:"Print the signed heads of the logs, to keep elsewhere and compare with later."`

	Chaos       chaosCommand        `cmd:"" help:"Run a shop of several replicas under faults, on a PostgreSQL of its own, and check every promise."`
	Bench       bench.Command       `cmd:"" help:"Compare the program with pgbench and other baselines, on a PostgreSQL of its own. See docs/BENCHMARKS.md."`
	BenchClient bench.ClientCommand `cmd:"" hidden:""`
	Version     Version             `cmd:"" help:"Print which build this is."`
	Explain     helpCommand         `cmd:"" name:"help" help:"Explain a command."`
}

type serve struct{}

// Run serves until ctx is done.
func (serve) Run(ctx context.Context) error {
	telemetry.SurvivePipes()
	settings, err := config.Load()
	if err != nil {
		return err
	}
	return app.Run(ctx, settings, os.Stdout)
}

type migrate struct{}

// Run migrates the databases of the settings. The start of the server does the same; there the role needs no right to create anything
// if there is nothing to do.
func (migrate) Run(ctx context.Context) error {
	settings, err := config.Load()
	if err != nil {
		return err
	}
	if settings.Embedded() {
		return errors.New("DATABASE_URL must name a database: the embedded one is migrated at its start")
	}
	log, err := telemetry.Log(os.Stderr, "info", settings.LogFormat)
	if err != nil {
		return err
	}
	return app.Migrate(ctx, settings, settings.DatabaseURLs(""), log)
}

// environment gives the tools access to the settings.
type environment struct{}

func (environment) BaseURL() (string, error) {
	settings, err := config.Load()
	if settings.TLSCert != "" { // the certificate is for the name of the shop, and not for this address
		http.DefaultTransport.(*http.Transport).TLSClientConfig = web.TrustOnly(settings.TLSCert)
	}
	return settings.LocalURL(), err
}

func (environment) Mint(subject string, scopes []string, ttl time.Duration) (string, error) {
	settings, err := config.Load()
	if err != nil {
		return "", err
	}
	if err := settings.FindSecrets(); err != nil {
		return "", err
	}
	return secrets{settings}.Mint(subject, scopes, ttl)
}

// commandLine returns the options of the parser, with the dependencies that commands can request.
func commandLine(ctx context.Context, out io.Writer) []kong.Option {
	return []kong.Option{
		kong.Name("shopping-cart"), kong.Description("A headless cart and checkout engine: a cart becomes a paid order, exactly once."),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(out, (*io.Writer)(nil)),
		kong.BindTo(environment{}, (*client.Local)(nil)), kong.Bind(demo.Catalog(docs.Invoices)),
	}
}

// exitCode returns the error's own exit code, or 1.
func exitCode(err error) int {
	if own := (interface{ ExitCode() int })(nil); errors.As(err, &own) {
		return own.ExitCode()
	}
	return 1
}
