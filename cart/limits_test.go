package cart

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/fault"
)

// TestUnits: events that add units stay within the limits. A cart that is beyond them can shrink, and cannot be checked out.
func TestUnits(t *testing.T) {
	t.Parallel()
	limits := Limits{Line: 10, Order: 15, Guest: 12}
	ten, full := given{opened, added(mug, 10)}, given{opened, added(mug, 10), added(tea, 5)}
	large := given{opened, added(mug, 20), added(tea, 7)}
	for name, c := range map[string]struct {
		of      given
		event   Event
		guest   bool
		limited int64 // by this number; 0: allowed
	}{
		"LineIsFull":            {ten, added(mug, 1), false, 10},
		"LineIsSetTooHigh":      {ten, QuantityChanged{SKU: "MUG", Quantity: 11}, false, 10},
		"OrderIsFull":           {ten, added(tea, 5), false, 0},
		"OrderIsTooLarge":       {ten, added(tea, 6), false, 15},
		"GuestOrderIsFull":      {ten, added(tea, 2), true, 0},
		"GuestOrderIsTooLarge":  {ten, added(tea, 3), true, 12},
		"MergedLineIsTooLarge":  {ten, MergedIn{Lines: []Line{added(mug, 1).Line}}, false, 10},
		"MergedOrderIsTooLarge": {ten, MergedIn{Lines: []Line{added(tea, 6).Line}}, false, 15},
		"NothingIsMerged":       {large, MergedIn{}, false, 0},
		"FullIsCheckedOut":      {full, sealing(1, 0), false, 0},
		"GuestIsNotCheckedOut":  {full, sealing(1, 0), true, 12},
		"LargeIsNotCheckedOut":  {large, sealing(1, 0), false, 10},
		"LargeShrinks":          {large, QuantityChanged{SKU: "MUG", Quantity: 19}, false, 0},
		"LargeLosesALine":       {large, ItemRemoved{SKU: "TEA"}, false, 0},
		"LargeIsAbandoned":      {large, Abandoned{}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			err := limits.check(c.of.state(), c.guest, noon, c.event)
			require.NoError(t, Limits{}.check(c.of.state(), c.guest, noon, c.event))
			if c.limited == 0 {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, errTooManyUnits)
			f, _ := fault.As(err)
			require.Equal(t, c.limited, f.Extra["limit"])
		})
	}
}

// TestFailedPaymentsOfACart: after so many, each checkout must wait, and a checkout that failed without a payment does not count.
func TestFailedPaymentsOfACart(t *testing.T) {
	t.Parallel()
	limits := Limits{Failures: 2, Pause: time.Minute}
	history := given{opened, added(mug, 1)}
	fails := func(at time.Time) {
		n := history.state().Attempt + 1
		history = append(history, sealing(n, 350), Reopened{CheckoutID: derivedID(cartA, n, "checkout"), FailedAt: at})
	}
	checkedOut := func(at time.Time) error { return limits.check(history.state(), false, at, sealing(9, 350)) }
	fails(noon)
	for range 3 {
		fails(time.Time{}) // out of stock
	}
	require.NoError(t, checkedOut(noon))
	fails(noon)
	require.ErrorIs(t, checkedOut(noon.Add(59*time.Second)), errTooManyAttempts)
	require.NoError(t, checkedOut(noon.Add(time.Minute)))
	fails(noon.Add(time.Minute))
	require.ErrorIs(t, checkedOut(noon.Add(time.Minute)), errTooManyAttempts)
	require.NoError(t, limits.check(history.state(), false, noon.Add(time.Minute), added(tea, 1)))
}

// TestLimitsOfRoutes: the routes apply the limits, those of guests to guests alone, and a refused checkout says when to try again.
func TestLimitsOfRoutes(t *testing.T) {
	t.Parallel()
	b := setupOn(t, pgtest.New(t), func(m *Module) {
		m.Limits = Limits{Line: 5, Order: 8, Guest: 6, Failures: 1, Pause: time.Hour}
		m.HashAddress = netip.Addr.String
	})
	b.sells(t, "MUG", "TEA")
	guest, ann := b.guest(t), b.as(t, "ann")
	source, sourceID := guest.opens(t)
	require.EqualValues(t, 5, guest.send(t, "POST", source+"/items", `{"sku":"MUG","quantity":6}`).refuses(t, http.StatusUnprocessableEntity, "too_many_units")["limit"])
	guest.send(t, "POST", source+"/items", `{"sku":"MUG","quantity":5}`).is(t, http.StatusOK)
	require.EqualValues(t, 6, guest.send(t, "POST", source+"/items", `{"sku":"TEA","quantity":2}`).refuses(t, http.StatusUnprocessableEntity, "too_many_units")["limit"])

	target, id := ann.opens(t)
	ann.send(t, "POST", target+"/items", `{"sku":"TEA","quantity":4}`).is(t, http.StatusOK)
	merge := fmt.Sprintf(`{"source_cart_id":%q,"source_token":%q}`, sourceID, guest.token)
	require.EqualValues(t, 8, ann.send(t, "POST", target+"/merge", merge).refuses(t, http.StatusUnprocessableEntity, "too_many_units")["limit"])
	ann.send(t, "PATCH", target+"/items/TEA", `{"quantity":3}`).is(t, http.StatusOK)
	version := ann.send(t, "POST", target+"/merge", merge).is(t, http.StatusOK).cart(t).Version

	sealed, err := b.seals(t, "ann", id, version)
	require.NoError(t, err)
	require.Contains(t, string(b.last(t, id).Data), `"source":"invalid IP"`, "the hash of the caller's address")
	require.NoError(t, b.Handle(t.Context(), uuid.New(), uuid.New(), Reopen{CartID: id, CheckoutID: sealed.CheckoutID, FailedAt: time.Now()}))
	_, err = b.seals(t, "ann", id, version+2)
	require.ErrorIs(t, err, errTooManyAttempts)
	f, _ := fault.As(err)
	require.Greater(t, f.Retry, 50*time.Minute)
}
