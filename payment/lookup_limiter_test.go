package payment

import (
	"context"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/money"
)

func standings(n int) (all []Record) {
	for range n {
		id := uuid.New()
		all = append(all, Record{ID: id, Requested: true, Amount: money.Of(5, "GBP"), state: State{Provider: "line", CustomerID: id.String()}})
	}
	return all
}

// TestLookingAside checks that the look-ups of the reconciliation and the shoppers' calls do not hinder each other.
func TestLookingAside(t *testing.T) {
	t.Parallel()
	t.Run("HasNoVote", func(t *testing.T) {
		t.Parallel()
		w := watch(busy, 4, patientCall)
		for _, one := range standings(breakerMinVotes) {
			_, err := w.lookUpAll(t.Context(), []Record{one})
			require.ErrorContains(t, err, "503")
		}
		require.Equal(t, closed, w.breaker.state(), "a rate limit on it is no shopper's")
		require.Equal(t, breakerMinVotes, w.outcomes[callFailed], "it is counted all the same")
		require.Empty(t, w.deferred)
	})
	t.Run("TakesNoPlace", func(t *testing.T) {
		t.Parallel()
		under, release := make(chan struct{}, maxBackgroundLookUps), make(chan struct{})
		w := watch(func(context.Context) (Answer, error) {
			under <- struct{}{}
			<-release
			return Answer{Status: Captured, Captured: 5}, nil
		}, 1, patientCall)
		var looking sync.WaitGroup
		looking.Go(func() {
			found, err := w.lookUpAll(t.Context(), standings(2*maxBackgroundLookUps))
			if err != nil || len(found) != 2*maxBackgroundLookUps || found[0].Captured != 5 {
				t.Errorf("%+v, %v", found, err)
			}
		})
		for range maxBackgroundLookUps {
			<-under
		}
		w.line.will(well)
		_, err := w.Authorize(t.Context(), of(1))
		require.NoError(t, err, "though as many as may are looking")
		close(release)
		looking.Wait()
	})
	t.Run("WaitsForNone", func(t *testing.T) {
		t.Parallel()
		w := watch(well, 1, patientCall)
		w.slots <- struct{}{} // for the whole test
		_, err := w.lookUpAll(t.Context(), standings(2))
		require.NoError(t, err)
	})
	t.Run("NotWhileTheProviderIsLeftAlone", func(t *testing.T) {
		t.Parallel()
		w := watch(well, 4, patientCall)
		w.opens(t)
		w.line.will(well)
		_, err := w.lookUpAll(t.Context(), standings(1))
		require.ErrorIs(t, err, errBreakerOpen)
		w.clock = w.clock.Add(breakerPause)
		_, err = w.lookUpAll(t.Context(), standings(1))
		require.NoError(t, err, "at night nobody else tries")
		require.Equal(t, opened, w.breaker.state(), "and it was no try")
	})
	t.Run("APersonsWordNeedsTheProvidersSilenceNotOurs", func(t *testing.T) {
		t.Parallel()
		w := watch(well, 1, patientCall)
		m := &Module{providers: []*guardedProvider{w.guardedProvider}}
		st := stream{ID: theID, State: given(requested{theOrder, theCheck, "ann", money.Of(5, "GBP"), "x", "line", noon, "", false})}
		word := Resolve{PaymentID: theID, Outcome: ResolvedCaptured}
		w.slots <- struct{}{} // too many calls are under way
		require.ErrorIs(t, m.checkNoAnswer(t.Context(), st, word), errProviderAnswers)
		<-w.slots
		w.opens(t) // the provider has just failed others
		w.line.will(well)
		require.ErrorIs(t, m.checkNoAnswer(t.Context(), st, word), errProviderAnswers)
		w.line.will(busy)
		require.NoError(t, m.checkNoAnswer(t.Context(), st, word))
	})
	t.Run("EndsWithWhoAsked", func(t *testing.T) {
		t.Parallel()
		w := watch(dead, 4, patientCall)
		ctx, cancel := context.WithCancel(t.Context())
		w.line.will(func(inner context.Context) (Answer, error) { cancel(); return dead(inner) })
		_, err := w.lookUpAll(ctx, standings(2))
		require.ErrorIs(t, err, context.Canceled)
	})
}
