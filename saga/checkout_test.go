package saga

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const hour = time.Hour // the patience of these tests

func after(d time.Duration) time.Time { return noon.Add(d) }

// sealed is a cart of ten pounds; what it makes has ids that tell.
func sealed(total int64) cart.CheckedOut {
	return cart.CheckedOut{
		CheckoutID: uuid.UUID{1}, OrderID: uuid.UUID{2}, PaymentID: uuid.UUID{3}, CartID: uuid.UUID{4}, ContactID: uuid.UUID{5},
		Attempt: 1, CustomerID: "ann", Currency: "GBP", Total: total, PaymentMethod: "sim_ok", Source: "5f1d", Guest: true,
		Lines:       []cart.Line{{SKU: "A", Name: "The A", Quantity: 2, UnitPrice: total}},
		Adjustments: []cart.Adjustment{{Code: "two_for_one", Label: "Two for one", Amount: -total}},
	}
}

func begun(total int64) Started {
	e := sealed(total)
	return Started{Type: "checkout", Definition: 1, CustomerID: e.CustomerID, Checkout: startOf(e), At: noon}
}

func did(step string) Event { return StepDone{Step: step, BeganAt: noon, At: noon} }

func refused(step, code string) Event {
	return StepRefused{Step: step, Failure: Failure{Code: code, Detail: "No."}, BeganAt: noon, At: noon}
}

func retried(step string) StepRetried {
	return StepRetried{Step: step, Error: "Hm.", BeganAt: noon, At: noon, RetryAt: after(time.Second)}
}

func given(events ...Event) (s State) {
	for _, e := range events {
		s = evolve(s, e)
	}
	return s
}

// steps are what a reaction asks for: the names, or the end.
func steps(r Reaction) []string {
	if r.End != "" {
		return []string{string(r.End)}
	}
	var names []string
	for _, d := range r.Do {
		names = append(names, d.Step)
	}
	return names
}

