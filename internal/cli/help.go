package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// parse reads a command line. One that is wrong ends the program, in two lines on the standard error: what is data goes elsewhere.
func parse(ctx context.Context, arguments []string) *kong.Context {
	parser := kong.Must(&commands{}, commandLine(ctx, os.Stdout)...)
	command, err := parser.Parse(arguments)
	if err == nil {
		return command
	}
	help := "shopping-cart help"
	if wrong := (*kong.ParseError)(nil); errors.As(err, &wrong) && wrong.Context.Selected() != nil {
		help += " " + wrong.Context.Selected().Name
	}
	fmt.Fprintf(os.Stderr, "shopping-cart: %v\nSee: %s\n", err, help)
	parser.Exit(exitCode(err))
	return nil
}

// helpCommand is the command that explains the others: "help verify" is "verify --help".
type helpCommand struct {
	Command []string `arg:"" optional:"" help:"Which one; all of them without."`
}

// Run prints the help of a command, or of the program.
func (h *helpCommand) Run(now *kong.Context) error {
	asked, err := kong.Trace(now.Kong, append(h.Command, "--help"))
	if err == nil {
		err = asked.Error
	}
	if err != nil {
		return fmt.Errorf("there is no command %q: %w", strings.Join(h.Command, " "), err)
	}
	return asked.PrintUsage(false)
}

// Help is what "shopping-cart help --help" says beside the argument.
func (*helpCommand) Help() string {
	return `Examples:

  shopping-cart help            what there is
  shopping-cart help verify     what it does, examples, flags, exit status

Exit status: 0 it was printed, 1 there is no such command.`
}

// Help is what "shopping-cart help" says beside the list of commands.
func (*commands) Help() string {
	return `Without a command it serves. Settings come from the environment or from a file .env; with none, all that it needs is embedded.

  shopping-cart                                  serve on :8080, with a PostgreSQL of its own in ./data
  TOKEN=$(shopping-cart token --admin)           an operator's token, for curl
  shopping-cart verify                           are all promises kept, to the penny?
  shopping-cart help verify                      what a command does, with examples

What is data goes to the standard output, as JSON with --json; progress and complaints go to the standard error, progress only
where somebody watches. Exit status: 0 done, 1 it failed, 2 a check found something, 80 the command line is wrong. Ctrl-C ends a
command in order: serve and demo with 0, the others with 1 where they have no result yet. Pressed twice it ends it at once.`
}

// Help is what "shopping-cart serve --help" says beside the flags.
func (serve) Help() string {
	return `Examples:

  shopping-cart                                                 embedded, on http://localhost:8080
  HTTP_ADDR=:9000 DATA_DIR=/var/lib/shop shopping-cart serve    elsewhere
  DATABASE_URL=postgres://app:…@db/shop AUTH_SECRET=… PAYMENT_PROVIDER=stripe … shopping-cart serve

Every setting is in docs/reference/settings.md and in .env.example; a bad one is refused by its name. SIGTERM, SIGHUP or Ctrl-C drains:
requests end, then the steps of checkouts, then what they wrote is committed, and the embedded PostgreSQL goes last.

Exit status: 0 it was asked to stop and has, also during its start, 1 it could not start or was cut off, with a sentence that says why.`
}

// Help is what "shopping-cart token --help" says beside the flags.
func (*Token) Help() string {
	return `Examples:

  TOKEN=$(shopping-cart token --admin)                       an operator, for a day
  shopping-cart token --scope pricing --ttl 1h               a service that sets taxes and discounts
  shopping-cart token --subject ada --ttl 15m                a customer, as shops sign in their own
  shopping-cart token --admin --json | jq -r .expires_at     with what is in it

It reads the same settings as the server (AUTH_SECRET, or the one generated in DATA_DIR), so run it where the server runs.

Exit status: 0 printed, 1 there is no secret to sign with: no server has run with these settings.`
}

// Help is what "shopping-cart health --help" says beside the flags.
func (*Health) Help() string {
	return `Examples:

  shopping-cart health                                       the server of these settings
  shopping-cart health --base-url http://shop-1:8080 --json
  HEALTHCHECK CMD ["shopping-cart", "health"]                in a Dockerfile

It says which server is ready, or why it is not.

Exit status: 0 it can serve, 1 it cannot, or is not there.`
}

// Help is what "shopping-cart verify --help" says beside the flags.
func (*Verify) Help() string {
	return `Examples:

  shopping-cart verify                                       what is wrong, each with its remedy
  shopping-cart verify --heal                                and mend what is beyond doubt
  shopping-cart verify --heal=refund-lost                    and refund captures that nobody here knows: after a restore
  shopping-cart verify --json | jq '.data[].id'

The server may be busy: what was touched within the last minute is left out. What each finding means, and what a person does about it, is in
docs/operations.md.

Exit status: 0 every promise is kept, 2 some are not, 1 it could not be found out.`
}
