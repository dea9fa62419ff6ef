package cart

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
)

// journey is a cart under random commands, with the events that it wrote.
type journey struct {
	state  State
	log    []Event
	priced map[string][2]int64 // quantity and price of each line, when the adjustments were last set
}

// lines returns the quantity and price of each line by SKU.
func (s State) lines() map[string][2]int64 {
	all := map[string][2]int64{}
	for _, l := range s.Lines {
		all[l.SKU] = [2]int64{l.Quantity, l.UnitPrice}
	}
	return all
}

// sealed requires that a checkout's total is exact, and that its adjustments were set for its lines.
func (j *journey) sealed(t *rapid.T, e CheckedOut) {
	require.Equal(t, exactSum(j.state).String(), big.NewInt(e.Total).String(), "lines and adjustments are the total")
	require.GreaterOrEqual(t, e.Total, int64(0))
	require.Equal(t, j.state.Lines, e.Lines)
	if len(e.Adjustments) > 0 {
		require.Equal(t, j.priced, j.state.lines(), "the adjustments were set for other lines")
	}
}

func (j *journey) do(t *rapid.T, decide func(State) ([]Event, error)) {
	before := asJSON(t, j.state)
	events, err := decide(j.state)
	require.Equal(t, before, asJSON(t, j.state), "a decision changed the state in place")
	next := j.state
	if err != nil {
		_, ok := fault.As(err)
		require.True(t, ok, "refused with something else than a fault: %v", err)
		require.Empty(t, events)
	}
	for _, e := range events {
		if c, ok := e.(CheckedOut); ok {
			j.sealed(t, c)
		}
		j.log = append(j.log, e)
		next = evolve(next, e)
	}
	require.Equal(t, before, asJSON(t, j.state), "a fold changed the state in place")
	j.state = next
	for _, e := range events {
		switch e := e.(type) {
		case AdjustmentsSet:
			j.priced = j.state.lines()
		case MergedIn:
			if len(e.Adjustments) > 0 {
				j.priced = nil // not set for this cart
			}
		}
	}
}

func asJSON(t *rapid.T, v any) string {
	data, err := json.Marshal(v)
	require.NoError(t, err)
	return string(data)
}

// refolded returns the state folded from the stored events.
func (j *journey) refolded(t *rapid.T) (s State) {
	for _, e := range j.log {
		decoded, err := carts.Event(eventstore.Recorded{Type: eventstore.TypeOf(e), Data: []byte(asJSON(t, e))})
		require.NoError(t, err)
		s = evolve(s, decoded)
	}
	return s
}

// exactTotal computes the promised total with numbers that cannot overflow.
func exactTotal(s State) *big.Int {
	if sum := exactSum(s); sum.Sign() > 0 {
		return sum
	}
	return new(big.Int)
}

func exactSum(s State) *big.Int {
	sum := new(big.Int)
	for _, l := range s.Lines {
		sum.Add(sum, new(big.Int).Mul(big.NewInt(l.UnitPrice), big.NewInt(l.Quantity)))
	}
	for _, a := range s.Adjustments {
		sum.Add(sum, big.NewInt(a.Amount))
	}
	return sum
}

func (j *journey) check(t *rapid.T) {
	s := j.state
	require.Equal(t, exactTotal(s).String(), big.NewInt(s.Total()).String())
	require.LessOrEqual(t, s.Total(), int64(money.Max))
	require.LessOrEqual(t, len(s.Lines), MaxLines)
	seen := map[string]bool{}
	for _, l := range s.Lines {
		require.Positive(t, l.Quantity)
		require.LessOrEqual(t, l.Quantity, int64(MaxQuantity))
		require.False(t, seen[l.SKU], "two lines of %s", l.SKU)
		seen[l.SKU] = true
	}
	require.Equal(t, asJSON(t, s), asJSON(t, j.refolded(t)))
	var stored State
	require.NoError(t, json.Unmarshal([]byte(asJSON(t, s)), &stored))
	require.Equal(t, asJSON(t, s), asJSON(t, stored))
}

