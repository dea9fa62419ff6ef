package cart

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

var (
	cartA  = uuid.MustParse("0198a000-0000-7000-8000-00000000000a")
	cartB  = uuid.MustParse("0198a000-0000-7000-8000-00000000000b")
	opened = Created{CustomerID: "ann", Currency: "GBP"}
	mug    = Product{SKU: "MUG", Name: "Mug", Price: money.Of(350, "GBP"), Active: true}
	tea    = Product{SKU: "TEA", Name: "Tea", Price: money.Of(499, "GBP"), Active: true}
	prices = priceBook{"MUG": mug, "TEA": tea, "GHOST": {}}
)

func added(p Product, quantity int64) ItemAdded {
	return ItemAdded{Line{SKU: p.SKU, Name: p.Name, Quantity: quantity, UnitPrice: p.Price.Amount}}
}

func at(p Product, amount int64, code string, active bool) Product {
	p.Price, p.Active = money.Of(amount, code), active
	return p
}

func discount(amount int64) Adjustment { return Adjustment{Code: "off", Label: "Off", Amount: amount} }

func adjust(amounts ...int64) setAdjustments {
	c := setAdjustments{}
	for _, n := range amounts {
		c.Adjustments = append(c.Adjustments, adjustment{Code: "off", Label: "Off", Amount: money.Of(n, "GBP")})
	}
	return c
}

func sealing(attempt int, total int64, lines ...Line) CheckedOut {
	return CheckedOut{
		CheckoutID: derivedID(cartA, attempt, "checkout"), OrderID: derivedID(cartA, attempt, "order"),
		PaymentID: derivedID(cartA, attempt, "payment"), Attempt: attempt, CartID: cartA, CustomerID: "ann", Currency: "GBP",
		Lines: lines, Adjustments: []Adjustment{}, Total: total, PaymentMethod: "sim_ok", ContactID: cartB,
	}
}

var checkOut = CheckOut{CartID: cartA, PaymentMethod: "sim_ok", ContactID: cartB}

// given is the history of a cart.
type given []Event

func (g given) state() (s State) {
	for _, e := range g {
		s = evolve(s, e)
	}
	return s
}

// then requires the events of a command; no want means no events.
func (g given) then(t *testing.T, c command, book priceBook, want ...Event) {
	t.Helper()
	events, err := decide(g.state(), c, book)
	require.NoError(t, err)
	require.Equal(t, append([]Event{}, want...), append([]Event{}, events...))
}

// refused requires a fault and returns it.
func (g given) refused(t *testing.T, c command, book priceBook, want error) *fault.Fault {
	t.Helper()
	events, err := decide(g.state(), c, book)
	require.ErrorIs(t, err, want)
	require.Empty(t, events)
	f, _ := fault.As(err)
	return f
}

func many(n int) given {
	g := given{opened}
	for i := range n {
		g = append(g, ItemAdded{Line{SKU: fmt.Sprintf("S%d", i), Name: "Thing", Quantity: 1, UnitPrice: 1}})
	}
	return g
}

