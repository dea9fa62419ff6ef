package order

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/web"
)

// oldContact places an order with a contact as the previous version wrote it, without a folded address.
func (s *shop) oldContact(customer, address string) Place {
	s.t.Helper()
	p := newPlace(line("mug", 1))
	p.CustomerID = customer
	_, err := s.pools.Write.Exec(s.t.Context(), `insert into orders.contacts (id, customer, email, shipping_address, created_at)
		values ($1, $2, $3, $4, now()) on conflict (id) do nothing`, p.ContactID, customer, address, nil)
	require.NoError(s.t, err)
	s.must(p, Confirm{OrderID: p.OrderID})
	return p
}

// foundBy returns the numbers of the orders that a search finds, newest first.
func (s *shop) foundBy(address string) []string {
	s.t.Helper()
	a := s.call("root", "GET", "/v1/admin/orders?email="+url.QueryEscape(address), "")
	require.Equal(s.t, http.StatusOK, a.Status, a.Body)
	return a.numbersOf()
}

func (s *shop) unfolded() (n int) {
	s.t.Helper()
	require.NoError(s.t, s.pools.Query.QueryRow(s.t.Context(), "select count(*) from orders.contacts where email_folded is null").Scan(&n))
	return n
}

// openInC opens a shop on a database with the locale C, which lowers only ASCII letters, as the embedded one does.
func openInC(t *testing.T) *shop {
	t.Helper()
	s := open(t)
	var lowered string
	require.NoError(t, s.pools.Query.QueryRow(t.Context(), "select lower('MÜ')").Scan(&lowered))
	require.Equal(t, "mÜ", lowered, "the database folds by itself")
	return s
}

func TestSearchByEmail(t *testing.T) {
	t.Parallel()
	s := openInC(t)
	n := s.numberOf
	place := func(address string) Place {
		p := newPlace(line("mug", 1))
		require.NoError(t, s.SaveContact(t.Context(), Contact{ID: p.ContactID, CustomerID: p.CustomerID, Email: address}))
		s.must(p, Confirm{OrderID: p.OrderID})
		return p
	}
	müller, zoë, other := place("MÜLLER@example.com"), place("zoe\u0308@bücher.example"), place("muller@example.com")

	for address, want := range map[string]Place{
		"müller@example.com": müller, "MÜLLER@EXAMPLE.COM": müller, "Mu\u0308ller@example.com": müller,
		"ZOË@BÜCHER.example": zoë, "muller@example.com": other,
	} {
		require.Equal(t, []string{n(want)}, s.foundBy(address), address)
	}
	require.Empty(t, s.foundBy("zoe@bücher.example"))
	require.Equal(t, "MÜLLER@example.com", s.call("root", "GET", "/v1/orders/"+müller.OrderID.String(), "").Body["email"], "shown as it was given")
	require.Zero(t, s.unfolded())
}

