package eventstore_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
)

// TestNotes: a text lies beside the events that refer to it, is stored only with them, and can be erased.
func TestNotes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	stream := uuid.New()
	const text = `Ada "Byron" <ada@example.com>`
	note := b.store.NewNote(text)
	do := func(events []jarEvent, refusal error) error {
		_, err := jars.Handle(t.Context(), b.store, stream, eventstore.Command{Note: note},
			func(*eventstore.Tx, eventstore.Stream[jar]) ([]jarEvent, error) { return events, refusal })
		return err
	}
	refused := errors.New("refused")
	require.ErrorIs(t, do([]jarEvent{put{"x"}}, refused), refused)
	require.NoError(t, do(nil, nil))
	require.Zero(t, b.count(t, "select count(*) from cart.notes"), "without events there is no note")

	require.NoError(t, do([]jarEvent{put{note.Reference()}}, nil))
	require.Equal(t, 1, b.count(t, "select count(*) from cart.notes where text = $1 and stream = $2", text, stream))
	require.Zero(t, b.count(t, "select count(*) from cart.events where data::text like '%ada@example.com%'"))

	old, unknown := "An old reason.", "note:cart/"+uuid.NewString()
	reveal := func(want string) {
		reason, gone, plain, none := note.Reference(), unknown, old, ""
		shown := json.RawMessage(`{"reason":"` + note.Reference() + `","thing":"` + note.Reference() + `","reasons":[{"reason":"` + old + `"}]}`)
		require.NoError(t, b.store.Reveal(t.Context(), &reason, &gone, &plain, &none))
		require.Equal(t, []string{want, "", old, ""}, []string{reason, gone, plain, none})
		require.NoError(t, b.store.RevealIn(t.Context(), &shown))
		quoted, err := json.Marshal(want)
		require.NoError(t, err)
		require.JSONEq(t, `{"reason":`+string(quoted)+`,"thing":"`+note.Reference()+`","reasons":[{"reason":"`+old+`"}]}`, string(shown))
	}
	erase := func(stream uuid.UUID, mentions ...string) error {
		_, err := b.store.EraseNotes(t.Context(), []uuid.UUID{stream}, mentions)
		return err
	}
	reveal(text)
	require.NoError(t, erase(uuid.New(), "eve@example.com"))
	reveal(text)
	require.NoError(t, erase(stream))
	reveal("")
	const discarded = "select count(*) from cart.parked where stream = $1 and reason is not null"
	_, err := b.pools.Query.Exec(t.Context(), `insert into cart.parked (id, reader, stream, version, attempts, parked_at, discarded_at, discarded_by, reason)
		values (gen_random_uuid(), 'r', $1, 1, 1, now(), now(), 'eve', 'It names Ada.')`, stream)
	require.NoError(t, err)
	parked, err := b.store.ParkedOf(t.Context(), []uuid.UUID{stream})
	require.NoError(t, err)
	require.Len(t, parked, 1)
	require.NoError(t, erase(uuid.New()))
	require.Equal(t, 1, b.count(t, discarded, stream))
	require.NoError(t, erase(stream))
	require.Zero(t, b.count(t, discarded, stream))
	note = b.store.NewNote(text)
	require.NoError(t, do([]jarEvent{put{note.Reference()}}, nil))
	reveal(text)
	require.NoError(t, erase(uuid.New(), "ada@example.com"))
	reveal("")
	require.Empty(t, b.store.NewNote("").Reference())
}
