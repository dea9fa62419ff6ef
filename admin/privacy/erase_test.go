package privacy

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// TestMention: PostgreSQL finds an address in a text, and does not take a longer one for it.
func TestMention(t *testing.T) {
	t.Parallel()
	db, err := pgx.Connect(t.Context(), pgtest.New(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(t.Context()) })
	for text, want := range map[string]bool{
		"ann+x@b.example": true, "<ann+x@b.example>": true, "ask ann+x@b.example.": true, "ann+x@b.example, please": true, "mail:ann+x@b.example": true,
		"joann+x@b.example": false, "jo.ann+x@b.example": false, "jo-ann+x@b.example": false, "ann+x@b.example.org": false, "ann+x@b.examples": false,
		"annnx@b.example": false, "ann+x@bxexample": false,
	} {
		var found bool
		require.NoError(t, db.QueryRow(t.Context(), "select $1::text ~ $2::text", text, mention("ann+x@b.example")).Scan(&found))
		require.Equal(t, want, found, text)
	}
}