func TestCheckout(t *testing.T) {
	t.Parallel()
	void, stuck := retried(UndoPayment), retried(UndoPayment)
	void.NothingCaptured, stuck.Unknown = true, true
	waits := StepWaits{Step: ChargeMoney, NextAction: &NextAction{Type: "redirect", URL: "https://bank"}, BeganAt: noon, At: noon, Until: after(hour)}
	declined := refused(ChargeMoney, "payment_declined")
	unreachable := refused(ChargeMoney, CodeUnavailable)
	none, overruled := refused(PlaceOrder, "out_of_stock"), refused(UndoPayment, "too_late")
	for name, want := range map[string]struct {
		given []Event
		then  []string
	}{
		"BeginsWithTheOrder":               {[]Event{begun(1000)}, []string{PlaceOrder}},
		"RetriesTheOrder":                  {[]Event{begun(1000), retried(PlaceOrder)}, []string{PlaceOrder}},
		"ThenCharges":                      {[]Event{begun(1000), did(PlaceOrder)}, []string{ChargeMoney}},
		"AsksAgainWhileItWaits":            {[]Event{begun(1000), did(PlaceOrder), waits}, []string{ChargeMoney}},
		"ThenConfirmsAndCompletes":         {[]Event{begun(1000), did(PlaceOrder), did(ChargeMoney)}, []string{ConfirmOrder, CompleteCart}},
		"ConfirmsWhatIsLeft":               {[]Event{begun(1000), did(PlaceOrder), did(ChargeMoney), did(CompleteCart), retried(ConfirmOrder)}, []string{ConfirmOrder}},
		"CompletesWhatIsLeft":              {[]Event{begun(1000), did(PlaceOrder), did(ChargeMoney), did(ConfirmOrder), retried(CompleteCart)}, []string{CompleteCart}},
		"IsCompleted":                      {[]Event{begun(1000), did(PlaceOrder), did(ChargeMoney), did(ConfirmOrder), did(CompleteCart)}, []string{"completed"}},
		"NothingToPayIsNotCharged":         {[]Event{begun(0), did(PlaceOrder)}, []string{ConfirmOrder}},
		"NothingToPayTheCartComesLast":     {[]Event{begun(0), did(PlaceOrder), did(ConfirmOrder)}, []string{CompleteCart}},
		"NothingToPayConfirmedAfterAll":    {[]Event{begun(0), none, refused(CancelOrder, "order_confirmed")}, []string{PlaceOrder}},
		"NothingToPayIsCompleted":          {[]Event{begun(0), did(PlaceOrder), did(ConfirmOrder), did(CompleteCart)}, []string{"completed"}},
		"DeclinedMoneyFirst":               {[]Event{begun(1000), did(PlaceOrder), declined}, []string{UndoPayment}},
		"StockIsHeldWhileInDoubt":          {[]Event{begun(1000), did(PlaceOrder), declined, stuck}, []string{UndoPayment}},
		"StockGoesBackOnceCertain":         {[]Event{begun(1000), did(PlaceOrder), declined, void}, []string{UndoPayment, CancelOrder}},
		"CartReopensOnceCertain":           {[]Event{begun(1000), did(PlaceOrder), declined, void, did(CancelOrder)}, []string{UndoPayment, ReopenCart}},
		"AVoidIsOwedToTheEnd":              {[]Event{begun(1000), did(PlaceOrder), declined, void, did(CancelOrder), did(ReopenCart)}, []string{UndoPayment}},
		"ThenTheOrder":                     {[]Event{begun(1000), did(PlaceOrder), declined, did(UndoPayment)}, []string{CancelOrder}},
		"ThenTheCart":                      {[]Event{begun(1000), did(PlaceOrder), declined, did(UndoPayment), did(CancelOrder)}, []string{ReopenCart}},
		"IsFailed":                         {[]Event{begun(1000), did(PlaceOrder), declined, did(UndoPayment), did(CancelOrder), did(ReopenCart)}, []string{"failed"}},
		"NothingPaidIsNotUndone":           {[]Event{begun(0), none}, []string{CancelOrder}},
		"OutOfStockUndoesThePayment":       {[]Event{begun(1000), none}, []string{UndoPayment}},
		"OutOfStockThenTheOrder":           {[]Event{begun(1000), none, did(UndoPayment)}, []string{CancelOrder}},
		"UnreachableUndoesThePayment":      {[]Event{begun(1000), did(PlaceOrder), unreachable}, []string{UndoPayment}},
		"PlacedAfterAllGoesForward":        {[]Event{begun(1000), none, overruled}, []string{PlaceOrder}},
		"ReachedAfterAllGoesForward":       {[]Event{begun(1000), did(PlaceOrder), unreachable, overruled}, []string{ChargeMoney}},
		"ReachedAfterAllMayStillBeRefused": {[]Event{begun(1000), did(PlaceOrder), unreachable, overruled, declined}, []string{UndoPayment}},
		"IsCancelled":                      {[]Event{begun(1000), did(PlaceOrder), refused(ChargeMoney, CodeCancelled), did(UndoPayment), did(CancelOrder), did(ReopenCart)}, []string{"cancelled"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want.then, steps(checkout.react(given(want.given...))))
		})
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	turned := given(begun(1000), did(PlaceOrder), refused(ChargeMoney, "payment_declined"))
	e, command := sealed(1000), func(events ...Event) Command { return checkout.react(given(events...)).Do[0].Command }
	require.Equal(t, toOrder{order.Place{
		OrderID: e.OrderID, CheckoutID: e.CheckoutID, PaymentID: e.PaymentID, CartID: e.CartID, CustomerID: "ann", Currency: "GBP",
		Lines:       []order.Line{{SKU: "A", Name: "The A", Quantity: 2, UnitPrice: 1000}},
		Adjustments: []order.Adjustment{{Code: "two_for_one", Label: "Two for one", Amount: -1000}},
		Total:       1000, ContactID: e.ContactID,
	}}, command(begun(1000)))
	require.Equal(t, toCharge{Charge: payment.Charge{
		PaymentID: e.PaymentID, OrderID: e.OrderID, CheckoutID: e.CheckoutID, CustomerID: "ann",
		Amount: money.Of(1000, "GBP"), PaymentMethod: "sim_ok", Source: "5f1d", Guest: true,
	}}, command(begun(1000), did(PlaceOrder)))
	forward := checkout.react(given(begun(1000), did(PlaceOrder), did(ChargeMoney))).Do
	require.Equal(t, toOrder{order.Confirm{OrderID: e.OrderID}}, forward[0].Command)
	require.Equal(t, toCart{cart.Complete{CartID: e.CartID, CheckoutID: e.CheckoutID, OrderID: e.OrderID}}, forward[1].Command)
	require.Equal(t, toUndo{payment.Undo{PaymentID: e.PaymentID, CheckoutID: e.CheckoutID, Reason: "payment_declined"}}, checkout.react(turned).Do[0].Command)
	for _, moment := range []Event{refused(PlaceOrder, "out_of_stock"), refused(ChargeMoney, CodeUnavailable)} {
		require.True(t, command(begun(1000), moment).(toUndo).Yields, "to a process that is past it")
	}
	require.Equal(t, toOrder{order.Cancel{OrderID: e.OrderID, Reason: "payment_declined", ContactID: e.ContactID}},
		checkout.react(evolve(turned, did(UndoPayment))).Do[0].Command)
	require.Equal(t, toCart{cart.Reopen{CartID: e.CartID, CheckoutID: e.CheckoutID, Code: "payment_declined", Detail: "No.", FailedAt: noon}},
		checkout.react(evolve(evolve(turned, did(UndoPayment)), did(CancelOrder))).Do[0].Command)
	for _, untried := range []Event{refused(PlaceOrder, "out_of_stock"), refused(ChargeMoney, CodeUnavailable)} {
		reopen := command(begun(1000), untried, did(UndoPayment), did(CancelOrder)).(toCart).Command.(cart.Reopen)
		require.Zero(t, reopen.FailedAt, "no payment method was tried")
	}
}

func TestAnInstanceKeepsItsDefinition(t *testing.T) {
	t.Parallel()
	s := given(begun(1000))
	d, err := definitionOf(s)
	require.NoError(t, err)
	require.Equal(t, "checkout", d.Type)
	s.Definition = 99
	_, err = definitionOf(s)
	require.ErrorContains(t, err, "99")
	require.Equal(t, after(lease), wakeAt(s), "a process that knows it will come")
}