func TestAddItem(t *testing.T) {
	t.Parallel()
	t.Run("TakesTheNameAndPriceOfTheMoment", func(t *testing.T) {
		given{opened}.then(t, addItem{"MUG", 2}, prices, added(mug, 2))
	})
	t.Run("JoinsTheLineAtItsOldPriceAndName", func(t *testing.T) {
		g := given{opened, added(mug, 2)}
		dearer := Product{SKU: "MUG", Name: "Big mug", Price: money.Of(999, "GBP"), Active: true}
		g.then(t, addItem{"MUG", 3}, priceBook{"MUG": dearer}, added(mug, 3))
		require.Equal(t, []Line{{SKU: "MUG", Name: "Mug", Quantity: 5, UnitPrice: 350}}, append(g, added(mug, 3)).state().Lines)
	})
	t.Run("UnknownProductRefused", func(t *testing.T) {
		given{opened}.refused(t, addItem{"GHOST", 1}, prices, errUnknownProduct)
	})
	t.Run("InactiveProductRefused", func(t *testing.T) {
		given{opened}.refused(t, addItem{"MUG", 1}, priceBook{"MUG": at(mug, 350, "GBP", false)}, errProductInactive)
	})
	t.Run("OtherCurrencyRefused", func(t *testing.T) {
		f := given{opened}.refused(t, addItem{"MUG", 1}, priceBook{"MUG": at(mug, 350, "EUR", true)}, errCurrencyMismatch)
		require.Equal(t, "'MUG' is sold in EUR, this cart is in GBP.", f.Detail)
		require.Equal(t, []string{"MUG"}, f.Extra["skus"])
	})
	t.Run("LineTakesNoMoreThan9999", func(t *testing.T) {
		g := given{opened, added(mug, 9998)}
		g.then(t, addItem{"MUG", 1}, prices, added(mug, 1))
		f := g.refused(t, addItem{"MUG", 2}, prices, errQuantity("MUG", 10000))
		require.Equal(t, "quantity", f.Fields[0].Field)
	})
	t.Run("CartTakesNoMoreThan1000Lines", func(t *testing.T) {
		many(999).then(t, addItem{"MUG", 1}, prices, added(mug, 1))
		full := append(many(999), added(tea, 1))
		full.refused(t, addItem{"MUG", 1}, prices, errTooManyLines)
		full.then(t, addItem{"TEA", 1}, prices, added(tea, 1))
	})
	t.Run("LineBeyondTheLargestAmountRefused", func(t *testing.T) {
		given{opened}.refused(t, addItem{"MUG", 2}, priceBook{"MUG": at(mug, money.Max, "GBP", true)}, errAmountTooLarge)
	})
	t.Run("SumBeyondTheLargestAmountRefused", func(t *testing.T) {
		gold := at(tea, money.Max-350, "GBP", true)
		g := given{opened, added(gold, 1)}
		g.then(t, addItem{"MUG", 1}, prices, added(mug, 1))
		append(g, AdjustmentsSet{[]Adjustment{discount(1)}}).refused(t, addItem{"MUG", 1}, prices, errAmountTooLarge)
		append(g, AdjustmentsSet{[]Adjustment{discount(-350)}}).refused(t, addItem{"MUG", 2}, prices, errAmountTooLarge)
	})
}

func TestLines(t *testing.T) {
	t.Parallel()
	g := given{opened, added(mug, 2), added(tea, 1)}
	t.Run("QuantityIsSet", func(t *testing.T) {
		g.then(t, setQuantity{"MUG", 5}, nil, QuantityChanged{"MUG", 5})
		require.Equal(t, int64(5), append(g, QuantityChanged{"MUG", 5}).state().Lines[0].Quantity)
	})
	t.Run("QuantityItHasIsNoEvent", func(t *testing.T) { g.then(t, setQuantity{"MUG", 2}, nil) })
	t.Run("QuantityOfNoLineRefused", func(t *testing.T) { g.refused(t, setQuantity{"CUP", 2}, nil, errNoSuchLine) })
	t.Run("QuantityBeyondTheLargestAmountRefused", func(t *testing.T) {
		given{opened, added(at(mug, money.Max/2, "GBP", true), 1)}.refused(t, setQuantity{"MUG", 3}, nil, errAmountTooLarge)
	})
	t.Run("LineIsRemoved", func(t *testing.T) {
		g.then(t, removeItem{"MUG"}, nil, ItemRemoved{"MUG"})
		require.Equal(t, []string{"TEA"}, append(g, ItemRemoved{"MUG"}).state().skus())
	})
	t.Run("RemovingNoLineRefused", func(t *testing.T) { g.refused(t, removeItem{"CUP"}, nil, errNoSuchLine) })
	t.Run("AllLinesAreCleared", func(t *testing.T) {
		g.then(t, clearItems{}, nil, ItemsCleared{})
		require.Empty(t, append(g, ItemsCleared{}).state().Lines)
	})
	t.Run("ClearingAnEmptyCartIsNoEvent", func(t *testing.T) { given{opened}.then(t, clearItems{}, nil) })
}

