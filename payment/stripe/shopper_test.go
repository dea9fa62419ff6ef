package stripe

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/payment/stripe/stripetest"
)

// told returns a call whose shopper is known.
func told() payment.Call {
	c := under(callFor(stripetest.Good), "authorize")
	c.Customer, c.Source, c.Shopper = "ann", "5f1d", payment.Shopper{OrderNumber: "1000002", Email: "ann@example.com"}
	return c
}

func TestStripeLearnsOfTheShopperBeforeItDecides(t *testing.T) {
	t.Parallel()
	for _, receipts := range []bool{false, true} {
		b, c := setup(t), told()
		b.receipts = receipts
		answer, err := b.Authorize(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, payment.Authorized, answer.Status)
		requests := b.Requests()
		require.Len(t, requests, 3)
		require.True(t, strings.HasSuffix(requests[2], "/confirm"), "the update comes first: %v", requests)
		known, email := b.Known(c.Reference)
		require.Equal(t, map[string]string{"payment": c.Reference, "order_number": "1000002", "customer": "ann", "source": "5f1d"}, known)
		require.Equal(t, map[bool]string{true: "ann@example.com"}[receipts], email)
		c.Shopper.Email = "" // erased meanwhile
		again, err := b.Authorize(t.Context(), c)
		require.NoError(t, err)
		require.True(t, again.Replayed, "the key repeats the answer all the same")
	}
}

func TestAFailedUpdateConfirmsNothing(t *testing.T) {
	t.Parallel()
	for fault, limited := range map[stripetest.Fault]bool{stripetest.ServerError: false, stripetest.TooMany: true} {
		b, c := setup(t), told()
		b.FaultFor = func(path string) stripetest.Fault {
			if path == "/v1/payment_intents" {
				return stripetest.NoFault
			}
			return fault
		}
		_, err := b.Authorize(t.Context(), c)
		require.ErrorAs(t, err, new(*payment.Transient))
		l := (*payment.RateLimited)(nil)
		if limited {
			require.ErrorAs(t, err, &l)
		} else {
			require.NotErrorAs(t, err, &l)
		}
		require.Len(t, b.Requests(), 2)
		b.FaultFor = nil
		answer, err := b.Authorize(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, payment.Authorized, answer.Status)
	}
}

func TestARefusedUpdateIsLeftToTheConfirmation(t *testing.T) {
	t.Parallel()
	b, c := setup(t), told()
	_, err := b.Void(t.Context(), under(c, "void"))
	require.NoError(t, err)
	answer, err := b.Authorize(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, payment.Declined, answer.Status)
}
