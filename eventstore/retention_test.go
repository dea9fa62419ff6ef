package eventstore

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

const receiptsOf = `insert into cart.receipts (id, stream, version, status, at)
	select gen_random_uuid(), gen_random_uuid(), 1, 0, now() - $2::interval from generate_series(1, $1) n`

func (b *idleStore) count(t *testing.T, sql string) (n int) {
	t.Helper()
	require.NoError(t, b.pools.Control.QueryRow(t.Context(), sql).Scan(&n))
	return n
}

func (b *idleStore) receipts(keep time.Duration) Retention {
	s := Store{schema: "cart", db: Database{ReceiptRetention: keep, Control: b.pools.Control}}
	return s.retentions()[0]
}

func TestRetention(t *testing.T) {
	t.Parallel()

	t.Run("DeletesTheOldOnesOnly", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.exec(t, receiptsOf, 30_000, 25*time.Hour)
		b.exec(t, receiptsOf, 10, 23*time.Hour)
		require.NoError(t, b.receipts(24*time.Hour).walk().pass(t.Context(), b.pools.Control))
		require.Equal(t, 10, b.count(t, "select count(*) from cart.receipts"))
	})

	t.Run("InSmallTransactions", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.exec(t, receiptsOf, pruneLimit+1, 25*time.Hour)
		more, err := b.receipts(24*time.Hour).walk().step(t.Context(), tid{Valid: true}, tid{BlockNumber: walkPages, Valid: true})
		require.NoError(t, err)
		require.True(t, more)
		require.Equal(t, 1, b.count(t, "select count(*) from cart.receipts"))
	})

	t.Run("LooksAtFewPagesAtATime", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.exec(t, receiptsOf, 60_000, 25*time.Hour)
		sql := "select ctid from cart.receipts where ctid >= $1 and ctid < $2 and (at < now() - $3::interval) limit $4"
		for range 7 {
			pages := touched(t, b.pools.Control, sql, tid{BlockNumber: 10, Valid: true}, tid{BlockNumber: 20, Valid: true}, time.Hour, 10*pruneLimit)
			require.Less(t, pages, 20)
		}
		require.Greater(t, b.count(t, "select pg_relation_size('cart.receipts') / 8192"), 500)
	})

	t.Run("WhatOthersHoldStopsNothing", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.exec(t, receiptsOf, 3, 25*time.Hour)
		var id uuid.UUID
		require.NoError(t, b.pools.Control.QueryRow(t.Context(), "select id from cart.receipts order by id limit 1").Scan(&id))
		release := b.locks(t, "cart.receipts", "id", id)
		walk := func() { require.NoError(t, b.receipts(24*time.Hour).walk().pass(bounded(t), b.pools.Control)) }
		walk()
		require.Equal(t, 1, b.count(t, "select count(*) from cart.receipts"))
		release()
		walk()
		require.Zero(t, b.count(t, "select count(*) from cart.receipts"))
	})

	t.Run("SeveralAtOnce", func(t *testing.T) {
		t.Parallel()
		b := open(t)
		b.exec(t, receiptsOf, 5*pruneLimit, 25*time.Hour)
		b.exec(t, receiptsOf, 5, time.Hour)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if err := b.receipts(24*time.Hour).walk().pass(context.WithoutCancel(t.Context()), b.pools.Control); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.NoError(t, b.receipts(24*time.Hour).walk().pass(t.Context(), b.pools.Control)) // what others held is left for the next walk
		require.Equal(t, 5, b.count(t, "select count(*) from cart.receipts"))
	})
}