func TestReprice(t *testing.T) {
	t.Parallel()
	g := given{opened, added(mug, 2), added(tea, 1)}
	t.Run("TakesTodaysPrices", func(t *testing.T) {
		today := priceBook{"MUG": at(mug, 400, "GBP", true), "TEA": tea}
		repriced := Repriced{[]PriceChange{{SKU: "MUG", Was: 350, Now: 400}}}
		g.then(t, reprice{}, today, repriced)
		require.Equal(t, int64(2*400+499), append(g, repriced).state().Total())
	})
	t.Run("SamePricesAreNoEvent", func(t *testing.T) { g.then(t, reprice{}, prices) })
	t.Run("KeepsWhatIsNotSold", func(t *testing.T) {
		g.then(t, reprice{}, priceBook{"MUG": at(mug, 400, "GBP", false), "TEA": {}})
	})
	t.Run("WhatIsSoldInAnotherCurrencyRefusedByName", func(t *testing.T) {
		f := g.refused(t, reprice{}, priceBook{"MUG": at(mug, 400, "EUR", true), "TEA": tea}, errCurrencyMismatch)
		require.Equal(t, []string{"MUG"}, f.Extra["skus"])
	})
	t.Run("AsksAgainForALineThatJoined", func(t *testing.T) {
		g.refused(t, reprice{}, priceBook{"MUG": mug}, errStaleProducts)
	})
	t.Run("BeyondTheLargestAmountRefused", func(t *testing.T) {
		g.refused(t, reprice{}, priceBook{"MUG": at(mug, money.Max, "GBP", true), "TEA": tea}, errAmountTooLarge)
	})
}

func TestSetAdjustments(t *testing.T) {
	t.Parallel()
	g := given{opened, added(mug, 2)}
	t.Run("ReplacesTheList", func(t *testing.T) {
		g := append(g, AdjustmentsSet{[]Adjustment{discount(100)}})
		g.then(t, adjust(-700), nil, AdjustmentsSet{[]Adjustment{discount(-700)}})
		g.then(t, adjust(), nil, AdjustmentsSet{[]Adjustment{}})
		require.Equal(t, int64(0), append(g, AdjustmentsSet{[]Adjustment{discount(-700)}}).state().Total())
	})
	t.Run("SameListIsNoEvent", func(t *testing.T) {
		append(g, AdjustmentsSet{[]Adjustment{discount(100)}}).then(t, adjust(100), nil)
		g.then(t, adjust(), nil)
	})
	t.Run("MoreOffThanTheLinesRefused", func(t *testing.T) { g.refused(t, adjust(-701), nil, errNegativeTotal) })
	t.Run("OtherCurrencyRefused", func(t *testing.T) {
		euros := setAdjustments{[]adjustment{{Code: "off", Label: "Off", Amount: money.Of(1, "EUR")}}}
		require.Equal(t, "The adjustment 'off' is in EUR, this cart is in GBP.", g.refused(t, euros, nil, errCurrencyMismatch).Detail)
	})
	t.Run("BeyondTheLargestAmountRefused", func(t *testing.T) {
		g.refused(t, adjust(money.Max), nil, errAmountTooLarge)
		g.then(t, adjust(money.Max, -700), nil, AdjustmentsSet{[]Adjustment{discount(money.Max), discount(-700)}})
	})
	t.Run("TotalStaysAtZeroWhenLinesGo", func(t *testing.T) {
		g := append(g, added(tea, 1), AdjustmentsSet{[]Adjustment{discount(-800)}}, ItemRemoved{"TEA"})
		require.Equal(t, int64(0), g.state().Total())
		require.Equal(t, int64(399), append(g, added(tea, 1)).state().Total())
	})
}

