//go:build !windows

package pgtest

import (
	"context"
	"os"
	"testing"

	"shopping-cart/migrations"
	"shopping-cart/platform/database"
)

// Durable starts a separate server for benchmarks and returns the URL of a database with every schema. The server has
// PostgreSQL's defaults (plus room for 128 callers), so every commit is on disk before it is answered.
func Durable(b testing.TB) string {
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
	url := server.URL("shop")
	for _, schema := range migrations.Schemas {
		if err := database.Migrate(b.Context(), url, schema); err != nil {
			b.Fatalf("pgtest: migrate %s: %v", schema, err)
		}
	}
	return url
}
