package order

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"shopping-cart/platform/web"

	"github.com/stretchr/testify/require"
)

func TestContacts(t *testing.T) {
	t.Parallel()
	s := open(t)
	emailOf := func(p Place) any {
		return s.call("alice", "GET", "/v1/orders/"+p.OrderID.String(), "").Body["email"]
	}

	t.Run("TheFirstOneStays", func(t *testing.T) {
		p := s.placeOrder("alice", line("mug", 1))
		for _, email := range []string{"first@example.com", "second@example.com"} {
			require.NoError(t, s.SaveContact(t.Context(), Contact{ID: p.ContactID, CustomerID: "alice", Email: email}))
		}
		require.Equal(t, "first@example.com", emailOf(p))
	})

	t.Run("ErasedItIsNull", func(t *testing.T) {
		p := s.placeOrder("alice", line("mug", 1))
		require.NoError(t, s.SaveContact(t.Context(), Contact{ID: p.ContactID, CustomerID: "alice", Email: "a@example.com"}))
		for range 2 {
			require.NoError(t, s.DropContact(t.Context(), p.ContactID))
		}
		require.Nil(t, emailOf(p))
	})

	t.Run("NothingPersonalStandsInTheLog", func(t *testing.T) {
		p := newPlace(line("mug", 1))
		require.NoError(t, s.SaveContact(t.Context(), Contact{
			ID: p.ContactID, CustomerID: "alice", Email: "secret@example.com", ShippingAddress: json.RawMessage(`{"street":"Hidden Lane"}`),
		}))
		s.must(p, Confirm{OrderID: p.OrderID})
		var found int
		err := s.pools.Query.QueryRow(t.Context(), `select (select count(*) from orders.events where data::text || meta::text ~ 'secret|Hidden')
			+ (select count(*) from orders.streams where state::text ~ 'secret|Hidden')`).Scan(&found)
		require.NoError(t, err)
		require.Zero(t, found)
	})
}

func TestOldContactsGo(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.ContactRetention = 24 * time.Hour
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": 23 * time.Hour} {
		_, err := s.pools.Query.Exec(t.Context(), `insert into orders.contacts (id, customer, email, created_at)
			values (gen_random_uuid(), $1, 'a@example.com', now() - $2::interval)`, name, age)
		require.NoError(t, err)
	}
	sold, shipped := newPlace(), newPlace()
	for _, p := range []Place{sold, shipped} {
		require.NoError(t, s.SaveContact(t.Context(), Contact{ID: p.ContactID, CustomerID: p.CustomerID, Email: "a@example.com"}))
		s.must(p, Confirm{OrderID: p.OrderID})
	}
	_, err := s.fulfil(t.Context(), web.Write{}, s.order(shipped.OrderID))
	require.NoError(t, err)
	_, err = s.pools.Query.Exec(t.Context(), "update orders.contacts set created_at = now() - interval '25 hours' where customer = 'alice'")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	left := func() []ContactRef {
		found, err := s.ContactsOf(t.Context(), []string{"old", "young", "alice"})
		require.NoError(t, err)
		return found
	}
	require.Eventually(t, func() bool { return len(left()) == 2 }, 30*time.Second, 20*time.Millisecond)
	for _, c := range left() {
		require.Contains(t, []any{"young", sold.ContactID}, map[bool]any{true: c.Customer, false: c.ID}[c.Customer == "young"])
	}
	stop()
	require.NoError(t, <-ended)
}
