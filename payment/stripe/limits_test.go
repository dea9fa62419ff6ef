package stripe

import (
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/money"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	p := New(Config{})
	for why, amounts := range map[string][]money.Amount{
		"": {
			money.Of(30, "GBP"), money.Of(99_999_999, "GBP"), money.Of(50, "JPY"), money.Of(1, "UAH"), money.Of(10, "KWD"),
			money.Of(5_000_000_000, "IDR"), money.Of(100, "MGA"),
		},
		"The smallest amount that can be paid is 0.30 GBP.":                           {money.Of(29, "GBP"), money.Of(1, "GBP")},
		"The smallest amount that can be paid is 175.00 HUF.":                         {money.Of(17_499, "HUF")},
		"The smallest amount that can be paid is 50 JPY.":                             {money.Of(49, "JPY")},
		"The largest amount that can be paid at once is 999999.99 USD.":               {money.Of(100_000_000, "USD"), money.Of(money.Max, "USD")},
		"Amounts in KWD must be a multiple of 0.010 KWD.":                             {money.Of(5124, "KWD")},
		"Amounts in MGA must be a multiple of " + money.Of(100, "MGA").String() + ".": {money.Of(150, "MGA")},
	} {
		for _, a := range amounts {
			require.Equal(t, why, p.NotChargeable(a), a.String())
		}
	}
	require.Empty(t, p.NotRefundable(money.Of(1, "GBP")), "a refund has no smallest amount")
	require.NotEmpty(t, p.NotRefundable(money.Of(5124, "KWD")))
}
