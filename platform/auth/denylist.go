package auth

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shopping-cart/platform/backoff"
)

// readDenied is the pause between two readings of the list.
const readDenied = time.Second

// DenyList holds the ids of revoked tokens. They are in a table that every replica reads each second. While the database is away,
// the last reading stays in force. An id leaves the list an hour after its token has expired, for the clocks of other machines.
type DenyList struct {
	pool    *pgxpool.Pool
	log     *slog.Logger
	reading sync.Mutex // an older reading must not replace a newer one
	ids     atomic.Pointer[map[string]bool]
}

// NewDenyList reads the list.
func NewDenyList(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (*DenyList, error) {
	d := &DenyList{pool: pool, log: log}
	return d, d.read(ctx)
}

// Has reports whether the token with an id was revoked.
func (d *DenyList) Has(id string) bool { return (*d.ids.Load())[id] }

// run reads the list again and again until ctx is done.
func (d *DenyList) run(ctx context.Context) {
	away := false
	for backoff.Sleep(ctx, backoff.Jitter(readDenied)) {
		err := d.read(ctx)
		if err != nil && !away && ctx.Err() == nil {
			d.log.Warn("failed to read the revoked tokens, will retry; those known stay revoked", "error", err)
		}
		away = err != nil
	}
}

const (
	selectDenied = `select id from saga.revoked_tokens where expires_at > now() - interval '1 hour'`
	insertDenied = `insert into saga.revoked_tokens (id, expires_at, revoked_by) values ($1, $2, $3) on conflict (id) do nothing`
	deleteDenied = `delete from saga.revoked_tokens where expires_at <= now() - interval '1 hour'`
)

func (d *DenyList) read(ctx context.Context) error {
	d.reading.Lock()
	defer d.reading.Unlock()
	rows, err := d.pool.Query(ctx, selectDenied)
	if err != nil {
		return fmt.Errorf("read the revoked tokens: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("read the revoked tokens: %w", err)
	}
	ids := make(map[string]bool, len(found))
	for _, id := range found {
		ids[id] = true
	}
	d.ids.Store(&ids)
	return nil
}

// add puts an id on the list until it expires. It takes effect here at once, and on other replicas within about a second.
func (d *DenyList) add(ctx context.Context, id string, expires time.Time, by string) error {
	batch := &pgx.Batch{}
	batch.Queue(deleteDenied)
	batch.Queue(insertDenied, id, expires, by)
	if err := d.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	return d.read(ctx)
}
