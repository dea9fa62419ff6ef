package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"shopping-cart/client"
	"shopping-cart/internal/app"
	"shopping-cart/internal/bench"
	"shopping-cart/internal/chaos"
	"shopping-cart/platform/config"
	"shopping-cart/platform/telemetry"
)

// chaosCommand is the command that runs a shop under faults.
type chaosCommand struct {
	Seed          uint64        `help:"Seed of all random choices; chosen and printed when 0." default:"0"`
	Minutes       float64       `help:"Close the shop after this many minutes; 0: only after --checkouts." default:"5"`
	Checkouts     int           `help:"Close the shop after this many checkouts; 0: only after --minutes." default:"0"`
	Replicas      int           `help:"Number of server processes." default:"3"`
	Shoppers      int           `help:"Number of concurrent shoppers." default:"64"`
	FaultInterval time.Duration `name:"calm" help:"Mean time between two faults." default:"2s"`
	JSON          bool          `name:"json" help:"Print the report as JSON. Progress always goes to standard error."`
}

func (*chaosCommand) Help() string {
	return `Examples:

  shopping-cart chaos --minutes 10
  shopping-cart chaos --seed 42 --checkouts 10000 --minutes 0
  shopping-cart chaos --json | jq .seed

Starts a PostgreSQL and several replicas of this program in a temporary directory, and sends shoppers. They use cards of every kind,
several tabs and a slow bank, and change their minds before and after the payment. At the same time prices and stock change, webhooks
come late, twice and forged, replicas are killed (kill -9) or frozen (SIGSTOP), and PostgreSQL is stopped or crashed.

At the end nothing may be unfinished. The money at the provider must equal the totals of the orders, the stock must add up, every
acknowledged answer must still be true, and "shopping-cart verify" must find nothing. The command needs an installation of PostgreSQL
(PG_BIN_DIR), reads no other setting and touches no other data.

A seed repeats the choices of every shopper and of the faults, but the processes never interleave in quite the same way.

Exit status: 0 every promise is kept, 2 something was found, 1 there is no result. Unless it is 0, the data and the logs are kept.`
}

// a week
const maxChaosMinutes = 7 * 24 * 60

// Validate refuses a run that would not start or not end.
func (d *chaosCommand) Validate() error {
	switch {
	case math.IsNaN(d.Minutes) || d.Minutes < 0 || d.Minutes > maxChaosMinutes || d.Checkouts < 0:
		return fmt.Errorf("--minutes must be 0 to %d, and --checkouts 0 or more", maxChaosMinutes)
	case d.Minutes == 0 && d.Checkouts == 0:
		return errors.New("--minutes or --checkouts must be above 0")
	case d.Replicas < 1 || d.Replicas > 16 || d.Shoppers < 1 || d.Shoppers > 256:
		return errors.New("--replicas must be 1 to 16, and --shoppers 1 to 256")
	case d.FaultInterval < 100*time.Millisecond:
		return errors.New("--calm must be 100ms or more")
	}
	return nil
}

// Run runs the shop and prints the findings.
func (d *chaosCommand) Run(ctx context.Context, out io.Writer) (err error) {
	telemetry.SurvivePipes() // otherwise the replicas would be left behind
	if d.Seed == 0 {
		d.Seed = rand.Uint64N(1_000_000) + 1 // short enough to type
	}
	dir, err := os.MkdirTemp("", "chaos")
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "seed %d, in %s\n", d.Seed, dir)
	defer func() {
		switch {
		case err == nil, ctx.Err() != nil:
			_ = os.RemoveAll(dir)
		default:
			err = fmt.Errorf("%w; data and logs are in %s; again with: %s", err, dir, d.again())
		}
	}()
	if err := os.Chmod(dir, 0o755); err != nil { // #nosec G302 -- PostgreSQL may run as another user
		return err
	}
	c, err := d.config(dir)
	if err != nil {
		return err
	}
	report, err := chaos.Run(ctx, c)
	if err != nil {
		return err
	}
	if d.JSON {
		err = json.NewEncoder(out).Encode(report)
	} else if err = report.Print(out); err == nil {
		_, err = fmt.Fprintf(out, "again: %s\n", d.again())
	}
	if err == nil && !report.Kept() {
		err = &Broken{Findings: report.Wrong()}
	}
	return err
}