var (
	anySKU      = rapid.SampledFrom([]string{"A", "B", "C", "D"})
	anyQuantity = rapid.OneOf(rapid.Int64Range(1, 5), rapid.Int64Range(1, MaxQuantity))
	anyPrice    = rapid.OneOf(rapid.Int64Range(0, 1000), rapid.Int64Range(0, money.Max))
	anyAmount   = rapid.OneOf(rapid.Int64Range(-1000, 1000), rapid.Int64Range(-money.Max, money.Max))
)

func anyBook(t *rapid.T) priceBook {
	book := priceBook{}
	for _, sku := range []string{"A", "B", "C", "D"} {
		if rapid.IntRange(0, 9).Draw(t, "known") == 0 {
			book[sku] = Product{}
			continue
		}
		code := rapid.SampledFrom([]string{"GBP", "GBP", "GBP", "EUR"}).Draw(t, "currency")
		active := rapid.IntRange(0, 4).Draw(t, "active") > 0
		book[sku] = Product{SKU: sku, Name: "Thing " + sku, Price: money.Of(anyPrice.Draw(t, "price"), code), Active: active}
	}
	return book
}

func TestAnySequenceOfCommandsKeepsTheInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		j := &journey{}
		book := anyBook(t)
		tell := func(c command) {
			j.do(t, func(s State) ([]Event, error) { return decide(s, c, book) })
		}
		tell(create{CustomerID: "ann", Currency: "GBP"})
		t.Repeat(map[string]func(*rapid.T){
			"":         func(t *rapid.T) { j.check(t) },
			"prices":   func(t *rapid.T) { book = anyBook(t) },
			"add":      func(t *rapid.T) { tell(addItem{anySKU.Draw(t, "sku"), anyQuantity.Draw(t, "quantity")}) },
			"set":      func(t *rapid.T) { tell(setQuantity{anySKU.Draw(t, "sku"), anyQuantity.Draw(t, "quantity")}) },
			"remove":   func(t *rapid.T) { tell(removeItem{anySKU.Draw(t, "sku")}) },
			"clear":    func(*rapid.T) { tell(clearItems{}) },
			"reprice":  func(*rapid.T) { tell(reprice{}) },
			"adjust":   func(t *rapid.T) { tell(adjust(rapid.SliceOfN(anyAmount, 0, 4).Draw(t, "amounts")...)) },
			"checkOut": func(*rapid.T) { tell(checkOut) },
			"reopen":   func(*rapid.T) { tell(Reopen{CartID: cartA, CheckoutID: j.state.CheckoutID, Code: "cancelled"}) },
			"complete": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rarely") == 0 {
					tell(Complete{CartID: cartA, CheckoutID: j.state.CheckoutID})
				}
			},
			"merge": func(t *rapid.T) {
				source := evolve(State{}, Created{CustomerID: "guest", Currency: "GBP"})
				for range rapid.IntRange(0, 3).Draw(t, "lines") {
					l := Line{SKU: anySKU.Draw(t, "sku"), Name: "Theirs", Quantity: 1, UnitPrice: anyPrice.Draw(t, "price")}
					source = evolve(source, ItemAdded{l})
				}
				if list := adjust(rapid.SliceOfN(anyAmount, 0, 2).Draw(t, "theirs")...); len(list.Adjustments) > 0 {
					events, err := decide(source, list, book)
					for _, e := range events {
						source = evolve(source, e)
					}
					require.True(t, err == nil || len(events) == 0)
				}
				j.do(t, func(s State) ([]Event, error) {
					in, _, err := decideMerge(s, source, merge{TargetID: cartA, SourceID: cartB})
					if err != nil {
						return nil, err
					}
					return []Event{*in}, nil
				})
			},
		})
	})
}
