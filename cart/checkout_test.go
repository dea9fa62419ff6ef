package cart

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

func TestModuleCheckOut(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sells(t, "MUG", "TEA")
	ann := b.as(t, "ann")
	three := func() (string, uuid.UUID) {
		path, id := ann.opens(t)
		ann.adds(t, path, "MUG")
		ann.adds(t, path, "TEA")
		return path, id
	}

	t.Run("SealsAndShowsTheCheckout", func(t *testing.T) {
		path, id := three()
		sealed, err := b.seals(t, "ann", id, 3)
		require.NoError(t, err)
		require.Equal(t, CheckOutResult{CheckoutID: derivedID(id, 1, "checkout")}, sealed)
		v := ann.send(t, "GET", path, "").cart(t)
		require.Equal(t, StatusCheckingOut, v.Status)
		require.Equal(t, sealed.CheckoutID, *v.CheckoutID)
		problem := ann.send(t, "POST", path+"/items", `{"sku":"MUG","quantity":1}`).refuses(t, 409, "cart_closed")
		require.Equal(t, sealed.CheckoutID.String(), problem["checkout_id"])
	})
	t.Run("RetryIsAnsweredThoughTheVersionMoved", func(t *testing.T) {
		_, id := three()
		version := int64(3)
		w := web.Write{ID: uuid.New(), IfMatch: &version, Fingerprint: []byte("same")}
		c := CheckOut{CartID: id, Caller: web.Caller{Subject: "ann"}, Write: w, PaymentMethod: "sim_ok", ContactID: uuid.New()}
		first, err := b.CheckOut(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, c.ContactID, first.ContactID)
		c.ContactID = uuid.New()
		require.NoError(t, b.Handle(t.Context(), uuid.New(), id, Reopen{CartID: id, CheckoutID: first.CheckoutID, Code: "cancelled"}))
		again, err := b.CheckOut(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, CheckOutResult{CheckoutID: first.CheckoutID, ContactID: first.ContactID, Replayed: true}, again)
		c.Write.Fingerprint = []byte("other")
		_, err = b.CheckOut(t.Context(), c)
		require.ErrorIs(t, err, eventstore.ErrKeyReused)
	})
	t.Run("RefusalsInOrder", func(t *testing.T) {
		path, id := three()
		b.prices(t, "OLD", `{"name":"Old","price":{"amount":10,"currency":"GBP"}}`)
		_, err := b.seals(t, "bob", id, 9)
		require.ErrorIs(t, err, errNotFound)
		_, err = b.seals(t, "ann", id, 9)
		require.ErrorIs(t, err, eventstore.ErrVersionMismatch)
		_, empty := ann.opens(t)
		_, err = b.seals(t, "ann", empty, 1)
		require.ErrorIs(t, err, errCartEmpty)

		ann.adds(t, path, "OLD")
		b.prices(t, "OLD", `{"name":"Old","price":{"amount":11,"currency":"GBP"},"active":false}`)
		_, err = b.seals(t, "ann", id, 4)
		require.ErrorIs(t, err, errProductInactive)
		b.prices(t, "OLD", `{"name":"Old","price":{"amount":11,"currency":"GBP"},"active":true}`)
		_, err = b.seals(t, "ann", id, 4)
		require.ErrorIs(t, err, errPriceChanged)
		f, _ := fault.As(err)
		require.Len(t, f.Extra["lines"], 1)

		require.Equal(t, int64(4), ann.send(t, "GET", path, "").cart(t).Version)
		ann.send(t, "POST", path+"/reprice", "").is(t, 200)
		_, err = b.seals(t, "ann", id, 5)
		require.NoError(t, err)
		_, err = b.seals(t, "ann", id, 6)
		require.ErrorIs(t, err, errCartClosed)
	})
	t.Run("TwoTabsAreOneCheckout", func(t *testing.T) {
		_, id := three()
		errs := make([]error, 8)
		var all sync.WaitGroup
		for i := range errs {
			all.Go(func() { _, errs[i] = b.seals(t, "ann", id, 3) })
		}
		all.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
				continue
			}
			require.ErrorIs(t, err, eventstore.ErrVersionMismatch)
		}
		require.Equal(t, 1, won)
	})
	t.Run("VisibleToItsOwnerAndOperators", func(t *testing.T) {
		_, id := ann.opens(t)
		visible := func(caller web.Caller, id uuid.UUID) error {
			customer, err := b.Authorize(t.Context(), caller, id)
			require.True(t, err != nil || customer == "ann", "whose cart it is, whoever looks")
			return err
		}
		require.NoError(t, visible(web.Caller{Subject: "ann"}, id))
		require.NoError(t, visible(web.Caller{Subject: "root", Scopes: []string{web.ScopeAdmin}}, id))
		require.ErrorIs(t, visible(web.Caller{Subject: "bob"}, id), errNotFound)
		require.ErrorIs(t, visible(web.Caller{Subject: "ann"}, uuid.New()), errNotFound)
	})
}