func TestCheckOut(t *testing.T) {
	t.Parallel()
	g := given{opened, added(mug, 2)}
	seal := sealing(1, 700, added(mug, 2).Line)
	t.Run("SealsLinesAdjustmentsAndTotal", func(t *testing.T) {
		g.then(t, checkOut, prices, seal)
		off := AdjustmentsSet{[]Adjustment{discount(-50)}}
		less := sealing(1, 650, added(mug, 2).Line)
		less.Adjustments = off.Adjustments
		append(g, off).then(t, checkOut, prices, less)
	})
	t.Run("EmptyCartRefused", func(t *testing.T) {
		given{opened}.refused(t, checkOut, prices, errCartEmpty)
		append(g, ItemRemoved{"MUG"}).refused(t, checkOut, prices, errCartEmpty)
	})
	t.Run("ChangedPriceRefusedByName", func(t *testing.T) {
		f := g.refused(t, checkOut, priceBook{"MUG": at(mug, 375, "GBP", true)}, errPriceChanged)
		require.Equal(t, []PriceMismatch{{SKU: "MUG", Was: money.Of(350, "GBP"), Now: money.Of(375, "GBP")}}, f.Extra["lines"])
	})
	t.Run("AnotherCurrencyRefusedByName", func(t *testing.T) {
		f := g.refused(t, checkOut, priceBook{"MUG": at(mug, 350, "EUR", true)}, errCurrencyMismatch)
		require.Equal(t, []string{"MUG"}, f.Extra["skus"])
		require.Contains(t, f.Detail, "Remove it to continue.")
	})
	t.Run("PaymentMethodRequiredAboveZero", func(t *testing.T) {
		bare := checkOut
		bare.PaymentMethod = ""
		f := g.refused(t, bare, prices, errMethodRequired())
		require.Equal(t, "payment_method", f.Fields[0].Field)
		_, err := decideCheckOut(append(g, AdjustmentsSet{[]Adjustment{discount(-700)}}).state(), bare, prices)
		require.NoError(t, err, "nothing is to be paid")
	})
	t.Run("ATotalBelowZeroRefused", func(t *testing.T) {
		stored := append(g, AdjustmentsSet{[]Adjustment{discount(-701)}}) // no command produces this state
		require.False(t, stored.state().adjustmentsStale())
		require.Zero(t, stored.state().Total())
		stored.refused(t, checkOut, prices, errNegativeTotal)
	})
	t.Run("StaleAdjustmentsRefused", func(t *testing.T) {
		off := append(g, AdjustmentsSet{[]Adjustment{discount(-50)}})
		then := func(events ...Event) given { return slices.Concat(off, events) }
		dearer := priceBook{"MUG": at(mug, 375, "GBP", true), "TEA": tea}
		for name, changed := range map[string]given{
			"LineAdded":       then(added(tea, 1)),
			"QuantityChanged": then(QuantityChanged{SKU: "MUG", Quantity: 1}),
			"Repriced":        then(Repriced{[]PriceChange{{SKU: "MUG", Was: 350, Now: 375}}}),
			"Merged":          then(MergedIn{Lines: []Line{added(tea, 1).Line}}),
			"AdjustmentsCame": then(MergedIn{Lines: []Line{}, Adjustments: []Adjustment{discount(-1)}}),
		} {
			t.Run(name, func(t *testing.T) {
				today := prices
				if name == "Repriced" {
					today = dearer
				}
				require.True(t, changed.state().adjustmentsStale())
				changed.refused(t, checkOut, today, errAdjustmentsStale)
				again := slices.Concat(changed, given{AdjustmentsSet{changed.state().Adjustments}})
				require.False(t, again.state().adjustmentsStale(), "the same list, set for these lines")
				_, err := decideCheckOut(again.state(), checkOut, today)
				require.NoError(t, err)
			})
		}
		back := then(added(tea, 1), ItemRemoved{"TEA"})
		require.False(t, back.state().adjustmentsStale(), "the lines are what they were")
	})
	t.Run("InactiveProductRefusedBeforeChangedPrice", func(t *testing.T) {
		g := append(g, added(tea, 1))
		f := g.refused(t, checkOut, priceBook{"MUG": at(mug, 1, "GBP", true), "TEA": at(tea, 499, "GBP", false)}, errProductInactive)
		require.Equal(t, []string{"TEA"}, f.Extra["skus"])
	})
	t.Run("RepricedCartGoesThrough", func(t *testing.T) {
		dearer := at(mug, 375, "GBP", true)
		append(g, Repriced{[]PriceChange{{"MUG", 350, 375}}}).then(t, checkOut, priceBook{"MUG": dearer}, sealing(1, 750, added(dearer, 2).Line))
	})
	t.Run("AsksAgainForALineThatJoined", func(t *testing.T) { g.refused(t, checkOut, priceBook{"TEA": tea}, errStaleProducts) })
	t.Run("SealedCartRefusedWithItsCheckout", func(t *testing.T) {
		f := append(g, seal).refused(t, checkOut, prices, errCartClosed)
		require.Equal(t, seal.CheckoutID, f.Extra["checkout_id"])
	})
	t.Run("SecondAttemptHasIdsOfItsOwn", func(t *testing.T) {
		again := sealing(2, 700, added(mug, 2).Line)
		append(g, seal, Reopened{CheckoutID: seal.CheckoutID}).then(t, checkOut, prices, again)
		ids := map[uuid.UUID]bool{}
		for _, e := range []CheckedOut{seal, again} {
			ids[e.CheckoutID], ids[e.OrderID], ids[e.PaymentID] = true, true, true
		}
		require.Len(t, ids, 6)
	})
}

