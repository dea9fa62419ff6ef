package payment

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestDeclineLimits(t *testing.T) {
	t.Parallel()
	l := DeclineLimits{Guest: 2, Customer: 3, Address: 4, Window: time.Hour}
	t.Run("TheWindowBeginsWithTheFirst", func(t *testing.T) {
		t.Parallel()
		var d declineCount
		for n, at := range []time.Duration{0, 20 * time.Minute, 59 * time.Minute} {
			require.Zero(t, l.wait(d, l.Customer, noon.Add(at)))
			e := l.count(d, theID, noon.Add(at))
			require.Equal(t, declineCounted{theID, n + 1, noon}, e)
			d = declineCounters.Evolve(d, e)
		}
		require.Equal(t, time.Minute, l.wait(d, l.Customer, noon.Add(59*time.Minute)))
		require.Zero(t, l.wait(d, l.Customer, noon.Add(time.Hour)))
		require.Equal(t, declineCounted{theID, 1, noon.Add(time.Hour)}, l.count(d, theID, noon.Add(time.Hour)))
	})
	t.Run("OfTheCustomerAndOfTheAddress", func(t *testing.T) {
		t.Parallel()
		guest, customer := l.counters("ann", "5f1d", true), l.counters("ann", "5f1d", false)
		require.Equal(t, []int{2, 4}, []int{guest[0].limit, guest[1].limit})
		require.Len(t, customer, 1, "not of the address, which others share")
		require.Equal(t, 3, customer[0].limit)
		require.Equal(t, guest[1], l.counters("bob", "5f1d", true)[1])
		require.NotEqual(t, guest[0].id, guest[1].id)
		require.Len(t, l.counters("ann", "", true), 1)
		require.Empty(t, DeclineLimits{}.counters("ann", "5f1d", true))
	})
	t.Run("OnlyForWhatTellsSomethingOfTheCard", func(t *testing.T) {
		t.Parallel()
		for code, counts := range map[string]bool{
			CodeDeclined: true, CodeInsufficientFunds: true, CodeAuthenticationFailed: true,
			CodeNotChargeable: false, CodeRefundedBefore: false, CodeTooManyDeclines: false,
		} {
			require.Equal(t, counts, isCounted([]event{declined{Code: code}}), code)
		}
		require.False(t, isCounted([]event{voided{}}))
	})
}

func TestAttempts(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	three := []counter{{id, 3, "address"}}
	a := &attempts{by: map[uuid.UUID]attempt{}}
	begin := func() func() {
		end, ok := a.begin(three, noon)
		require.True(t, ok)
		return end
	}
	first, second := begin(), begin()
	a.learn(id, 1, noon.Add(time.Hour), noon)
	_, ok := a.begin(three, noon)
	require.False(t, ok, "two of three run, and one was declined")
	first()
	second()
	last := begin()
	a.learn(id, 3, noon.Add(time.Hour), noon)
	_, ok = a.begin(three, noon)
	require.False(t, ok)
	last()
	wait, by := a.wait(three, noon)
	require.Equal(t, time.Hour, wait)
	require.Equal(t, "address", by)
	begin()() // it will be refused
	wait, _ = a.wait(three, noon.Add(time.Hour))
	require.Zero(t, wait, "the window has ended")
	end, ok := a.begin(three, noon.Add(time.Hour))
	require.True(t, ok)
	end()
	require.Empty(t, a.by)
}

func TestGuestsDoNotLearnWhy(t *testing.T) {
	t.Parallel()
	for _, code := range []string{CodeInsufficientFunds, CodeAuthenticationFailed} {
		on, off, f := &Module{oneDecline: true}, &Module{}, failure(code)
		require.Equal(t, failure(CodeDeclined), on.failureFor(State{Guest: true}, f))
		require.Equal(t, f, on.failureFor(State{}, f), "a customer does")
		require.Equal(t, f, off.failureFor(State{Guest: true}, f))
	}
	m := &Module{oneDecline: true}
	require.Equal(t, failure(CodeTooManyDeclines), m.failureFor(State{Guest: true}, failure(CodeTooManyDeclines)))
	require.Nil(t, m.failureFor(State{Guest: true}, nil))
}
