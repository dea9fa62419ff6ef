package order

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
)

// goldenEvents are one event of every kind, with every field set. Their files in testdata are what databases hold: a
// file never changes, and is read for ever.
func goldenEvents() map[string]eventstore.Event {
	id := func(last string) uuid.UUID { return uuid.MustParse("0199aaaa-0000-7000-8000-00000000000" + last) }
	events := map[string]eventstore.Event{}
	for _, e := range []eventstore.Event{
		Placed{
			Number: "1000002", CheckoutID: id("1"), PaymentID: id("2"), CartID: id("3"), ContactID: id("4"),
			CustomerID: "alice", Currency: "GBP", Total: 4948,
			Lines: []Line{
				{SKU: "MUG", Name: "Mug", Quantity: 2, UnitPrice: 1999, Tracked: true},
				{SKU: "TEA", Name: "Tea", Quantity: 1, UnitPrice: 450},
			},
			Adjustments: []Adjustment{{Code: "shipping", Label: "Standard delivery", Amount: 500}},
		},
		Confirmed{Currency: "GBP", Total: 4948},
		Cancelled{Reason: "payment_declined"},
		Fulfilled{},
		StockCounted{SKU: "MUG", OnHand: 40},
		StockReserved{OrderID: id("5"), Quantity: 2},
		StockReleased{OrderID: id("5"), Quantity: 2},
		StockFulfilled{OrderID: id("5"), Quantity: 2},
	} {
		events[e.Kind()] = e
	}
	return events
}

func TestEvents(t *testing.T) {
	t.Parallel()

	t.Run("ReadAsTheyWereWritten", func(t *testing.T) {
		t.Parallel()
		for kind, event := range goldenEvents() {
			golden, err := os.ReadFile(filepath.Join("testdata", "events", kind+".json"))
			require.NoError(t, err)
			require.Equal(t, event, decoded(t, kind, golden))
			written, err := json.Marshal(event)
			require.NoError(t, err)
			require.JSONEq(t, string(golden), string(written))
		}
	})

	t.Run("EveryKindHasItsFile", func(t *testing.T) {
		t.Parallel()
		source, err := os.ReadFile("events.go")
		require.NoError(t, err)
		events := goldenEvents()
		declared := regexp.MustCompile(`Kind\(\) string \{ return "(.+)" \}`).FindAllStringSubmatch(string(source), -1)
		require.Len(t, declared, len(events))
		for _, d := range declared {
			require.Contains(t, events, d[1])
		}
		files, err := filepath.Glob("testdata/events/*.json")
		require.NoError(t, err)
		require.Len(t, files, len(events))
	})

	t.Run("AnUnknownKindIsAnError", func(t *testing.T) {
		t.Parallel()
		_, err := decodeEvent("order.eaten", []byte(`{}`))
		require.ErrorContains(t, err, "order.eaten")
		_, err = decodeStockEvent("stock.eaten", []byte(`{}`))
		require.ErrorContains(t, err, "stock.eaten")
	})
}

func decoded(t *testing.T, kind string, data []byte) eventstore.Event {
	t.Helper()
	if e, err := decodeEvent(kind, data); err == nil {
		return e
	}
	e, err := decodeStockEvent(kind, data)
	require.NoError(t, err)
	return e
}
