//go:build !windows

package pgtest

import (
	"os"
	"testing"

	"shopping-cart/internal/cluster"
	"shopping-cart/platform/database"
)

// Durable starts a separate server for benchmarks and returns the URL of a database with every schema. The server has
// PostgreSQL's defaults (plus room for 128 callers), so every commit is on disk before it is answered.
func Durable(b testing.TB) string {
	b.Helper()
	server := cluster.Postgres{EmbeddedConfig: database.EmbeddedConfig{
		Dir: b.TempDir(), BinDir: os.Getenv("PG_BIN_DIR"), Params: map[string]string{"max_connections": "200"},
	}}
	if err := server.Start(b.Context()); err != nil {
		b.Fatalf("pgtest: start a durable server: %v", err)
	}
	b.Cleanup(server.Crash) // the data is thrown away
	migrate(b, server.URL())
	return server.URL()
}
