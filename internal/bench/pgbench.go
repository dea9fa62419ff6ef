package bench

import (
	"bufio"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"shopping-cart/platform/database"
)

// The scripts write the rows of this program. sql/setup.sql prepares them.
//
//go:embed sql
var scripts embed.FS

// ErrNoPgbench means that pgbench, a part of PostgreSQL, is not installed.
var ErrNoPgbench = errors.New("pgbench is not installed (it comes with PostgreSQL; Debian: postgresql-contrib or postgresql-client)")

// Pgbench runs a script repeatedly. It measures the server without a program in between.
type Pgbench struct {
	URL      string // of a database that Fill has filled
	Script   string // a file in sql
	Commands int64  // commands that one run of the script replaces
	Appends  int64  // events that it writes
	Sampling float64
}

// Fill runs the statements of a file in sql one by one, because VACUUM cannot run in a transaction.
func Fill(ctx context.Context, url, file string) error {
	text, err := scripts.ReadFile("sql/" + file)
	if err != nil {
		return err
	}
	conn, err := database.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, statement := range strings.Split(strings.TrimSpace(string(text)), ";\n") {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// FindPgbench returns the path of pgbench, from PATH or Debian's directory.
func FindPgbench() (string, error) {
	if path, err := exec.LookPath("pgbench"); err == nil {
		return path, nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if len(found) == 0 {
		return "", ErrNoPgbench
	}
	return found[len(found)-1], nil
}

var (
	connected = regexp.MustCompile(`tps = ([0-9.]+)`)
	processed = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
	failed    = regexp.MustCompile(`number of failed transactions: [1-9]`)
)

func (p Pgbench) Run(ctx context.Context, callers int, d time.Duration) (Sample, error) {
	binary, err := FindPgbench()
	if err != nil {
		return Sample{}, err
	}
	dir, err := os.MkdirTemp("", "pgbench")
	if err != nil {
		return Sample{}, err
	}
	defer os.RemoveAll(dir)
	script, err := scripts.ReadFile("sql/" + p.Script)
	if err != nil {
		return Sample{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, p.Script), script, 0o600); err != nil {
		return Sample{}, err
	}
	parsed, err := database.Parse(p.URL)
	if err != nil {
		return Sample{}, err
	}
	target := parsed.ConnConfig
	cmd := exec.CommandContext(ctx, binary, append(howLong(callers, d), "-n", "-M", "prepared", "-c", strconv.Itoa(callers),
		"-j", strconv.Itoa(min(2, callers)), "-f", p.Script, "--log", fmt.Sprintf("--sampling-rate=%g", p.Sampling),
		"-h", target.Host, "-p", strconv.Itoa(int(target.Port)), "-U", target.User, target.Database)...)
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "PG") })
	output, err := cmd.CombinedOutput()
	if err != nil || failed.Match(output) {
		return Sample{}, fmt.Errorf("pgbench: %v: %s", err, output)
	}
	s, err := p.sampleOf(output)
	if err != nil {
		return Sample{}, err
	}
	s.ProgramCPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	s.Latencies, err = readLatencies(dir)
	return s, err
}

// howLong returns the flags for the length in whole seconds. Below one second they set a number of transactions.
func howLong(callers int, d time.Duration) []string {
	if d < time.Second {
		return []string{"-t", strconv.Itoa(1 + int(d.Seconds()*1000)/callers)}
	}
	return []string{"-T", strconv.Itoa(int(d.Round(time.Second).Seconds()))}
}

// sampleOf parses the output of pgbench. Its rate excludes the time to connect.
func (p Pgbench) sampleOf(output []byte) (Sample, error) {
	rate, units := connected.FindSubmatch(output), processed.FindSubmatch(output)
	if units != nil && string(units[1]) == "0" {
		return Sample{}, nil // it prints no rate then
	}
	if rate == nil || units == nil {
		return Sample{}, fmt.Errorf("unexpected output of pgbench: %s", output)
	}
	n, _ := strconv.Atoi(string(units[1]))
	tps, err := strconv.ParseFloat(string(rate[1]), 64)
	if err != nil || n == 0 || tps == 0 {
		return Sample{}, fmt.Errorf("pgbench ran no transaction: %s", output)
	}
	return Sample{
		Units: n, Took: time.Duration(float64(n) / tps * float64(time.Second)),
		Commands: int64(n) * p.Commands, Appends: int64(n) * p.Appends,
	}, nil
}

// readLatencies reads pgbench's log, one file per thread. The third field of a line is microseconds.
func readLatencies(dir string) (all []time.Duration, err error) {
	files, _ := filepath.Glob(filepath.Join(dir, "pgbench_log.*"))
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		all, err = appendLatencies(all, f)
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func appendLatencies(all []time.Duration, log io.Reader) ([]time.Duration, error) {
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 3 {
			continue
		}
		micros, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("unexpected log line of pgbench: %q", lines.Text())
		}
		all = append(all, time.Duration(micros)*time.Microsecond)
	}
	return all, lines.Err()
}
