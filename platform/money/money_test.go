package money_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/bojanz/currency"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/platform/money"
)

func amounts() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64Range(-money.Max, money.Max), rapid.Int64Range(money.Max-9, money.Max), rapid.Int64Range(-money.Max, 9-money.Max))
}

func TestAddIsExactOrRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		a, b := amounts().Draw(r, "a"), amounts().Draw(r, "b")
		agrees(r, new(big.Int).Add(big.NewInt(a), big.NewInt(b)), func() (int64, error) { return money.Add(a, b) })
	})
}

func TestTimesIsExactOrRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		price := rapid.OneOf(rapid.Int64Range(0, money.Max), rapid.Int64Range(0, 99999)).Draw(r, "price")
		quantity := rapid.OneOf(rapid.Int64Range(0, 9999), rapid.Int64Range(0, money.Max)).Draw(r, "quantity")
		agrees(r, new(big.Int).Mul(big.NewInt(price), big.NewInt(quantity)), func() (int64, error) { return money.Times(price, quantity) })
	})
}

// agrees compares with unbounded arithmetic: the same number, or an error because it exceeds Max.
func agrees(t *rapid.T, want *big.Int, compute func() (int64, error)) {
	got, err := compute()
	if want.CmpAbs(big.NewInt(money.Max)) > 0 {
		require.ErrorIs(t, err, money.ErrTooLarge)
		return
	}
	require.NoError(t, err)
	require.Equal(t, want.Int64(), got)
}

func TestTheBoundsThemselves(t *testing.T) {
	t.Parallel()
	sum, err := money.Add(money.Max-1, 1)
	require.NoError(t, err)
	require.EqualValues(t, money.Max, sum)
	_, err = money.Add(money.Max, 1)
	require.ErrorIs(t, err, money.ErrTooLarge)
	_, err = money.Add(-money.Max, -1)
	require.ErrorIs(t, err, money.ErrTooLarge)
	_, err = money.Times(money.Max/2+1, 2)
	require.ErrorIs(t, err, money.ErrTooLarge)
	_, err = money.Times(money.Max, money.Max)
	require.ErrorIs(t, err, money.ErrTooLarge)
}

func TestString(t *testing.T) {
	t.Parallel()
	for want, amount := range map[string]money.Amount{
		"19.99 GBP": money.Of(1999, "GBP"), "0.00 GBP": money.Of(0, "GBP"), "0.05 EUR": money.Of(5, "EUR"),
		"-0.05 EUR": money.Of(-5, "EUR"), "-12.00 USD": money.Of(-1200, "USD"), "500 JPY": money.Of(500, "JPY"),
		"1.234 BHD": money.Of(1234, "BHD"), "90071992547409.91 GBP": money.Of(money.Max, "GBP"), "7 ???": money.Of(7, "???"),
	} {
		require.Equal(t, want, amount.String())
	}
}

func TestAnyStringReadsBackAsItsMinorUnits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		amount := money.Of(amounts().Draw(r, "minor"), rapid.SampledFrom([]string{"GBP", "JPY", "BHD"}).Draw(r, "currency"))
		digits, _, _ := strings.Cut(amount.String(), " ")
		minor, ok := new(big.Int).SetString(strings.ReplaceAll(digits, ".", ""), 10)
		require.True(r, ok)
		require.Equal(r, amount.Amount, minor.Int64())
	})
}

func TestValidCurrency(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"GBP", "EUR", "JPY", "XCG", "BGN", "ANG"} {
		require.True(t, money.ValidCurrency(code), code)
	}
	for _, code := range []string{"", "gbp", "GB", "XYZ", "GBP ", "GBPX"} {
		require.False(t, money.ValidCurrency(code), "%q", code)
	}
}

// An ended currency is formatted, and refused only for new amounts.
func TestEndedCurrencies(t *testing.T) {
	t.Parallel()
	require.Equal(t, "12.50 BGN", money.Of(1250, "BGN").String())
	require.Equal(t, "0.05 ANG", money.Of(5, "ANG").String())
	for code, successor := range map[string]string{"BGN": "EUR", "ANG": "XCG", "EUR": "", "XCG": "", "GBP": "", "XYZ": ""} {
		require.Equal(t, successor, money.Successor(code), code)
		require.Equal(t, code == "BGN" || code == "ANG", money.ValidCurrency(code) && !currency.IsValid(code), code)
	}
	for _, pair := range strings.Fields(`HRK→EUR LTL→EUR LVL→EUR EEK→EUR SKK→EUR SIT→EUR CYP→EUR MTL→EUR DEM→EUR ITL→EUR GRD→EUR BYR→BYN MRO→MRU STD→STN VEF→VES
		VEB→VES ZWL→ZWG SLL→SLE CUC→CUP TRL→TRY AZM→AZN ROL→RON GHC→GHS MZM→MZN SDD→SDG ZMK→ZMW TMM→TMT CSD→RSD`) {
		code, successor, _ := strings.Cut(pair, "→")
		require.Equal(t, successor, money.Successor(code), code)
		require.False(t, money.ValidCurrency(code), "%s had ended before anything could be stored in it", code)
	}
	for a := range 26 * 26 * 26 {
		code := string([]rune{'A' + rune(a/676), 'A' + rune(a/26%26), 'A' + rune(a%26)})
		if successor := money.Successor(code); successor != "" {
			require.False(t, currency.IsValid(code), "%s has not ended", code)
			require.True(t, currency.IsValid(successor), "%s has ended too", successor)
		}
	}
}

// The library removes ended currencies: those that carts may have must be known here.
func TestNoCurrencyIsForgotten(t *testing.T) {
	t.Parallel()
	for _, code := range strings.Fields(`AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD
		CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL
		HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU
		MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE
		SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XCD XCG XOF
		XPF YER ZAR ZMW ZWG`) {
		require.True(t, money.ValidCurrency(code), code)
	}
}

func TestGrouped(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"823746.14 GBP": "823,746.14 GBP", "0.05 GBP": "0.05 GBP", "999": "999", "1000": "1,000", "1234567": "1,234,567", "-123456.00 GBP": "-123,456.00 GBP",
	} {
		require.Equal(t, want, money.Grouped(text))
	}
}
