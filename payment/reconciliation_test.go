package payment_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
)

// bookless is a provider without a ledger.
type bookless struct{ payment.Provider }

// wrapped wraps a provider.
type wrapped struct{ bookless }

func (a wrapped) Unwrap() payment.Provider { return a.Provider }

// TestBalances compares the balances from look-ups with those from the ledger.
func TestBalances(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.start(w.sim, patient)
	paid, declined, waits, undone := newCharge("sim_ok"), newCharge("sim_declined"), newCharge("sim_requires_action"), newCharge("sim_ok")
	for _, c := range []payment.Charge{paid, declined, waits, undone} {
		p.charge(t, c)
	}
	p.undo(t, undone)
	all, _, err := p.Records().Page(t.Context(), uuid.Nil, 100)
	require.NoError(t, err)
	require.Len(t, all, 4)

	var answers []map[uuid.UUID]payment.Balance
	for _, provider := range []payment.Provider{w.sim, bookless{w.sim}, wrapped{bookless{w.sim}}} {
		balances, err := w.start(provider, patient).Balances(t.Context(), all)
		require.NoError(t, err)
		require.Len(t, balances, 4)
		require.Equal(t, int64(1999), balances[paid.PaymentID].Captured)
		require.Equal(t, 1, balances[paid.PaymentID].Captures)
		require.False(t, balances[paid.PaymentID].Capturable())
		require.Zero(t, balances[declined.PaymentID].Captured+balances[declined.PaymentID].Held())
		require.True(t, balances[waits.PaymentID].Capturable())
		require.Equal(t, int64(1999), balances[undone.PaymentID].Captured)
		require.Equal(t, int64(1999), balances[undone.PaymentID].Refunded)
		for id, b := range balances {
			require.Equal(t, id.String(), b.Reference)
			require.Equal(t, "GBP", b.Currency)
		}
		answers = append(answers, balances)
	}
	require.Equal(t, answers[0], answers[2], "what stands around a book is looked through")

	found, next, err := p.LedgerPage(t.Context(), "", 3)
	require.NoError(t, err)
	require.Len(t, found, 3)
	rest, next, err := p.LedgerPage(t.Context(), next, 3)
	require.NoError(t, err)
	require.Len(t, rest, 1)
	require.Empty(t, next)
	found, next, err = w.start(bookless{w.sim}, patient).LedgerPage(t.Context(), "", 3)
	require.NoError(t, err)
	require.Empty(t, found)
	require.Empty(t, next)
}
