package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// parse reads a command line. A wrong one ends the program with two lines on standard error, since standard output is for data.
func parse(ctx context.Context, arguments []string) *kong.Context {
	parser := kong.Must(&commands{}, commandLine(ctx, os.Stdout)...)
	command, err := parser.Parse(arguments)
	if err == nil {
		return command
	}
	help := "shopping-cart help"
	if wrong := (*kong.ParseError)(nil); errors.As(err, &wrong) && wrong.Context.Selected() != nil {
		help += " " + strings.TrimSuffix(wrong.Context.Selected().Path(), byDefault)
	}
	fmt.Fprintf(os.Stderr, "shopping-cart: %v\nSee: %s\n", err, help)
	parser.Exit(exitCode(err))
	return nil
}

// byDefault is the command that "token" alone means.
const byDefault = " mint"

// helpCommand explains the commands: "help verify" equals "verify --help".
type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command; without it, all commands."`
}

// Run prints the help of a command, or of the program.
func (h *helpCommand) Run(now *kong.Context) error {
	command := strings.Join(h.Command, " ")
	if command == "token" {
		command += byDefault
	}
	asked, err := kong.Trace(now.Kong, append(strings.Fields(command), "--help"))
	if err == nil {
		err = asked.Error
	}
	if err != nil {
		return fmt.Errorf("there is no command %q: %w", strings.Join(h.Command, " "), err)
	}
	return asked.PrintUsage(false)
}

// Help returns the text of "shopping-cart help --help" around the argument.
func (*helpCommand) Help() string {
	return `Examples:

  shopping-cart help            all commands
  shopping-cart help verify     one command: purpose, examples, flags, exit status

Exit status: 0 printed, 1 unknown command.`
}

// Help returns the text of "shopping-cart help" around the list of commands.
func (*commands) Help() string {
	return `Without a command it serves. Settings come from the environment or from a file .env. Without settings, everything is embedded.

  shopping-cart                                  serve on :8080, with a PostgreSQL of its own in ./data
  TOKEN=$(shopping-cart token --admin)           an operator's token, for curl
  shopping-cart verify                           check every promise, to the penny
  shopping-cart help verify                      explain a command, with examples

Data goes to standard output, as JSON with --json. Errors and progress go to standard error, progress only at a terminal.
Exit status: 0 success, 1 failure, 2 a check found something, 80 the command line is wrong. Press Ctrl-C once to stop gracefully,
twice to stop immediately. After one Ctrl-C, serve and demo exit with 0, the other commands with 1 if they have no result yet.`
}

func (serve) Help() string {
	return `Examples:

  shopping-cart                                                 embedded, on http://localhost:8080
  HTTP_ADDR=:9000 DATA_DIR=/var/lib/shop shopping-cart serve    elsewhere
  DATABASE_URL=postgres://app:…@db/shop?sslmode=verify-full AUTH_SECRET=… ADMIN_SECRET=… PAYMENT_PROVIDER=stripe … shopping-cart serve

Every setting is in docs/reference/settings.md and in .env.example. An invalid one is refused by its name. SIGTERM, SIGHUP or Ctrl-C
drains: requests end, then the steps of checkouts, then their writes are committed, and the embedded PostgreSQL stops last.

Exit status: 0 stopped on request, also during the start, 1 the start failed or the shutdown was cut short, with the reason.`
}

func (migrate) Help() string {
	return `Examples:

  DATABASE_URL=postgres://owner:…@db/shop AUTH_SECRET=… PAYMENT_PROVIDER=stripe … shopping-cart migrate

Run it before an upgrade if the server's role does not own the schemas: docs/guides/deploy.md says which rights that role needs.
Servers may run meanwhile.

Exit status: 0 up to date, 1 not, with the reason.`
}

func (*Mint) Help() string {
	return `Examples:

  TOKEN=$(shopping-cart token --admin)                       an operator, for twelve hours
  shopping-cart token --scope orders:read --subject ada      an operator who may only read orders
  shopping-cart token --scope refunds:write:5000             refunds, up to £50.00 (5000 minor units) of an order
  shopping-cart token --scope carts:price --ttl 1h           a service that sets taxes and discounts
  shopping-cart token --subject ada --ttl 15m                a customer, like a shop's own sign-in
  shopping-cart token --admin --json | jq -r .id             the token and its contents

It reads the same settings as the server (AUTH_SECRET and ADMIN_SECRET, or those generated in DATA_DIR), so run it where the server
runs. With a scope the token is an operator's.

Exit status: 0 printed, 1 there is no signing secret, because no server has run with these settings.`
}

func (*Revoke) Help() string {
	return `Examples:

  shopping-cart token revoke "$TOKEN"
  shopping-cart token revoke 019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b --base-url http://shop-1:8080

A running server notes the token, and all replicas refuse it within about two seconds. The id of a token is its claim jti. To end the
tokens of customers, replace AUTH_SECRET.

Exit status: 0 revoked, 1 refused or not reachable.`
}

func (*Health) Help() string {
	return `Examples:

  shopping-cart health                                       the server of these settings
  shopping-cart health --base-url http://shop-1:8080 --json
  HEALTHCHECK CMD ["shopping-cart", "health"]                in a Dockerfile

It prints the address of the ready server, or the reason why it is not ready.

Exit status: 0 ready, 1 not ready or not reachable.`
}

func (*Heads) Help() string {
	return `Examples:

  shopping-cart heads > heads-$(date +%F).json               then copy the file to where the shop's administrators cannot write
  shopping-cart verify --heads heads-2026-01-31.json         later

A head stands for all events of a log up to its position. The heads are signed with a key that comes from AUTH_SECRET.

Exit status: 0 printed, 1 the server could not answer.`
}

func (*Verify) Help() string {
	return `Examples:

  shopping-cart verify                                       all findings, each with its remedy
  shopping-cart verify --heal                                and repair unambiguous ones
  shopping-cart verify --heal=refund-lost                    and refund captures of unknown payments, after a restore
  shopping-cart verify --heads heads-2026-01-31.json         and whether the logs still hold what they held then
  shopping-cart verify --json | jq '.data[].id'

The server may be busy: data that changed within the last minute is left out. Each finding prints its remedy; docs/operations.md says which ones --heal repairs.

Exit status: 0 every promise is kept, 2 some are not, 1 the check failed.`
}