func TestEndOfACheckout(t *testing.T) {
	t.Parallel()
	seal := sealing(1, 700, added(mug, 2).Line)
	open := given{opened, added(mug, 2)}
	g := append(open, seal)
	reopened := Reopened{CheckoutID: seal.CheckoutID, Code: "payment_declined", Detail: "No."}
	completed := Completed{CheckoutID: seal.CheckoutID, OrderID: seal.OrderID}
	reopen := Reopen{CartID: cartA, CheckoutID: seal.CheckoutID, Code: "payment_declined", Detail: "No."}
	complete := Complete{CartID: cartA, CheckoutID: seal.CheckoutID, OrderID: seal.OrderID}

	t.Run("ReopenedCartIsAsItWas", func(t *testing.T) {
		g.then(t, reopen, nil, reopened)
		before, after := open.state(), append(g, reopened).state()
		require.Equal(t, 1, after.Attempt)
		after.Attempt = 0
		require.Equal(t, before, after)
	})
	t.Run("CompletedCartIsCheckedOut", func(t *testing.T) {
		g.then(t, complete, nil, completed)
		s := append(g, completed).state()
		require.Equal(t, StatusCheckedOut, s.Status)
		require.Equal(t, seal.CheckoutID, s.CheckoutID)
	})
	t.Run("TwiceIsOnce", func(t *testing.T) {
		append(g, reopened).then(t, reopen, nil)
		append(g, completed).then(t, complete, nil)
	})
	t.Run("TheOtherEndComesTooLate", func(t *testing.T) {
		append(g, completed).then(t, reopen, nil)
		append(g, reopened).then(t, complete, nil)
	})
	t.Run("AnotherCheckoutIsNotMeant", func(t *testing.T) {
		second := append(append(given{}, g...), reopened, sealing(2, 700, added(mug, 2).Line))
		second.then(t, reopen, nil)
		second.then(t, complete, nil)
		given{}.then(t, complete, nil)
	})
}

func TestClosedCart(t *testing.T) {
	t.Parallel()
	seal := sealing(1, 700, added(mug, 2).Line)
	sealed := given{opened, added(mug, 2), seal}
	closed := map[string]given{
		"CheckingOut": sealed,
		"CheckedOut":  append(sealed, Completed{CheckoutID: seal.CheckoutID, OrderID: seal.OrderID}),
		"Merged":      {opened, added(mug, 2), MergedAway{TargetCartID: cartB}},
		"Abandoned":   {opened, added(mug, 2), Abandoned{}},
	}
	edits := []command{
		addItem{"MUG", 1}, addItem{"GHOST", 1}, setQuantity{"MUG", 3}, setQuantity{"MUG", 2}, setQuantity{"CUP", 3},
		removeItem{"MUG"}, removeItem{"CUP"}, clearItems{}, reprice{}, adjust(1), checkOut, abandon{},
	}
	for name, g := range closed {
		t.Run(name+"RefusesEveryEdit", func(t *testing.T) {
			for _, c := range edits {
				if _, again := c.(abandon); again && name == "Abandoned" {
					continue
				}
				f := g.refused(t, c, prices, errCartClosed)
				running := name == "CheckingOut" || name == "CheckedOut"
				require.Equal(t, running, f.Extra["checkout_id"] == seal.CheckoutID, "%T", c)
			}
		})
	}
	t.Run("AbandonedTwiceIsOnce", func(t *testing.T) {
		given{opened}.then(t, abandon{}, nil, Abandoned{})
		closed["Abandoned"].then(t, abandon{}, nil)
	})
	t.Run("UntouchedForLongIsAbandoned", func(t *testing.T) {
		given{opened}.then(t, expire{Untouched: time.Hour, TTL: time.Hour}, nil, Abandoned{})
		given{opened}.then(t, expire{Untouched: time.Hour - 1, TTL: time.Hour}, nil)
		given{}.then(t, expire{Untouched: 2 * time.Hour, TTL: time.Hour}, nil)
		for _, g := range closed {
			g.then(t, expire{Untouched: 2 * time.Hour, TTL: time.Hour}, nil)
		}
	})
}

