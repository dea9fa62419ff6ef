package eventstore_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
)

// TestOnce sends one request many times at once: one of them does it, and all others hear that it was done.
func TestOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id, stream := uuid.New(), uuid.New()
	_, err := b.pools.Query.Exec(t.Context(), `insert into cart.parked (id, reader, stream, version, attempts, parked_at, next_at)
		values ($1, 'flaky', $2, 1, 8, now(), now())`, id, stream)
	require.NoError(t, err)
	once := eventstore.IdempotencyKey{ID: uuid.New(), Fingerprint: []byte("discard")}
	answered, err := b.store.Processed(t.Context(), once)
	require.NoError(t, err)
	require.False(t, answered)

	var all sync.WaitGroup
	var done atomic.Int64
	for range 8 {
		all.Go(func() {
			replayed, err := b.store.DiscardParked(t.Context(), id, "root", "of no use", once)
			if assert.NoError(t, err) && !replayed {
				done.Add(1)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 1, done.Load())
	require.Equal(t, 1, b.count(t, "select count(*) from cart.receipts where id = $1", once.ID))
	answered, err = b.store.Processed(t.Context(), once)
	require.NoError(t, err)
	require.True(t, answered)

	other := eventstore.IdempotencyKey{ID: once.ID, Fingerprint: []byte("replay")}
	_, err = b.store.ReplayParked(t.Context(), id, other)
	require.ErrorIs(t, err, eventstore.ErrKeyReused)
	_, err = b.store.Processed(t.Context(), other)
	require.ErrorIs(t, err, eventstore.ErrKeyReused)

	refused := eventstore.IdempotencyKey{ID: uuid.New()}
	_, err = b.store.ReplayParked(t.Context(), id, refused)
	require.ErrorContains(t, err, "no such parked message")
	require.Zero(t, b.count(t, "select count(*) from cart.receipts where id = $1", refused.ID), "a refusal leaves nothing")
}
