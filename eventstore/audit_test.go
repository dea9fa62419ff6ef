package eventstore_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
)

// audited reads the whole store, page by page.
func (b *bundle) audited(t *testing.T) (flaws []eventstore.Violation, read, pages int) {
	t.Helper()
	for after := uuid.Nil; pages == 0 || after != uuid.Nil; pages++ {
		found, n, next, err := b.store.Audit(t.Context(), after)
		require.NoError(t, err)
		flaws, read, after = append(flaws, found...), read+n, next
	}
	return flaws, read, pages
}

func (b *bundle) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	_, err := b.pools.Query.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

// TestAudit: over more streams than a page holds, and more events than one statement reads, each flaw is found once and
// where it is; the other ways of breaking a store are in TestVerify.
func TestAudit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one := uuid.New()
	_, err := b.put(t.Context(), uuid.New(), one, "a")
	require.NoError(t, err)
	const streams, events = 1200, 12
	b.exec(t, `create table ids as select gen_random_uuid() id from generate_series(1, $1::int)`, streams)
	b.exec(t, `insert into cart.events select nextval('cart.position'), id, v, 'jar.put', json_build_object('thing', 'x'), '{}', now()
		from ids, generate_series(1, $1::int) v order by id, v`, events)
	b.exec(t, `insert into cart.streams select id, $1::int, 'jar', 1, json_build_object('things', array_fill('x'::text, array[$1::int]), 'closed', false),
		null, 'open', null, null, now(), now() from ids`, events)
	flaws, read, pages := b.audited(t)
	require.Empty(t, flaws)
	require.Equal(t, streams+1, read)
	require.Equal(t, 3, pages)

	var broken []uuid.UUID
	require.NoError(t, b.pools.Query.QueryRow(t.Context(), `select array_agg(id order by id) from
		(select id, row_number() over (order by id) n from ids) i where n in (1, 499, 500, 501, 502, 1000, 1200)`).Scan(&broken))
	b.exec(t, `delete from cart.events where stream = any($1) and version = 7`, broken)
	flaws, _, _ = b.audited(t)
	var at []uuid.UUID
	for _, f := range flaws {
		require.Equal(t, eventstore.ViolationVersion, f.Check)
		require.Equal(t, int64(7), f.Version)
		at = append(at, f.Stream)
		alone, err := b.store.AuditStream(t.Context(), f.Stream)
		require.NoError(t, err)
		require.Equal(t, []eventstore.Violation{f}, alone)
	}
	require.Equal(t, broken, at)
	b.exec(t, `delete from cart.streams where id = any($1)`, broken)
	flaws, _, _ = b.audited(t)
	require.Len(t, flaws, len(broken), "events without a row are found, on whatever page")
	alone, err := b.store.AuditStream(t.Context(), one)
	require.NoError(t, err)
	require.Empty(t, alone)
}

// TestBook leaves out what cannot be read, and what is of another kind, and comes to the end all the same.
func TestBook(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var ids []uuid.UUID
	for range 7 {
		ids = append(ids, uuid.New())
		_, err := b.put(t.Context(), uuid.New(), ids[len(ids)-1], "a")
		require.NoError(t, err)
	}
	b.exec(t, `update cart.streams set state = '{"things":7}' where id = $1`, ids[0])
	b.exec(t, `update cart.streams set fold = 0, state = '{"things":7}' where id = $1`, ids[1])
	b.exec(t, `update cart.streams set kind = 'pot' where id = $1`, ids[2])
	book := eventstore.NewQuery(b.store, jars, func(s eventstore.Stream[jar]) eventstore.Stream[jar] { return s })
	seen := map[uuid.UUID]bool{}
	for after, n := uuid.Nil, 0; n == 0 || after != uuid.Nil; n++ {
		page, next, err := book.Page(t.Context(), after, 2)
		require.NoError(t, err)
		for _, s := range page {
			require.Equal(t, []string{"a"}, s.State.Things)
			require.False(t, seen[s.ID])
			seen[s.ID] = true
		}
		after = next
	}
	require.Len(t, seen, 5)
	require.True(t, seen[ids[1]], "a state of another fold is folded anew")
	of, err := book.ByID(t.Context(), append(ids, uuid.New()))
	require.NoError(t, err)
	require.Len(t, of, 5)
}

// TestAuditKeys: keys that streams share are found in any page and across the end of one.
func TestAuditKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.exec(t, "drop index cart.streams_key")
	b.exec(t, `insert into cart.streams select gen_random_uuid(), 1, 'jar', 1, '{}', null, 'open', to_char(n, 'FM000000'), null, now(), now()
		from generate_series(1, 45000) n`)
	audited := func() (flaws map[string]int, pages int) {
		flaws = map[string]int{}
		for from := ""; pages == 0 || from != ""; pages++ {
			found, next, err := b.store.AuditKeys(t.Context(), from)
			require.NoError(t, err)
			for _, f := range found {
				require.Equal(t, eventstore.ViolationKey, f.Check)
				alone, err := b.store.AuditKey(t.Context(), f.Stream)
				require.NoError(t, err)
				require.Contains(t, alone, f)
				flaws[f.Detail[:len(`The jar "000007" is there 3 times`)]]++
			}
			from = next
		}
		return flaws, pages
	}
	flaws, pages := audited()
	require.Empty(t, flaws)
	require.Equal(t, 3, pages)
	b.exec(t, `update cart.streams set key = '000007' where key in ('000008', '000009')`)
	b.exec(t, `update cart.streams set key = '020000' where key = '020001'`) // the last of the first page, and the first of the second
	b.exec(t, `update cart.streams set key = '045000' where key = '044999'`)
	flaws, _ = audited()
	require.Equal(t, map[string]int{
		`The jar "000007" is there 3 times`: 3, `The jar "020000" is there 2 times`: 2, `The jar "045000" is there 2 times`: 2,
	}, flaws)
}
