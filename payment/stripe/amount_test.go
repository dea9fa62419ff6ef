package stripe

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/money"
)

// The currencies of Stripe's card payments, with those that have no decimals there, and those whose two decimals must be 00. See
// https://docs.stripe.com/currencies.
const (
	charged = `USD AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY COP CRC
		CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD JPY KES KGS KHR KMF KRW
		KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN PYG
		QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD TWD TZS UAH UGX UYU UZS VND VUV WST XAF XCD XOF
		XPF YER ZAR ZMW BHD JOD KWD OMR TND`
	zeroDecimal  = "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF"
	threeDecimal = "BHD JOD KWD OMR TND"
	alwaysWhole  = "ISK UGX"
)

// TestUnits converts 50 whole units of every currency, with the decimals that the rest of the program uses.
func TestUnits(t *testing.T) {
	t.Parallel()
	for _, code := range strings.Fields(charged) {
		if !money.ValidCurrency(code) {
			continue // no cart can have it either
		}
		digits, ok := money.Digits(code)
		require.True(t, ok, code)
		whole := int64(50)
		for range digits {
			whole *= 10
		}
		want := int64(5000)
		switch {
		case strings.Contains(zeroDecimal, code):
			want = 50
		case strings.Contains(threeDecimal, code):
			want = 50_000
		}
		units, err := toStripe(money.Of(whole, code))
		require.NoError(t, err, code)
		require.Equal(t, want, units, code)
		require.Equal(t, whole, fromStripe(units, code), code)
	}
}

func TestFractions(t *testing.T) {
	t.Parallel()
	for _, code := range strings.Fields(threeDecimal) {
		_, err := toStripe(money.Of(5124, code))
		require.ErrorIs(t, err, errAmount, code)
		_, err = toStripe(money.Of(5120, code))
		require.NoError(t, err, code)
	}
	for _, code := range strings.Fields(alwaysWhole) {
		units, err := toStripe(money.Of(7, code))
		require.NoError(t, err)
		require.EqualValues(t, 700, units, code)
	}
	_, err := toStripe(money.Of(150, "MGA"))
	require.ErrorIs(t, err, errAmount)
	units, err := toStripe(money.Of(money.Max, "UGX"))
	require.NoError(t, err)
	require.Equal(t, int64(money.Max), fromStripe(units, "UGX"), "no amount overflows")
}
