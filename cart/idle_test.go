package cart

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
)

const (
	testTTL  = 100 * time.Second
	patience = 30 * time.Second
	look     = 20 * time.Millisecond
)

// left makes carts look untouched for the given time.
func (b *testBundle) left(t *testing.T, since time.Duration, ids ...uuid.UUID) {
	t.Helper()
	for _, id := range ids {
		b.exec(t, `update cart.streams set updated_at = updated_at - $2::interval,
			wake_at = date_trunc('hour', updated_at - $2::interval) where id = $1`, id, since)
	}
}

func (b *testBundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.Query.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (b *testBundle) status(t *testing.T, id uuid.UUID) Status {
	t.Helper()
	cart, err := carts.Load(t.Context(), b.store, id)
	require.NoError(t, err)
	return cart.State.Status
}

func (b *testBundle) last(t *testing.T, id uuid.UUID) eventstore.Recorded {
	t.Helper()
	events, err := b.store.ReadStream(t.Context(), id, 0, 100)
	require.NoError(t, err)
	return events[len(events)-1]
}

// TestIdleCarts expires carts from two processes at once.
func TestIdleCarts(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	idle := func(m *Module) { m.TTL = testTTL }
	b, other := setupOn(t, url, idle), setupOn(t, url, idle)
	b.sells(t, "MUG")
	ada := b.as(t, "ada")
	opens := func() uuid.UUID {
		path, id := ada.opens(t)
		ada.adds(t, path, "MUG")
		return id
	}
	var forgotten []uuid.UUID
	for range 20 {
		forgotten = append(forgotten, opens())
	}
	fresh, sealed, old := opens(), opens(), opens()
	_, err := b.seals(t, "ada", sealed, 2)
	require.NoError(t, err)
	b.left(t, time.Hour, append(forgotten, sealed, old)...)
	// The sweep finds this cart, but the decision does not expire it.
	touched := opens()
	b.exec(t, "update cart.streams set wake_at = wake_at - interval '2 hours' where id = $1", touched)
	// An older version wrote this stream.
	b.exec(t, "update cart.streams set wake_at = null where id = $1", old)
	run(t, b.Run)
	run(t, other.Run)

	for _, id := range append(forgotten, old) {
		require.Eventually(t, func() bool { return b.status(t, id) == StatusAbandoned }, patience, look)
		last := b.last(t, id)
		require.EqualValues(t, 3, last.Version, "by two processes, once")
		require.Equal(t, eventstore.TypeOf(Abandoned{}), last.Type)
		require.Equal(t, "timer", last.Meta.Actor)
	}
	require.Equal(t, StatusOpen, b.status(t, fresh))
	require.Equal(t, StatusOpen, b.status(t, touched))
	require.Equal(t, StatusCheckingOut, b.status(t, sealed))
}

// TestExpire changes the cart between the sweep and the decision.
func TestExpire(t *testing.T) {
	t.Parallel()
	b := setupOn(t, pgtest.New(t), func(m *Module) { m.TTL = testTTL })
	b.sells(t, "MUG")
	ada := b.as(t, "ada")
	path, id := ada.opens(t)
	b.left(t, time.Hour, id)
	ada.adds(t, path, "MUG")
	require.NoError(t, b.expire(t.Context(), id))
	require.Equal(t, StatusOpen, b.status(t, id), "it was touched")

	b.left(t, time.Hour, id)
	_, err := b.seals(t, "ada", id, 2)
	require.NoError(t, err)
	b.left(t, time.Hour, id)
	require.NoError(t, b.expire(t.Context(), id))
	require.Equal(t, StatusCheckingOut, b.status(t, id), "its shopper is paying")
	require.NoError(t, b.expire(t.Context(), uuid.New()), "there is no such cart")
}

func TestWakeAt(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 14, 59, 59, 0, time.UTC)
	open := State{CustomerID: "ada", Status: StatusOpen}
	require.Equal(t, time.Date(2026, 3, 1, 14, 0, 0, 0, time.UTC), index(open, at).WakeAt)
	for _, closed := range []Status{StatusCheckingOut, StatusCheckedOut, StatusMerged, StatusAbandoned, ""} {
		require.Zero(t, index(State{Status: closed}, at).WakeAt, closed)
	}
}

// TestEditsStayInPlace checks that an edit changes no indexed column, so that PostgreSQL updates its row in place (HOT).
func TestEditsStayInPlace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sells(t, "MUG")
	ada := b.as(t, "ada")
	path, _ := ada.opens(t)
	const edits = 100
	for range edits {
		ada.adds(t, path, "MUG")
	}
	require.Eventually(t, func() bool { // PostgreSQL counts with a delay
		var updates, inPlace int
		row := b.Query.QueryRow(t.Context(), `select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables
			where schemaname = 'cart' and relname = 'streams'`)
		require.NoError(t, row.Scan(&updates, &inPlace))
		return updates >= edits && inPlace >= edits*8/10
	}, patience, look)
}