func TestFoldContacts(t *testing.T) {
	t.Parallel()

	t.Run("OfAnOlderVersionAreFound", func(t *testing.T) {
		t.Parallel()
		s := openInC(t)
		n := s.numberOf
		müller, zoe, eve := s.oldContact("müller", "MÜLLER@example.com"), s.oldContact("zoe", "zoe\u200b@example.com"), s.oldContact("eve", "\u2009eve@example.com")
		bob := s.oldContact("bob", "Bob@example.com")
		require.Equal(t, []string{n(bob)}, s.foundBy("BOB@example.com"), "before it is folded, as the version before finds it")

		require.NoError(t, s.foldAll(t.Context()))
		require.Equal(t, []string{n(müller)}, s.foundBy("müller@example.com"))
		require.Equal(t, []string{n(zoe)}, s.foundBy("zoe@example.com"))
		require.Equal(t, []string{n(eve)}, s.foundBy("eve@example.com"))
		require.Equal(t, []string{n(bob)}, s.foundBy("bob@example.com"))
		require.Equal(t, "zoe\u200b@example.com", s.call("root", "GET", "/v1/orders/"+zoe.OrderID.String(), "").Body["email"], "stored as it was")

		held, err := s.ContactsByEmail(t.Context(), "ZOE@example.com")
		require.NoError(t, err)
		require.Equal(t, []ContactRef{{zoe.ContactID, "zoe", "zoe\u200b@example.com"}}, held)
		_, err = s.EraseContacts(t.Context(), web.Write{}, []uuid.UUID{zoe.ContactID})
		require.NoError(t, err)
		require.Empty(t, s.foundBy("zoe@example.com"), "erased")
		require.Nil(t, s.call("root", "GET", "/v1/orders/"+zoe.OrderID.String(), "").Body["email"])
	})

	t.Run("WhileTheOlderVersionIsAtWork", func(t *testing.T) {
		t.Parallel()
		s := openInC(t)
		before := s.oldContact("before", "ÄNNE@example.com")
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.foldContacts(ctx, 20*time.Millisecond)
		}()
		t.Cleanup(func() { stop(); <-done })
		folded := func() bool { return s.unfolded() == 0 }
		require.Eventually(t, folded, 30*time.Second, 20*time.Millisecond)
		require.Equal(t, []string{s.numberOf(before)}, s.foundBy("änne@example.com"))
		during := s.oldContact("during", "Änne@example.com")
		require.Eventually(t, folded, 30*time.Second, 20*time.Millisecond, "one that came later")
		require.Equal(t, []string{s.numberOf(during), s.numberOf(before)}, s.foundBy("änne@example.com"))
	})

	t.Run("TheModuleDoesItAtItsStart", func(t *testing.T) {
		t.Parallel()
		s := openInC(t)
		p := s.oldContact("müller", "MÜLLER@example.com")
		s.runLoops()
		require.Eventually(t, func() bool { return s.unfolded() == 0 }, 30*time.Second, 20*time.Millisecond)
		require.Equal(t, []string{s.numberOf(p)}, s.foundBy("müller@example.com"))
	})

	t.Run("ManyInBatchesByTwoProcesses", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		s, replica := openAt(t, url), openAt(t, url)
		_, err := s.pools.Write.Exec(t.Context(), `insert into orders.contacts (id, customer, email, created_at)
			select gen_random_uuid(), 'c', 'Ü' || i || '@example.com', now() from generate_series(1, 2 * $1::int + 7) i`, foldLimit)
		require.NoError(t, err)
		first, err := s.foldSome(t.Context(), [16]byte{})
		require.NoError(t, err)
		require.Equal(t, foldLimit, len(first))
		require.Equal(t, foldLimit+7, s.unfolded(), "a batch is bounded, and what is cut off goes on from there")
		errs := make([]error, 2)
		together(2, func(i int) { errs[i] = []*shop{s, replica}[i].foldAll(t.Context()) })
		require.Equal(t, []error{nil, nil}, errs)
		require.NoError(t, s.foldAll(t.Context()), "what the other one skipped")
		require.Zero(t, s.unfolded())
		var right int
		require.NoError(t, s.pools.Query.QueryRow(t.Context(), "select count(*) from orders.contacts where email_folded = replace(email, 'Ü', 'ü')").Scan(&right))
		require.Equal(t, 2*foldLimit+7, right)
	})

	t.Run("ALockedOneHoldsUpNoOther", func(t *testing.T) {
		t.Parallel()
		s := openInC(t)
		locked, free := s.oldContact("locked", "Ö@example.com"), s.oldContact("free", "Ä@example.com")
		conn, err := pgx.ConnectConfig(t.Context(), s.pools.Write.Config().ConnConfig.Copy())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		tx, err := conn.Begin(t.Context())
		require.NoError(t, err)
		_, err = tx.Exec(t.Context(), "select from orders.contacts where id = $1 for update", locked.ContactID)
		require.NoError(t, err)
		require.NoError(t, s.foldAll(t.Context()))
		require.Equal(t, []string{s.numberOf(free)}, s.foundBy("ä@example.com"))
		require.Equal(t, 1, s.unfolded())
		require.NoError(t, tx.Rollback(t.Context()))
		require.NoError(t, s.foldAll(t.Context()))
		require.Equal(t, []string{s.numberOf(locked)}, s.foundBy("ö@example.com"))
	})
}
