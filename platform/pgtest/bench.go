package pgtest

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"shopping-cart/migrations"
	"shopping-cart/platform/database"
)

// Durable starts a server of its own at PostgreSQL's defaults (but for room for 128 callers), every commit on disk before it is answered, and gives
// the URL of a database that holds every schema. It is what benchmarks run on.
func Durable(b *testing.B) string {
	b.Helper()
	server, err := database.Start(b.Context(), database.EmbeddedConfig{Dir: b.TempDir(), BinDir: os.Getenv("PG_BIN_DIR"), Params: map[string]string{"max_connections": "200"}})
	if err != nil {
		b.Fatalf("pgtest: start a durable server: %v", err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = server.Stop(ctx) // the data is thrown away
	})
	return migrated(b, server.URL("shop"))
}

func migrated(b *testing.B, url string) string {
	b.Helper()
	for _, schema := range migrations.Schemas {
		if err := database.Migrate(b.Context(), url, schema); err != nil {
			b.Fatalf("pgtest: migrate %s: %v", schema, err)
		}
	}
	return url
}

var (
	tps      = regexp.MustCompile(`tps = ([0-9.]+)`)
	failures = regexp.MustCompile(`number of failed transactions: ([1-9]\d*)`)
)

// Pgbench measures what the server at server gives to b.N runs of a script, from so many callers at once: the same
// writes with no program in between. It works in a database of its own there, which setup (SQL) has filled once.
func Pgbench(b *testing.B, server string, callers int, setup, script string) {
	b.Helper()
	binary := findPgbench(b)
	target, err := pgx.ParseConfig(scriptsDatabase(b, server, setup))
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	output, err := exec.CommandContext(b.Context(), binary, "-n", "-M", "prepared", "-c", strconv.Itoa(callers), "-j", "2",
		"-t", strconv.Itoa(max(1, b.N/callers)), "-f", script,
		"-h", target.Host, "-p", strconv.Itoa(int(target.Port)), "-U", target.User, target.Database).CombinedOutput()
	b.StopTimer()
	found := tps.FindSubmatch(output)
	if err != nil || found == nil || failures.Match(output) {
		b.Fatalf("pgbench: %v\n%s", err, output)
	}
	rate, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(rate, "per_s")
	b.ReportMetric(0, "ns/op") // with the start of pgbench in it, it would mean nothing
}

func findPgbench(b *testing.B) string {
	b.Helper()
	if path, err := exec.LookPath("pgbench"); err == nil {
		return path
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench")
	if len(found) == 0 {
		b.Skip("pgbench is not installed")
	}
	return found[len(found)-1]
}

// scriptsDatabase gives the database for scripts on a server, and makes it the first time.
func scriptsDatabase(b *testing.B, server, setup string) string {
	b.Helper()
	ctx := b.Context()
	base, err := url.Parse(server)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(ctx)
	name := strings.TrimPrefix(base.Path, "/") + "_scripts"
	scripts := *base
	scripts.Path = "/" + name
	if _, err := conn.Exec(ctx, "create database "+quote(name)); err != nil {
		return scripts.String() // made before
	}
	migrated(b, scripts.String())
	fill(b, scripts.String(), setup)
	return scripts.String()
}

func fill(b *testing.B, url, setup string) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	sql, err := os.ReadFile(setup)
	if err != nil {
		b.Fatal(err)
	}
	for _, statement := range strings.Split(strings.TrimSpace(string(sql)), ";\n") { // one by one: VACUUM wants no transaction
		if _, err := conn.Exec(b.Context(), statement); err != nil {
			b.Fatalf("%s: %v", statement, err)
		}
	}
}