func TestMerge(t *testing.T) {
	t.Parallel()
	mergeThem := merge{TargetID: cartA, SourceID: cartB}
	guest := Created{CustomerID: "guest", Currency: "GBP"}
	mine := given{opened, added(mug, 2)}
	cheap := at(mug, 1, "GBP", true)
	refused := func(t *testing.T, target, source given, want error) *fault.Fault {
		t.Helper()
		in, away, err := decideMerge(target.state(), source.state(), mergeThem)
		require.ErrorIs(t, err, want)
		require.Nil(t, in)
		require.Nil(t, away)
		f, _ := fault.As(err)
		return f
	}

	t.Run("QuantitiesAddAndMyPriceWins", func(t *testing.T) {
		in, away, err := decideMerge(mine.state(), given{guest, added(cheap, 3), added(tea, 1)}.state(), mergeThem)
		require.NoError(t, err)
		require.Equal(t, &MergedIn{SourceCartID: cartB, Lines: []Line{added(mug, 3).Line, added(tea, 1).Line}}, in)
		require.Equal(t, &MergedAway{TargetCartID: cartA}, away)
		require.Equal(t, []Line{added(mug, 5).Line, added(tea, 1).Line}, append(mine, *in).state().Lines)
	})
	t.Run("AdjustmentsOfBothAreKeptAndStale", func(t *testing.T) {
		target := given{opened, added(mug, 2), AdjustmentsSet{[]Adjustment{discount(-50)}}}
		source := given{guest, added(tea, 1), AdjustmentsSet{[]Adjustment{discount(-20)}}}
		for name, want := range map[string]struct {
			target, source given
			kept           []Adjustment
		}{
			"Both":            {target, source, []Adjustment{discount(-50), discount(-20)}},
			"OnlyTheGuests":   {mine, source, []Adjustment{discount(-20)}},
			"OnlyMine":        {target, given{guest, added(tea, 1)}, []Adjustment{discount(-50)}},
			"IntoAnEmptyCart": {given{opened}, source, []Adjustment{discount(-20)}},
		} {
			t.Run(name, func(t *testing.T) {
				in, _, err := decideMerge(want.target.state(), want.source.state(), mergeThem)
				require.NoError(t, err)
				merged := slices.Concat(want.target, given{*in}).state()
				require.Equal(t, want.kept, merged.Adjustments)
				require.True(t, merged.adjustmentsStale())
			})
		}
		in, _, err := decideMerge(target.state(), given{guest}.state(), mergeThem)
		require.NoError(t, err)
		require.False(t, slices.Concat(target, given{*in}).state().adjustmentsStale(), "an empty cart changes nothing")
	})
	t.Run("AnEmptyCartIsMergedToo", func(t *testing.T) {
		in, away, err := decideMerge(mine.state(), given{guest}.state(), mergeThem)
		require.NoError(t, err)
		require.Empty(t, in.Lines)
		require.NotNil(t, away)
	})
	t.Run("TwiceIsOnce", func(t *testing.T) {
		merged := given{guest, MergedAway{TargetCartID: cartA}}
		for _, target := range []given{mine, append(mine, Abandoned{})} {
			in, away, err := decideMerge(target.state(), merged.state(), mergeThem)
			require.NoError(t, err)
			require.Nil(t, in)
			require.Nil(t, away)
		}
	})
	t.Run("SourceOfAnotherMergeRefused", func(t *testing.T) {
		refused(t, mine, given{guest, MergedAway{TargetCartID: cartB}}, errCartClosed)
	})
	t.Run("ClosedTargetRefused", func(t *testing.T) { refused(t, append(mine, Abandoned{}), given{guest}, errCartClosed) })
	t.Run("ClosedSourceRefused", func(t *testing.T) { refused(t, mine, given{guest, Abandoned{}}, errCartClosed) })
	t.Run("OtherCurrencyRefused", func(t *testing.T) {
		f := refused(t, mine, given{Created{CustomerID: "guest", Currency: "EUR"}}, errCurrencyMismatch)
		require.Equal(t, "The cart to merge is in EUR, this cart is in GBP.", f.Detail)
	})
	t.Run("TargetsLimitsHold", func(t *testing.T) {
		refused(t, mine, given{guest, added(mug, 9998)}, errQuantity("MUG", 10000))
		refused(t, append(many(999), added(mug, 1)), given{guest, added(tea, 1)}, errTooManyLines)
		f := refused(t, append(many(999), added(mug, 1)), given{guest, added(tea, 1)}, errTooManyLines)
		require.Equal(t, map[string]any{"sku": "TEA", "limit": MaxLines}, f.Extra)
		f = refused(t, mine, given{guest, added(mug, 9998)}, errQuantity("MUG", 10000))
		require.Equal(t, map[string]any{"sku": "MUG", "limit": MaxQuantity}, f.Extra)
		require.Contains(t, f.Fields[0].Detail, `'MUG'`)
		refused(t, mine, given{guest, added(at(tea, money.Max, "GBP", true), 1)}, errAmountTooLarge)
	})
}

