package gates

import (
	"fmt"
	"math"
	"net/http"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
)

// A cart as it should be, in so few words that one can see that it is right: what linear_test.go holds every answer against.

// basket is a cart: how often it was changed, and its lines in the order in which they were added.
type basket struct {
	version int64
	lines   [shelfSize]basketLine // empty ones last
}

type basketLine struct {
	sku      int // on the shelf, from 1
	quantity int64
}

const shelfSize = 3

// wish is what a client asks of a cart.
type wish struct {
	cart     int
	verb     string // of the five below
	sku      int
	quantity int64
	version  int64 // If-Match; of a read If-None-Match. 0: none
	keyed    bool  // with an Idempotency-Key; means nothing to the model
}

const (
	reads   = "reads"
	adds    = "adds"
	sets    = "sets"
	removes = "removes"
	clears  = "clears"
)

// heard is the answer to a wish, with as much of the cart as such an answer shows.
type heard struct {
	open   bool // there was none: the wish may come true at any time from then on, or never
	status int
	basket
}

// asked is a basket after a wish, and the one right answer.
func (b basket) asked(w wish) (basket, heard) {
	i := 0
	for i < shelfSize && b.lines[i].sku != w.sku && b.lines[i].sku != 0 {
		i++
	}
	there := i < shelfSize && b.lines[i].sku == w.sku
	now := b
	switch {
	case w.verb == reads && w.version == b.version:
		return b, heard{status: http.StatusNotModified, basket: basket{version: b.version}}
	case w.verb == reads:
		return b, heard{status: http.StatusOK, basket: b}
	case w.version != 0 && w.version != b.version:
		return b, heard{status: http.StatusPreconditionFailed, basket: basket{version: b.version}}
	case w.verb == adds:
		now.lines[i] = basketLine{w.sku, b.lines[i].quantity + w.quantity}
	case w.verb == clears:
		now.lines = [shelfSize]basketLine{}
	case !there:
		return b, heard{status: http.StatusNotFound}
	case w.verb == sets:
		now.lines[i].quantity = w.quantity
	case w.verb == removes:
		copy(now.lines[i:], b.lines[i+1:])
		now.lines[shelfSize-1] = basketLine{}
	}
	if now != b { // nothing changed: nothing is written
		now.version++
	}
	return now, heard{status: http.StatusOK, basket: now}
}

// oneCart is the model for the history of one cart, which was opened at version 1.
var oneCart = porcupine.Model{
	Init: func() any { return basket{version: 1} },
	Step: func(state, input, output any) (bool, any) {
		after, right := state.(basket).asked(input.(wish))
		return output.(heard).open || output.(heard) == right, after
	},
	Hash: func(state any) uint64 { return uint64(state.(basket).version) },
	DescribeOperation: func(input, output any) string {
		w, r := input.(wish), output.(heard)
		asked := fmt.Sprintf("%s %d×%d @%d", w.verb, w.quantity, w.sku, w.version)
		if r.open {
			return asked + " → ?"
		}
		return fmt.Sprintf("%s → %d: %v", asked, r.status, r.basket)
	},
	DescribeState: func(state any) string { return fmt.Sprint(state) },
}

// never is when an operation without an answer returns.
const never = math.MaxInt64

// TestLinearModel sees the model and the checker refuse what must never be, and accept what may look odd.
func TestLinearModel(t *testing.T) {
	t.Parallel()
	in := func(version int64, lines ...basketLine) (b basket) {
		b.version = version
		copy(b.lines[:], lines)
		return b
	}
	one, two := wish{verb: adds, sku: 1, quantity: 1}, wish{verb: adds, sku: 2, quantity: 1}
	ok := func(version int64, lines ...basketLine) heard {
		return heard{status: 200, basket: in(version, lines...)}
	}
	first, both := ok(2, basketLine{1, 1}), ok(3, basketLine{1, 1}, basketLine{2, 1})
	read, only := wish{verb: reads}, func(w wish, version int64) wish { w.version = version; return w }
	op := func(w wish, r heard, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: w, Output: r, Call: call, Return: end}
	}
	for name, c := range map[string]struct {
		right   bool
		history []porcupine.Operation
	}{
		"InOrder":          {true, []porcupine.Operation{op(one, first, 1, 2), op(two, both, 3, 4)}},
		"TheOtherWayRound": {true, []porcupine.Operation{op(two, both, 1, 4), op(one, first, 2, 3)}},
		"AConflict": {true, []porcupine.Operation{
			op(one, first, 1, 2), op(only(two, 1), heard{status: 412, basket: in(2)}, 3, 4),
		}},
		"NotChanged": {true, []porcupine.Operation{op(one, first, 1, 2), op(only(read, 2), heard{status: 304, basket: in(2)}, 3, 4)}},
		"TheSameQuantityAgain": {true, []porcupine.Operation{
			op(one, first, 1, 2), op(wish{verb: sets, sku: 1, quantity: 1}, first, 3, 4),
		}},
		"UnheardCameTrueLate":  {true, []porcupine.Operation{op(one, heard{open: true}, 1, never), op(read, ok(1), 2, 3), op(read, first, 4, 5)}},
		"UnheardNeverCameTrue": {true, []porcupine.Operation{op(one, heard{open: true}, 1, never), op(two, ok(2, basketLine{2, 1}), 2, 3)}},

		"AWriteIsLost":          {false, []porcupine.Operation{op(one, first, 1, 2), op(two, ok(2, basketLine{2, 1}), 1, 4)}},
		"AnEarlierCartIsShown":  {false, []porcupine.Operation{op(one, first, 1, 2), op(read, ok(1), 3, 4)}},
		"AVersionNobodyMade":    {false, []porcupine.Operation{op(one, ok(3, basketLine{1, 1}), 1, 2)}},
		"AStaleVersionIsTaken":  {false, []porcupine.Operation{op(one, first, 1, 2), op(only(two, 1), both, 3, 4)}},
		"ARightVersionRefused":  {false, []porcupine.Operation{op(only(one, 1), heard{status: 412, basket: in(1)}, 1, 2)}},
		"NothingIsWritten":      {false, []porcupine.Operation{op(wish{verb: clears}, ok(2), 1, 2)}},
		"UnheardCameTrueTwice":  {false, []porcupine.Operation{op(one, heard{open: true}, 1, never), op(read, ok(3, basketLine{1, 2}), 2, 3)}},
		"UnheardBeforeItsTime":  {false, []porcupine.Operation{op(read, first, 1, 2), op(one, heard{open: true}, 3, never)}},
		"UnheardAndTakenBack":   {false, []porcupine.Operation{op(one, heard{open: true}, 1, never), op(read, first, 2, 3), op(read, ok(1), 4, 5)}},
		"LinesInAnotherOrder":   {false, []porcupine.Operation{op(one, first, 1, 2), op(two, ok(3, basketLine{2, 1}, basketLine{1, 1}), 3, 4)}},
		"RemovedWhatIsNotThere": {false, []porcupine.Operation{op(wish{verb: removes, sku: 1}, ok(2), 1, 2)}},
	} {
		require.Equal(t, c.right, porcupine.CheckOperations(oneCart, c.history), name)
	}
}
