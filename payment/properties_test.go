package payment

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// history is a payment under random commands and answers, also late, repeated and contradictory ones.
type history struct {
	state  State
	events []event
	now    time.Time
}

func (h *history) append(events []event, err error) {
	if err != nil {
		return
	}
	for _, e := range events {
		h.state = evolve(h.state, e)
		h.events = append(h.events, e)
	}
}

func (h *history) step(t *rapid.T) {
	h.now = h.now.Add(time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second)
	switch rapid.IntRange(0, 12).Draw(t, "step") {
	case 12:
		outcome := rapid.SampledFrom([]Resolution{ResolvedCaptured, ResolvedNotCaptured}).Draw(t, "settlement")
		h.append(resolve(h.state, Resolve{theID, theCheck, outcome, "x"}, h.now))
	case 0:
		h.append(request(h.state, theCharge, "fake", h.now), nil)
	case 1:
		events, err := cancel(h.state, Cancel{theID, theCheck, "ann", rapid.Bool().Draw(t, "insists")})
		h.append(events, err)
	case 2:
		h.append(undo(h.state, theUndo, h.now), nil)
	case 3:
		h.append(onUnknown(h.state, h.ask(t), errors.New("x")), nil)
	case 4:
		h.append(onReport(h.state, theID, Report{Answer: h.answer(t)}, h.now, ttl))
	case 5, 6:
		r := RequestRefund{PaymentID: theID, Reason: "x"}
		if minor := rapid.SampledFrom([]int64{0, 1, 700, 1999, 2000}).Draw(t, "refund"); minor > 0 {
			amount := money.Of(minor, "GBP")
			r.Amount = &amount
		}
		id := refundID(theID, uuid.UUID{byte(rapid.IntRange(1, 5).Draw(t, "key"))})
		events, err := requestRefund(h.state, id, r, h.now)
		h.append(events, err)
	default:
		h.append(onAnswer(h.state, h.ask(t), theID, h.answer(t), h.now, ttl))
	}
}

func (h *history) ask(t *rapid.T) providerCall {
	a := providerCall{operation: rapid.SampledFrom([]Operation{opAuthorize, opCapture, opVoid, opRefund, opLookUp}).Draw(t, "operation")}
	if len(h.state.Refunds) > 0 {
		a.refund = rapid.SampledFrom(h.state.Refunds).Draw(t, "refund")
	}
	return a
}

func (h *history) answer(t *rapid.T) Answer {
	status := rapid.SampledFrom([]Status{NotFound, ActionRequired, Authorized, Declined, Captured, Refused, Voided, Refunded}).Draw(t, "status")
	return Answer{Status: status, NextAction: &bankPage, Captured: rapid.SampledFrom([]int64{1999, 1999, 5}).Draw(t, "captured")}
}

func TestPaymentProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := &history{now: noon}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			h.step(t)
		}
		counts, buried, afterAll := map[string]int{}, false, false
		asked, givenUp := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
		for _, e := range h.events {
			counts[eventstore.TypeOf(e)]++
			switch e := e.(type) {
			case UndoRequested:
				buried = true
			case requested, captureRequested:
				require.False(t, buried, "%s after a tombstone", eventstore.TypeOf(e))
			case captured:
				require.LessOrEqual(t, e.Amount, theCharge.Amount.Amount)
			case refundRequested:
				require.False(t, asked[e.ID], "one key for two refunds")
				asked[e.ID] = true
			case RefundOrdered:
				require.False(t, asked[e.ID], "one key for two refunds")
				require.Positive(t, e.Amount.Amount)
				asked[e.ID] = true
			case refunded:
				require.True(t, asked[e.ID], "a refund without intent")
				afterAll = afterAll || givenUp[e.ID]
			case refundFailed:
				givenUp[e.ID] = true
			case authorized, actionRequired, declined, captureRefused, outcomeUnknown, voided, Notified, Resolved:
			}
		}
		for _, once := range []event{requested{}, authorized{}, declined{}, captureRequested{}, captured{}, voided{}, UndoRequested{}} {
			eventType := eventstore.TypeOf(once)
			require.LessOrEqual(t, counts[eventType], 1, eventType)
		}
		require.LessOrEqual(t, h.state.refundsAt(stepDone), h.state.Captured)
		if !afterAll {
			require.LessOrEqual(t, h.state.refundsAt(stepDone)+h.state.refundsAt(stepAsked), h.state.Captured)
		}
		require.Equal(t, h.state, foldOfStored(t, h.events))
	})
}

// foldOfStored folds the events as stored in the log, and the state as stored in its row.
func foldOfStored(t *rapid.T, events []event) (s State) {
	for _, e := range events {
		data, err := json.Marshal(e)
		require.NoError(t, err)
		back, err := payments.Event(eventstore.Recorded{Type: eventstore.TypeOf(e), Data: data})
		require.NoError(t, err)
		s = evolve(s, back)
		row, err := json.Marshal(s)
		require.NoError(t, err)
		s = State{}
		require.NoError(t, json.Unmarshal(row, &s))
	}
	return s
}
