package reconcile

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/order"
)

func TestCheckStock(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		holding order.StockLevel
		check   string
	}{
		"Kept":                         {order.StockLevel{Tracked: true, OnHand: 5, Reserved: 5, Held: 5}, ""},
		"ARecordedLossIsNoOverselling": {order.StockLevel{Tracked: true, OnHand: 2, Reserved: 5, Held: 5, Short: 3}, ""},
		"LessThanIsReserved":           {order.StockLevel{Tracked: true, OnHand: 2, Reserved: 5, Held: 5}, "oversold"},
		"LessThanTheLossExplains":      {order.StockLevel{Tracked: true, OnHand: 2, Reserved: 5, Held: 5, Short: 2}, "oversold"},
		"BelowZero":                    {order.StockLevel{Tracked: true, OnHand: -1, Reserved: 0, Held: 0}, "oversold"},
		"ReservedForNobody":            {order.StockLevel{Tracked: true, OnHand: 5, Reserved: 5, Held: 4}, "reserved_without_order"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check, _ := checkStock(c.holding)
			require.Equal(t, c.check, check)
		})
	}
}
