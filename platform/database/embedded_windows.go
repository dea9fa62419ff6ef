package database

import (
	"context"
	"errors"
	"log/slog"
)

// EmbeddedConfig configures the embedded server.
type EmbeddedConfig struct {
	Dir         string
	BinDir      string
	Database    string
	Connections int32
	Params      map[string]string
	NoSync      bool
	Logger      *slog.Logger
}

// Embedded is a PostgreSQL server of this process. Windows has none.
type Embedded struct{}

// LockFile is the file in the data directory that a running server locks.
const LockFile = "owner.lock"

var errNoEmbedded = errors.New("the embedded PostgreSQL does not run on Windows: set DATABASE_URL to a server that runs, " +
	"such as postgres://user:password@localhost:5432/shop")

// Start returns an error: a server that ends with this process needs features that Windows lacks.
func Start(context.Context, EmbeddedConfig) (*Embedded, error) { return nil, errNoEmbedded }

// URL returns "": there is no server.
func (*Embedded) URL(string) string { return "" }

// Done returns a closed channel: there is no server.
func (*Embedded) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

// Stop does nothing: there is no server.
func (*Embedded) Stop(context.Context) error { return nil }

// Crash does nothing: there is no server.
func (*Embedded) Crash() {}
