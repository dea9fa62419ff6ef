package cart

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// cartExamples hold one event of each kind, every field filled.
var cartExamples = []Event{
	Created{CustomerID: "ann", Currency: "GBP"},
	ItemAdded{Line{SKU: "85123A", Name: "White hanging heart", Quantity: 2, UnitPrice: 255}},
	QuantityChanged{SKU: "85123A", Quantity: 3},
	ItemRemoved{SKU: "85123A"},
	ItemsCleared{},
	Repriced{Prices: []PriceChange{{SKU: "85123A", Was: 255, Now: 275}}},
	AdjustmentsSet{Adjustments: []Adjustment{{Code: "shipping", Label: "Royal Mail", Amount: 495}, {Code: "welcome", Label: "Welcome", Amount: -100}}},
	CheckedOut{
		CheckoutID: derivedID(cartA, 1, "checkout"), OrderID: derivedID(cartA, 1, "order"), PaymentID: derivedID(cartA, 1, "payment"),
		Attempt: 1, CartID: cartA, CustomerID: "ann", Currency: "GBP",
		Lines:       []Line{{SKU: "85123A", Name: "White hanging heart", Quantity: 2, UnitPrice: 255}},
		Adjustments: []Adjustment{{Code: "shipping", Label: "Royal Mail", Amount: 495}},
		Total:       1005, PaymentMethod: "sim_ok", ContactID: cartB,
	},
	Reopened{CheckoutID: derivedID(cartA, 1, "checkout"), Code: "payment_declined", Detail: "The card was declined."},
	Completed{CheckoutID: derivedID(cartA, 1, "checkout"), OrderID: derivedID(cartA, 1, "order")},
	MergedIn{SourceCartID: cartB, Lines: []Line{{SKU: "71053", Name: "White metal lantern", Quantity: 6, UnitPrice: 339}}},
	MergedAway{TargetCartID: cartA},
	Abandoned{},
}

var productExamples = []ProductEvent{
	ProductCreated{SKU: "85123A", Name: "White hanging heart", Price: money.Of(255, "GBP"), Active: true},
	ProductChanged{Name: "Cream hanging heart", Price: money.Of(275, "GBP"), Active: true},
}

func examples() map[string][]eventstore.Event {
	all := map[string][]eventstore.Event{}
	for _, e := range cartExamples {
		all["ofCart"] = append(all["ofCart"], e)
	}
	for _, e := range productExamples {
		all["ofProduct"] = append(all["ofProduct"], e)
	}
	return all
}

func golden(kind string) string { return filepath.Join("testdata", "events", kind+".json") }

// TestGoldenEvents keeps what was once written readable: these files never change.
func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, want eventstore.Event, decode func(data []byte) (eventstore.Event, error)) {
		t.Helper()
		data, err := os.ReadFile(golden(want.Kind()))
		require.NoError(t, err)
		got, err := decode(data)
		require.NoError(t, err)
		require.Equal(t, want, got)
		encoded, err := json.Marshal(want)
		require.NoError(t, err)
		require.JSONEq(t, string(data), string(encoded))
	}
	for _, e := range cartExamples {
		t.Run(e.Kind(), func(t *testing.T) {
			check(t, e, func(data []byte) (eventstore.Event, error) { return decodeEvent(e.Kind(), data) })
		})
	}
	for _, e := range productExamples {
		t.Run(e.Kind(), func(t *testing.T) {
			check(t, e, func(data []byte) (eventstore.Event, error) { return decodeProductEvent(e.Kind(), data) })
		})
	}
	t.Run("UnknownKindIsAnError", func(t *testing.T) {
		_, err := decodeEvent("cart.painted", []byte("{}"))
		require.ErrorContains(t, err, "cart.painted")
		_, err = decodeProductEvent("product.painted", []byte("{}"))
		require.ErrorContains(t, err, "product.painted")
	})
}

func TestEveryEventHasItsGoldenAndItsPrefix(t *testing.T) {
	t.Parallel()
	files := 0
	for marker, prefix := range map[string]string{"ofCart": carts.Kind + ".", "ofProduct": products.Kind + "."} {
		types := map[string]bool{}
		for _, e := range examples()[marker] {
			types[reflect.TypeOf(e).Name()] = true
			require.True(t, strings.HasPrefix(e.Kind(), prefix), e.Kind())
			require.FileExists(t, golden(e.Kind()))
			files++
		}
		require.Equal(t, typesWith(t, marker), types)
	}
	all, err := filepath.Glob(golden("*"))
	require.NoError(t, err)
	require.Len(t, all, files)
}

// typesWith reads events.go for the types that have a method: a sum type in Go cannot list its members.
func typesWith(t *testing.T, method string) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "events.go", nil, 0)
	require.NoError(t, err)
	types := map[string]bool{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == method {
			types[f.Recv.List[0].Type.(*ast.Ident).Name] = true
		}
	}
	return types
}
