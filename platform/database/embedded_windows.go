package database

import (
	"context"
	"errors"
	"log/slog"
)

// EmbeddedConfig says where the private server lives.
type EmbeddedConfig struct {
	Dir         string
	BinDir      string
	Database    string
	Connections int32
	Params      map[string]string
	NoSync      bool
	Logger      *slog.Logger
}

// Embedded is a PostgreSQL server that belongs to this process. There is none on Windows.
type Embedded struct{}

// LockFile is the file in the data directory that a server holds a lock on.
const LockFile = "owner.lock"

var errNoEmbedded = errors.New("the embedded PostgreSQL does not run on Windows: set DATABASE_URL to a server that runs, " +
	"such as postgres://user:password@localhost:5432/shop")

// Start refuses: a server that ends with this process needs what Windows does not have.
func Start(context.Context, EmbeddedConfig) (*Embedded, error) { return nil, errNoEmbedded }

// URL is empty: there is no server.
func (*Embedded) URL(string) string { return "" }

// Done is closed: there is no server.
func (*Embedded) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}

// Stop has nothing to stop.
func (*Embedded) Stop(context.Context) error { return nil }
