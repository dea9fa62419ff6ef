package auth

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

func TestDenyList(t *testing.T) {
	t.Parallel()
	pools, err := database.Open(t.Context(), pgtest.New(t), database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	open := func() *DenyList {
		d, err := NewDenyList(t.Context(), pools.Control, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		return d
	}
	here, there := open(), open()
	now := time.Now()

	require.NoError(t, here.add(t.Context(), "one", now.Add(time.Hour), "ada"))
	require.NoError(t, here.add(t.Context(), "one", now.Add(time.Hour), "bob"), "again")
	require.True(t, here.Has("one"))
	require.False(t, here.Has("two"))
	require.False(t, there.Has("one"))
	require.NoError(t, there.read(t.Context()))
	require.True(t, there.Has("one"))
	require.True(t, open().Has("one"), "after a restart")

	require.NoError(t, here.add(t.Context(), "expired", now.Add(-30*time.Minute), "ada"))
	require.True(t, here.Has("expired"), "the clocks of machines differ")
	require.NoError(t, here.add(t.Context(), "forgotten", now.Add(-2*time.Hour), "ada"))
	require.False(t, here.Has("forgotten"))
	require.NoError(t, here.add(t.Context(), "two", now.Add(time.Hour), "ada"))
	var rows int
	require.NoError(t, pools.Query.QueryRow(t.Context(), "select count(*) from saga.revoked_tokens").Scan(&rows))
	require.Equal(t, 3, rows, "the expired row is gone")

	cut, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, here.read(cut))
	require.True(t, here.Has("one"), "an unreachable database ends no revocation")
}
