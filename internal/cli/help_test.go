package cli

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/bench"
)

// said returns the output of a command line that only asks for help.
func said(t *testing.T, arguments ...string) (out string, status int) {
	t.Helper()
	var text bytes.Buffer
	status = -1
	parser, err := kong.New(&commands{}, append(commandLine(t.Context(), &text), kong.Writers(&text, &text),
		kong.Exit(func(code int) { status = code; panic(status) }))...) // stands for the end of the program
	require.NoError(t, err)
	defer func() {
		if p := recover(); p != nil && p != status {
			panic(p)
		}
		out = text.String()
	}()
	command, err := parser.Parse(arguments)
	parser.FatalIfErrorf(err)
	require.NoError(t, command.Run())
	return text.String(), 0
}

func commandsOf(t *testing.T) []*kong.Node {
	t.Helper()
	parser, err := kong.New(&commands{}, commandLine(t.Context(), io.Discard)...)
	require.NoError(t, err)
	return parser.Model.Leaves(true)
}

func TestHelp(t *testing.T) {
	t.Parallel()
	all := commandsOf(t)
	require.NotEmpty(t, all)
	whole, status := said(t, "help")
	require.Zero(t, status)
	for _, c := range all {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, whole, c.Name, "the list has every command")
			require.Regexp(t, `^[A-Z].*\.$`, c.Help, "one sentence")
			path := strings.Fields(c.Path())
			own, status := said(t, append(path, "--help")...)
			require.Zero(t, status)
			require.Regexp(t, `\nExamples:\n\n    \S*.*shopping-cart`, own, "indented, as they stand in a line of their own")
			asked, status := said(t, append([]string{"help"}, path...)...)
			require.Zero(t, status)
			require.Equal(t, own, asked)
			require.Contains(t, own, "Exit status: 0")
		})
	}
	t.Run("OfNothing", func(t *testing.T) {
		t.Parallel()
		parser, err := kong.New(&commands{}, commandLine(t.Context(), io.Discard)...)
		require.NoError(t, err)
		command, err := parser.Parse([]string{"help", "nothing"})
		require.NoError(t, err)
		require.Error(t, command.Run())
	})
}

// TestDataHasJSON checks that each command that prints data can print it as JSON.
func TestDataHasJSON(t *testing.T) {
	t.Parallel()
	for _, c := range commandsOf(t) {
		if slices.Contains([]string{"serve", "help", "demo", "heads", "migrate"}, c.Name) {
			continue
		}
		require.True(t, slices.ContainsFunc(c.Flags, func(f *kong.Flag) bool { return f.Name == "json" }), c.Name)
	}
}

// TestExamplesOfHelpAreCommandLines checks that each flag in an example exists in its command.
func TestExamplesOfHelpAreCommandLines(t *testing.T) {
	t.Parallel()
	for _, c := range commandsOf(t) {
		for line := range strings.Lines(c.Detail) {
			_, arguments, is := strings.Cut(line, "shopping-cart "+strings.TrimSuffix(c.Path(), byDefault)+" ")
			if !is || !strings.HasPrefix(line, "  ") {
				continue
			}
			arguments, _, _ = strings.Cut(arguments, " |")
			for _, word := range strings.FieldsFunc(arguments, func(r rune) bool { return strings.ContainsRune(" =)\n", r) }) {
				name, isFlag := strings.CutPrefix(word, "--")
				known := slices.ContainsFunc(c.Flags, func(f *kong.Flag) bool { return f.Name == name })
				require.True(t, !isFlag || known || name == "help", "%s: %s", c.Name, line)
			}
		}
	}
}

// TestBenchNamesItsMeasurements checks that an unknown measurement is refused with a list of the known ones, before anything
// starts.
func TestBenchNamesItsMeasurements(t *testing.T) {
	t.Parallel()
	err := (&bench.Command{Rounds: 1, Seconds: 1, Callers: []int{8, 32}, Only: "zzz"}).Validate()
	require.ErrorContains(t, err, "--only zzz matches no measurement; the names, each with @ and its callers, are: checkout/http, checkout/http-20ms, ")
	require.ErrorContains(t, err, ", command/hot, ")
	require.NoError(t, (&bench.Command{Rounds: 1, Seconds: 1, Callers: []int{8}, Only: "^load/echo@8$"}).Validate())
	require.Error(t, (&bench.Command{Rounds: 1, Seconds: 1, Callers: []int{8}, Only: "^load/echo@1$"}).Validate())
	growth := bench.Command{Rounds: 1, Seconds: 1, Only: "zzz", Growth: []int64{10, 1000}}
	require.ErrorContains(t, growth.Validate(), ": checkout/10-events, checkout/1000-events, command/10-events, ")
	growth.Only = "^load-old/1000-events@32$"
	require.NoError(t, growth.Validate())
}

// TestWrongCommandLines checks that a wrong command line prints nothing to standard output, which may be a pipe.
func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	for line, help := range map[string]string{"nothing": "help", "verify --nonsense": "help verify", "replay": "help replay", "bench --rounds x": "help bench",
		"bench --only (": "help bench", "bench --only zzz": "help bench", "bench --only zzz --growth 100": "help bench", "bench --rounds 0": "help bench", "bench --seconds NaN": "help bench", "bench --callers 0": "help bench",
		"demo --rate=0": "help demo", "demo --rate NaN": "help demo", "demo --seconds=-1": "help demo", "demo --base-url foo": "help demo",
		"verify --base-url foo": "help verify", "verify --base-url http://": "help verify", "health --base-url ftp://shop": "help health",
		"token --ttl=-1h": "help token", "token --ttl 0s": "help token", "token --ttl 8761h": "help token", "token --admin --ttl 13h": "help token", "token --scope nonsense": "help token",
		"token --subject=": "help token", "chaos --minutes NaN": "help chaos", "chaos --minutes=-1 --checkouts 9": "help chaos",
		"chaos --calm 1ms": "help chaos", "chaos --replicas 0": "help chaos",
		"replay --concurrency 0 main.go": "help replay", "replay --concurrency 9999 main.go": "help replay", "replay --base-url foo main.go": "help replay",
	} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			var out, complaint bytes.Buffer
			program := exec.CommandContext(t.Context(), os.Args[0], strings.Fields(line)...)
			program.Env, program.Stdout, program.Stderr = append(os.Environ(), asProgram+"=1"), &out, &complaint
			var failed *exec.ExitError
			require.ErrorAs(t, program.Run(), &failed)
			require.Equal(t, 80, failed.ExitCode())
			require.Empty(t, out.String())
			require.Regexp(t, `^shopping-cart: .+\nSee: shopping-cart `+help+`\n$`, complaint.String())
		})
	}
}
