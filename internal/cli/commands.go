package cli

import (
	"context"
	"errors"
	"io"
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
)

type commands struct {
	Serve serve `cmd:"" default:"1" help:"Serve the API (the default)."`
	Token Token `cmd:"" help:"Print an access token, signed with the settings of the server."`

	Replay replay.Replay `cmd:"" help:"Play the invoices of a file against a running server, as a shop would."`
	Demo   demo.Demo     `cmd:"" help:"Fill the example shop of a running server, and have customers come in."`
	Health Health        `cmd:"" help:"Ask a running server whether it can serve; for health checks of containers."`
	Verify Verify        `cmd:"" help:"Have a running server check every promise over all data, and against the provider's own book."`

	Chaos       chaosCommand        `cmd:"" help:"Run a shop of several replicas under faults, on a PostgreSQL of its own, and check every promise."`
	Bench       bench.Command       `cmd:"" help:"Measure the program beside pgbench and others, on a PostgreSQL of its own. See docs/BENCHMARKS.md."`
	BenchClient bench.ClientCommand `cmd:"" hidden:""`
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

// local gives the tools what the settings say.
type local struct{}

func (local) BaseURL() (string, error) {
	settings, err := config.Load()
	return settings.LocalURL(), err
}

func (local) Mint(subject string, scopes []string, ttl time.Duration) (string, error) {
	settings, err := config.Load()
	if err != nil {
		return "", err
	}
	if err := settings.FindSecrets(); err != nil {
		return "", err
	}
	return secrets{settings}.Mint(subject, scopes, ttl)
}

// commandLine is how the command line is read, and what commands may ask for.
func commandLine(ctx context.Context, out io.Writer) []kong.Option {
	return []kong.Option{
		kong.Name("shopping-cart"), kong.Description("A headless cart and checkout engine: a cart becomes a paid order, exactly once."),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.BindTo(out, (*io.Writer)(nil)),
		kong.BindTo(local{}, (*client.Local)(nil)), kong.Bind(demo.Catalog(docs.Invoices)),
	}
}

// exitCode is 1, unless the error has one of its own.
func exitCode(err error) int {
	if own := (interface{ ExitCode() int })(nil); errors.As(err, &own) {
		return own.ExitCode()
	}
	return 1
}