func (d *chaosCommand) again() string {
	return fmt.Sprintf("%s chaos --seed %d --minutes %g --checkouts %d --replicas %d --shoppers %d --calm %s",
		app.ProgramName(), d.Seed, d.Minutes, d.Checkouts, d.Replicas, d.Shoppers, d.FaultInterval)
}

func (d *chaosCommand) config(dir string) (chaos.Config, error) {
	settings, err := bench.Settings("")
	if err != nil {
		return chaos.Config{}, err
	}
	program, err := os.Executable()
	if err != nil {
		return chaos.Config{}, err
	}
	return chaos.Config{
		Seed: d.Seed, Checkouts: d.Checkouts, For: time.Duration(d.Minutes * float64(time.Minute)), Replicas: d.Replicas,
		Shoppers: d.Shoppers, FaultInterval: d.FaultInterval, Dir: dir, PGBinDir: settings.PGBinDir, Program: []string{program},
		Environ: config.Foreign(os.Environ()), Secret: settings.SimulatorSecret,
		Settings: []string{
			"AUTH_SECRET=" + settings.AuthSecret, "ADMIN_SECRET=" + settings.AdminSecret, "AUTH_AUDIENCE=" + settings.AuthAudience, "SIMULATOR_SECRET=" + settings.SimulatorSecret,
			"PAYMENT_PROVIDER=" + config.Simulator, "PAYMENT_TIMEOUT=2500ms", "PAYMENT_ACTION_TTL=" + chaos.ActionTTL.String(),
			"STEP_DEADLINE=10s", "LIMITS=false", "PAYMENT_ONE_DECLINE=false", "LOG_LEVEL=warn", // a payment of unknown outcome soon needs attention, and the operators give it
		},
		Mint: func(subject string, scopes ...string) (string, error) {
			return secrets{settings}.Mint(subject, scopes, client.TokenLife)
		},
		Verify:   func(ctx context.Context, url string) (chaos.Verified, error) { return verifies(ctx, settings, url) },
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) },
	}, err
}

// verifies runs "verify" in another process on a database without other users. Nothing is in progress there, so it skips no
// recent data.
func verifies(ctx context.Context, settings config.Config, url string) (v chaos.Verified, err error) {
	settings.DatabaseURL = url
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return v, err
	}
	p, err := app.New(ctx, settings, settings.DatabaseURLs(""), listener.Addr(), slog.New(slog.DiscardHandler))
	if err != nil {
		return v, errors.Join(err, listener.Close())
	}
	defer p.Close()
	p.Reconcile.MinAge = time.Nanosecond
	server := &http.Server{Handler: p.Web, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	var said strings.Builder
	verify := Verify{BaseURL: app.LocalURL("http", listener.Addr()), JSON: true}
	if err = verify.Run(ctx, &said, secrets{settings}); err != nil && !errors.As(err, new(*Broken)) {
		return v, err
	}
	var found struct {
		Checked map[string]int
		Data    []struct{ ID, Detail string }
	}
	err = json.Unmarshal([]byte(said.String()), &found)
	for _, one := range found.Data {
		v.Found = append(v.Found, one.ID+": "+one.Detail)
	}
	v.Checked = found.Checked
	return v, err
}

// secrets makes tokens for a tool from these settings.
type secrets struct{ config.Config }

// BaseURL implements client.Local. Nothing calls it here.
func (s secrets) BaseURL() (string, error) { return s.LocalURL(), nil }

// Mint makes a token as the server does.
func (s secrets) Mint(subject string, scopes []string, ttl time.Duration) (string, error) {
	tokens, err := app.Tokens(s.Config, nil, nil)
	if err != nil {
		return "", err
	}
	token, _, err := tokens.Mint(subject, scopes, ttl)
	return token, err
}