func TestPutProduct(t *testing.T) {
	t.Parallel()
	put := putProduct{SKU: "MUG", Name: "Mug", Price: money.Of(350, "GBP")}
	created := ProductCreated{SKU: "MUG", Name: "Mug", Price: money.Of(350, "GBP"), Active: true}
	known := evolveProduct(Product{}, created)
	on, off := true, false
	withdrawn := known
	withdrawn.Active = false
	decided := func(t *testing.T, p Product, c putProduct) []ProductEvent {
		t.Helper()
		events, err := decideProduct(p, c)
		require.NoError(t, err)
		return events
	}

	t.Run("NewSKUIsCreated", func(t *testing.T) {
		require.Equal(t, []ProductEvent{created}, decided(t, Product{}, put))
	})
	t.Run("ASKUThatNoBrowserCanAddressIsRefusedWhereItIsNew", func(t *testing.T) {
		dots := put
		dots.SKU = ".."
		_, err := decideProduct(Product{}, dots)
		require.ErrorIs(t, err, web.ErrSKU)
		stored := known
		stored.SKU, dots.Active = "..", &off
		require.Equal(t, []ProductEvent{ProductChanged{Name: put.Name, Price: put.Price}}, decided(t, stored, dots))
	})
	t.Run("KnownSKUIsChanged", func(t *testing.T) {
		big := putProduct{SKU: "MUG", Name: "Big MÜG", Price: money.Of(1, "EUR"), Active: &off}
		events := decided(t, known, big)
		require.Equal(t, []ProductEvent{ProductChanged{Name: big.Name, Price: big.Price}}, events)
		after := evolveProduct(known, events[0])
		require.Equal(t, Product{SKU: "MUG", Name: "Big MÜG", Price: big.Price, Search: "mug\nbig müg"}, after)
	})
	t.Run("SameAgainIsNoEvent", func(t *testing.T) {
		require.Empty(t, decided(t, known, put))
		require.Empty(t, decided(t, withdrawn, put))
	})
	t.Run("WithoutActiveTheStateIsKept", func(t *testing.T) {
		dear := put
		dear.Price.Amount = 400
		require.Equal(t, []ProductEvent{ProductChanged{Name: "Mug", Price: dear.Price}}, decided(t, withdrawn, dear))
		require.Equal(t, []ProductEvent{ProductChanged{Name: "Mug", Price: dear.Price, Active: true}}, decided(t, known, dear))
		dear.Active = &on
		require.Equal(t, []ProductEvent{ProductChanged{Name: "Mug", Price: dear.Price, Active: true}}, decided(t, withdrawn, dear))
	})
	t.Run("ACurrencyThatHasEndedIsRefusedWhereItIsNew", func(t *testing.T) {
		lev := put
		lev.Price.Currency = "BGN"
		for _, p := range []Product{{}, known} {
			_, err := decideProduct(p, lev)
			f, ok := fault.As(err)
			require.True(t, ok)
			require.Equal(t, []fault.Field{{Field: "price.currency", Code: "currency", Detail: "BGN is not a currency any more. Use EUR."}}, f.Fields)
		}
		stored := known
		stored.Price, lev.Active = lev.Price, &off
		require.Equal(t, []ProductEvent{ProductChanged{Name: "Mug", Price: lev.Price}}, decided(t, stored, lev))
	})
	t.Run("ANewOneMayBeWithdrawn", func(t *testing.T) {
		hidden := put
		hidden.Active = &off
		require.Equal(t, []ProductEvent{ProductCreated{SKU: "MUG", Name: "Mug", Price: put.Price}}, decided(t, Product{}, hidden))
	})
}
