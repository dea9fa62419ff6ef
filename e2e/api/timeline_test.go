package api

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/order"
	"shopping-cart/saga"
)

// TestTimeline: one list of everything that led to an order, whatever database it is in.
func TestTimeline(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach)
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	begun := ada.CheckOutAtBank(t, ada.Fill(t, sku), "sim_requires_action")
	path := "/v1/orders/" + begun.OrderID.String() + "/timeline"
	harness.As[map[string]any](t, s.AnswerAtBank(t, *begun.PaymentID, "approve"), http.StatusOK)
	done := ada.AwaitStatus(t, begun.ID, saga.Completed)
	s.Send(t, http.MethodPost, "/v1/orders/"+done.OrderID.String()+"/fulfil", s.Admin, nil, "Idempotency-Key", uuid.NewString())
	whole := harness.Get[harness.List[harness.Entry]](t, s, path+"?limit=100", s.Admin)
	require.Nil(t, whole.NextCursor)

	t.Run("HoldsAllFourStreams", func(t *testing.T) {
		var types []string
		versions := map[string][]int64{}
		for _, e := range whole.Data {
			types = append(types, e.Type)
			if e.Version > 0 {
				versions[e.Module] = append(versions[e.Module], e.Version)
			}
			require.NotEmpty(t, e.Data, e.Type)
			require.NotZero(t, e.Correlation, e.Type)
		}
		for _, of := range []struct {
			module string
			stream uuid.UUID
		}{{"cart", done.CartID}, {"order", done.OrderID}, {"payment", *done.PaymentID}, {"saga", done.ID}} {
			events := all[saga.EventView](t, s, "/v1/admin/events?limit=50&module="+of.module+"&stream="+of.stream.String())
			require.Len(t, versions[of.module], len(events), of.module)
			require.True(t, slices.IsSorted(versions[of.module]), "each stream in its order")
		}
		require.Equal(t, "cart.created", types[0])
		before := func(a, b string) {
			require.Contains(t, types, a)
			require.Less(t, slices.Index(types, a), slices.Index(types, b), "%s, then %s: %v", a, b, types)
		}
		for _, pair := range [][2]string{
			{"cart.checked_out", "saga.started"}, {"saga.started", "order.placed"}, {"order.placed", "payment.requested"},
			{"payment.requested", "payment.action_required"}, {"webhook.received", "payment.notified"}, {"payment.notified", "payment.captured"},
			{"payment.captured", "order.confirmed"}, {"order.confirmed", "saga.ended"}, {"saga.ended", "order.fulfilled"},
		} {
			before(pair[0], pair[1])
		}
		require.Equal(t, "operator", whole.Data[slices.Index(types, "order.fulfilled")].Actor)
	})
	t.Run("NothingBeforeItsCause", func(t *testing.T) {
		given := map[uuid.UUID]int{}
		for i, e := range whole.Data {
			if _, again := given[ofCommand(e)]; e.Command != nil && !again {
				given[*e.Command] = i
			}
		}
		linked := map[string]string{}
		for i, e := range whole.Data {
			if cause, ok := given[e.Causation]; ok && cause != i {
				require.Less(t, cause, i, e.Type)
				linked[e.Type] = whole.Data[cause].Type
			}
		}
		require.Equal(t, "cart.checked_out", linked["saga.started"])
		require.Equal(t, "saga.step_begun", linked["order.placed"])
		require.Equal(t, "webhook.received", linked["payment.notified"])
	})
	t.Run("InPages", func(t *testing.T) {
		for _, limit := range []string{"1", "3", "7"} {
			var ids []uuid.UUID
			for _, e := range all[harness.Entry](t, s, path+"?limit="+limit) {
				ids = append(ids, e.ID)
			}
			var want []uuid.UUID
			for _, e := range whole.Data {
				want = append(want, e.ID)
			}
			require.ElementsMatch(t, want, ids, "each once, %s a page", limit)
		}
		for _, query := range []string{"limit=0", "cursor=x", "cursor=W10"} {
			harness.As[harness.Problem](t, s.Send(t, http.MethodGet, path+"?"+query, s.Admin, nil), http.StatusUnprocessableEntity)
		}
	})
	t.Run("CustomersSeeTheirOwnWithoutInternals", func(t *testing.T) {
		mine := harness.Get[harness.List[harness.Entry]](t, s, path+"?limit=100", ada.Token).Data
		require.Len(t, mine, len(whole.Data))
		actors := map[string]int{}
		for _, e := range mine {
			require.True(t, len(e.Data) == 0 || string(e.Data) == "null", "%s: %s", e.Type, e.Data)
			actors[e.Actor]++
		}
		require.Len(t, actors, 3)
		require.NotZero(t, actors[ada.ID.String()])
		require.NotZero(t, actors["shop"])
		require.Equal(t, 1, actors["provider"])
		harness.RequireProblem(t, s.Send(t, http.MethodGet, path, s.Shopper(t).Token, nil), http.StatusNotFound, "not_found")
	})
}

// TestTimelineOfWhatWasGivenBack: refunds and the cancellation led to an order as it is, too.
func TestTimelineOfWhatWasGivenBack(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.DatabaseEach)
	ada := s.Shopper(t)
	done, _ := buys(t, ada, 1000, "sim_refund_flaky")
	var refunds []uuid.UUID
	for _, pence := range []int64{300, 200} {
		refunds = append(refunds, harness.As[harness.RefundView](t, s.Refund(t, done.OrderID, pence, "Prefer", harness.Waiting), http.StatusCreated).ID)
	}
	harness.As[harness.OrderView](t, ada.CancelOrder(t, done.OrderID), http.StatusAccepted)
	becomes(t, s, done.OrderID, order.StatusCancelled)
	path := "/v1/orders/" + done.OrderID.String() + "/timeline"
	var whole []harness.Entry
	harness.Until(t, "all three have ended", func() bool {
		whole = harness.Get[harness.List[harness.Entry]](t, s, path+"?limit=100", s.Admin).Data
		ended := 0
		for _, e := range whole {
			if e.Type == "saga.ended" {
				ended++
			}
		}
		return ended == 4
	})
	require.Len(t, all[harness.Entry](t, s, path+"?limit=3"), len(whole), "each once, also in pages")
	attempts := map[uuid.UUID]int{} // of giving back, by the saga that made them
	given, cause := map[uuid.UUID]string{}, map[string]string{}
	for _, e := range whole {
		if e.Step != nil && (*e.Step == "payment.refund" || *e.Step == "payment.undo") {
			attempts[e.Stream]++
		}
		if of := given[e.Causation]; of != "" {
			cause[e.Type] = of
		}
		if e.Command != nil && e.FinishedAt == nil {
			given[*e.Command] = e.Type
		}
	}
	require.Equal(t, "payment.refund_ordered", cause["saga.refund_started"])
	require.Equal(t, "order.cancellation_requested", cause["saga.cancellation_started"])
	require.Len(t, attempts, 3)
	for _, id := range refunds {
		require.Greater(t, attempts[id], 1, "every attempt is told")
	}
	for _, e := range harness.Get[harness.List[harness.Entry]](t, s, path+"?limit=100", ada.Token).Data {
		require.True(t, len(e.Data) == 0 || string(e.Data) == "null", "%s: %s", e.Type, e.Data)
	}
}

func ofCommand(e harness.Entry) (id uuid.UUID) {
	if e.Command != nil {
		id = *e.Command
	}
	return id
}