func TestHandle(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sells(t, "MUG")
	ann := b.as(t, "ann")
	sealed := func() (string, uuid.UUID, uuid.UUID) {
		path, id := ann.opens(t)
		ann.adds(t, path, "MUG")
		s, err := b.seals(t, "ann", id, 2)
		require.NoError(t, err)
		return path, id, s.CheckoutID
	}

	t.Run("CompleteTwiceIsOnce", func(t *testing.T) {
		path, id, checkout := sealed()
		step := uuid.New()
		for range 2 {
			require.NoError(t, b.Handle(t.Context(), step, checkout, Complete{CartID: id, CheckoutID: checkout, OrderID: cartB}))
			require.NoError(t, b.Handle(t.Context(), uuid.New(), checkout, Complete{CartID: id, CheckoutID: checkout, OrderID: cartB}))
		}
		v := ann.send(t, "GET", path, "").cart(t)
		require.Equal(t, StatusCheckedOut, v.Status)
		require.Equal(t, int64(4), v.Version)
		require.Equal(t, checkout, *v.CheckoutID)
	})
	t.Run("ReopenedCartCanBeEditedAndCheckedOutAgain", func(t *testing.T) {
		path, id, checkout := sealed()
		require.NoError(t, b.Handle(t.Context(), uuid.New(), checkout, Reopen{CartID: id, CheckoutID: checkout, Code: "payment_declined"}))
		v := ann.send(t, "GET", path, "").cart(t)
		require.Equal(t, StatusOpen, v.Status)
		require.Nil(t, v.CheckoutID)
		ann.adds(t, path, "MUG")
		second, err := b.seals(t, "ann", id, 5)
		require.NoError(t, err)
		require.NotEqual(t, checkout, second.CheckoutID)
		require.NoError(t, b.Handle(t.Context(), uuid.New(), checkout, Reopen{CartID: id, CheckoutID: checkout, Code: "late"}))
		require.Equal(t, StatusCheckingOut, ann.send(t, "GET", path, "").cart(t).Status)
	})
	t.Run("UnknownCartIsNoError", func(t *testing.T) {
		id := uuid.New()
		require.NoError(t, b.Handle(t.Context(), uuid.New(), id, Complete{CartID: id, CheckoutID: id}))
		_, err := b.Authorize(t.Context(), web.Caller{Subject: "ann"}, id)
		require.ErrorIs(t, err, errNotFound)
	})
	t.Run("EventsCarryTheSagaAndTheCheckout", func(t *testing.T) {
		_, id, checkout := sealed()
		require.NoError(t, b.Handle(t.Context(), uuid.New(), checkout, Complete{CartID: id, CheckoutID: checkout, OrderID: cartB}))
		events, err := b.store.ReadStream(t.Context(), id, 3, 1)
		require.NoError(t, err)
		require.Equal(t, "saga", events[0].Meta.Actor)
		require.Equal(t, checkout, events[0].Meta.Correlation)
	})
}

// TestRun checks that a sealed cart is redelivered after the handler failed or the process died.
func TestRun(t *testing.T) {
	t.Parallel()
	failed, heard := make(chan struct{}, 1), make(chan CheckedOut, 1)
	b := setupOn(t, pgtest.New(t), func(m *Module) {
		first := true
		eventstore.Subscribe(m.Store(), "test", func(_ context.Context, e eventstore.Message[CheckedOut]) error {
			if first {
				first = false
				failed <- struct{}{}
				return errors.New("not this time")
			}
			heard <- e.Event
			return nil
		})
	})
	b.sells(t, "MUG")
	ann := b.as(t, "ann")
	path, id := ann.opens(t)
	ann.adds(t, path, "MUG")
	sealed, err := b.seals(t, "ann", id, 2)
	require.NoError(t, err)
	<-failed
	run(t, b.Run)
	e := <-heard
	require.Equal(t, sealed.CheckoutID, e.CheckoutID)
	require.Equal(t, []Line{{SKU: "MUG", Name: "The MUG", Quantity: 1, UnitPrice: 100}}, e.Lines)
	require.Equal(t, int64(100), e.Total)
}

// TestASealThatIsRepeatedKeepsItsContact repeats a command after the server's answer was lost. The repetition finds its own
// receipt and returns the contact that the command brought.
func TestASealThatIsRepeatedKeepsItsContact(t *testing.T) {
	t.Parallel()
	line := pgtest.NewProxy(t, pgtest.New(t))
	b := setupOn(t, line.URL(), func(*Module) {})
	b.sells(t, "MUG")
	ann := b.as(t, "ann")
	path, id := ann.opens(t)
	ann.adds(t, path, "MUG")
	version, tag := int64(2), "INSERT 0 1" // of a command that runs as one statement
	if pgtest.Pooled() {
		tag = "COMMIT"
	}
	line.DropResponse(tag, nil)
	sealed, err := b.CheckOut(t.Context(), CheckOut{
		CartID: id, Caller: web.Caller{Subject: "ann"}, PaymentMethod: "sim_ok", ContactID: id,
		Write: web.Write{ID: uuid.New(), IfMatch: &version, Fingerprint: []byte("same")},
	})
	require.NoError(t, err)
	require.True(t, line.Dropped(), "the test must have done its worst")
	require.True(t, sealed.Replayed)
	require.Equal(t, id, sealed.ContactID)
}
