package saga

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
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// examples hold one event of each kind, every field filled.
var examples = []Event{
	Started{
		Type: "checkout", Definition: 1, CustomerID: "ann", At: noon,
		Checkout: Checkout{
			CheckoutID: uuid.UUID{1}, CartID: uuid.UUID{2}, OrderID: uuid.UUID{3}, PaymentID: uuid.UUID{4}, ContactID: uuid.UUID{5},
			Currency: "GBP", Total: 1005, PaymentMethod: "sim_ok",
			Lines:       []Line{{SKU: "85123A", Name: "White hanging heart", Quantity: 2, UnitPrice: 255}},
			Adjustments: []Adjustment{{Code: "shipping", Label: "Royal Mail", Amount: 495}},
		},
	},
	StepDone{Step: PlaceOrder, BeganAt: noon, At: after(time.Millisecond)},
	StepRetried{
		Step: UndoPayment, Error: "It took too long.", Unknown: true, Certain: true, Ours: true,
		BeganAt: noon, At: after(3 * time.Second), RetryAt: after(4 * time.Second),
	},
	StepWaits{
		Step: ChargeMoney, NextAction: &NextAction{Type: "redirect", URL: "https://bank.example/1"},
		BeganAt: noon, At: after(time.Second), Until: after(15 * time.Minute),
	},
	StepRefused{
		Step: PlaceOrder, BeganAt: noon, At: after(time.Second),
		Failure: Failure{Code: "out_of_stock", Detail: "There is not enough of this in stock.", Lines: []Short{{SKU: "85123A", Requested: 2, Available: 1}}},
	},
	AttentionNeeded{Step: ChargeMoney, Reason: "It took too long.", BeganAt: noon, At: after(time.Second)},
	Ended{Status: Completed, At: noon},
}

func golden(kind string) string { return filepath.Join("testdata", "events", kind+".json") }

// TestGoldenEvents keeps what was once written readable: these files never change.
func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	for _, want := range examples {
		t.Run(want.Kind(), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(golden(want.Kind()))
			require.NoError(t, err)
			got, err := decodeEvent(want.Kind(), data)
			require.NoError(t, err)
			require.Equal(t, want, got)
			encoded, err := json.Marshal(want)
			require.NoError(t, err)
			require.JSONEq(t, string(data), string(encoded))
		})
	}
	t.Run("UnknownKindIsAnError", func(t *testing.T) {
		t.Parallel()
		_, err := decodeEvent("saga.painted", []byte("{}"))
		require.ErrorContains(t, err, "saga.painted")
	})
}

func TestEveryEventHasItsGoldenAndItsPrefix(t *testing.T) {
	t.Parallel()
	types := map[string]bool{}
	for _, e := range examples {
		types[reflect.TypeOf(e).Name()] = true
		require.True(t, strings.HasPrefix(e.Kind(), sagas.Kind+"."), e.Kind())
		require.FileExists(t, golden(e.Kind()))
		value := reflect.ValueOf(e)
		for i := range value.NumField() {
			require.False(t, value.Field(i).IsZero(), "%s.%s is left empty in its example", value.Type(), value.Type().Field(i).Name)
		}
	}
	require.Equal(t, typesWith(t, "isEvent"), types)
	all, err := filepath.Glob(golden("*"))
	require.NoError(t, err)
	require.Len(t, all, len(examples))
}

// typesWith reads events.go for the types that have a method: a sum type in Go cannot list its members.
func typesWith(t *testing.T, method string) map[string]bool {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "events.go", nil, 0)
	require.NoError(t, err)
	types := map[string]bool{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == method {
			types[f.Recv.List[0].Type.(*ast.Ident).Name] = true // a panic fails the test
		}
	}
	return types
}
