package reconcile

import (
	"fmt"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/saga"
)

// books is one checkout as every book has it; nil where a book knows nothing of it. What is young, or under way, is left
// out before: these are promises about what is at rest.
type books struct {
	checkout uuid.UUID
	young    bool // touched a moment ago: nothing else is filled in
	saga     *saga.Standing
	overdue  bool // the saga should have been looked at, and nobody did
	begins   bool // the cart was sealed not long ago: what starts its checkout may still be on its way
	cart     *cart.Record
	order    *order.Record
	payment  *payment.Standing
	bank     *payment.Balance // the provider's own book

	refunds      map[uuid.UUID]*saga.Standing // the sagas of the payment's refunds
	cancellation *saga.Standing               // the saga that cancels the order
	refundBegins bool                         // the payment was touched not long ago, as begins
	cancelBegins bool                         // as begins, of the order
}

// invariant is one that can be checked on the books of one checkout. The first word of a finding is its check.
type invariant struct {
	check     string
	remedy    string                  // what a person does, where heal does nothing
	violation func(b books) string    // how, in a sentence; "" where it is kept
	repair    func(b books) []command // what mends it beyond doubt; none where a person must decide
}

// invariants are all that are made about a checkout.
var invariants = append(checkoutInvariants, refundInvariants...)

var checkoutInvariants = []invariant{
	{
		check:  "captured_without_order",
		remedy: "Money was taken and no order is owed for it. Look at the order and the checkout, then refund the payment or confirm the order.",
		violation: func(b books) string {
			if b.net() > 0 && b.atRest() && !b.sold() && !b.cancelling() {
				return fmt.Sprintf("%d were taken for an order that is %s.", b.net(), b.orderWord())
			}
			return ""
		},
		repair: func(b books) []command {
			if b.ended(saga.Completed) && b.pending() {
				return []command{toOrder{order.Confirm{OrderID: b.order.ID}}}
			}
			return b.undo()
		},
	},
	{
		check:  "cancelled_but_capturable",
		remedy: "The order was given up, and the provider still holds the shopper's money. Void the payment at the provider.",
		violation: func(b books) string {
			if b.capturable() && b.givenUp() {
				return fmt.Sprintf("The provider holds %d for an order that is %s.", b.bank.Held(), b.orderWord())
			}
			return ""
		},
		repair: books.undo,
	},
	{
		check:  "authorized_and_forgotten",
		remedy: "The provider holds the shopper's money and nobody is about to take it. Look at the order, then void the payment at the provider.",
		violation: func(b books) string {
			if b.capturable() && b.atRest() && !b.givenUp() && !b.uncharged() {
				return fmt.Sprintf("The provider holds %d, and nobody waits for it.", b.bank.Held())
			}
			return ""
		},
		repair: books.undo,
	},
	{
		check:  "order_without_charge",
		remedy: "The goods are owed and were not paid for. Ask the provider what became of the payment, then charge by hand or cancel the order.",
		violation: func(b books) string {
			if b.uncharged() && b.atRest() {
				return fmt.Sprintf("The order over %d is %s, and nothing was taken for it.", b.order.Total, b.orderWord())
			}
			return ""
		},
	},
	{
		check:  "captured_twice",
		remedy: "The shopper paid more than once. Refund what is too much at the provider.",
		violation: func(b books) string {
			if b.bank != nil && b.bank.Captures > 1 {
				return fmt.Sprintf("The provider captured %d times, %d in all.", b.bank.Captures, b.bank.Captured)
			}
			return ""
		},
	},
	{
		check:     "totals_differ",
		remedy:    "Cart, checkout, order and payment were made of one total. Compare their events, and refund the difference.",
		violation: books.totals,
	},
	{
		check:  "order_does_not_add_up",
		remedy: "The lines and adjustments of the order are not its total. Compare them with what the shopper was charged, then refund the difference or cancel the order.",
		violation: func(b books) string {
			if o := b.order; o != nil && o.Placed && !o.Cancelled && !o.AddsUp {
				return fmt.Sprintf("The order over %d %s is %s, and its lines and adjustments do not come to that.", o.Total, o.Currency, b.orderWord())
			}
			return ""
		},
	},
	{
		check:  "refunds_differ",
		remedy: "We and the provider disagree about what was given back. Compare the refunds of the payment with those at the provider.",
		violation: func(b books) string {
			if p := b.payment; (b.sold() || b.net() <= 0) && b.atRest() && p != nil && b.bank != nil && p.Captured > 0 && b.bank.Captured > 0 &&
				(b.bank.Refunded < p.Refunded-p.RefundedByHand || b.bank.Refunded > p.Refunded-p.RefundedByHand+p.Refunding) { // those without an answer may be either
				return fmt.Sprintf("We know of %d refunded, the provider of %d.", p.Refunded-p.RefundedByHand, b.bank.Refunded)
			}
			return ""
		},
		repair: func(b books) []command { // asking the provider records the refunds made elsewhere
			if b.bank.Refunded <= b.payment.Refunded-b.payment.RefundedByHand || b.bank.Refunded > b.bank.Captured {
				return nil
			}
			return []command{toObserve{payment.Observe{PaymentID: b.payment.ID}}}
		},
	},
	{
		check: "refunded_too_much",
		remedy: "More was refunded than was captured, such as a refund and a lost dispute of the same payment. Contest the dispute at the provider, " +
			"or collect the difference from the shopper.",
		violation: func(b books) string {
			switch p := b.payment; {
			case b.bank != nil && b.bank.Refunded > b.bank.Captured:
				return fmt.Sprintf("The provider captured %d and refunded %d.", b.bank.Captured, b.bank.Refunded)
			case p != nil && p.Refunded > p.Captured:
				return fmt.Sprintf("We know of %d captured and %d refunded.", p.Captured, p.Refunded)
			}
			return ""
		},
	},
	{
		check:  "books_differ",
		remedy: "We and the provider disagree about whether money was taken. Look the payment up at the provider.",
		violation: func(b books) string {
			if p := b.payment; p != nil && b.bank != nil && b.atRest() && (p.Captured > 0) != (b.bank.Captured > 0) &&
				!b.uncharged() && (b.sold() || b.net() <= 0) { // else it is said above
				return fmt.Sprintf("We know of %d taken, the provider of %d.", p.Captured, b.bank.Captured)
			}
			return ""
		},
	},
	{
		check:  "order_forgotten",
		remedy: "The order holds stock, and no checkout is on its way to confirm it. Look at the checkout, then cancel the order.",
		violation: func(b books) string {
			if b.pending() && b.atRest() && b.net() <= 0 {
				return "The order is pending, and no checkout is under way for it."
			}
			return ""
		},
		repair: func(b books) []command {
			switch {
			case !b.ended(saga.Completed):
				return append(b.undo(), toOrder{order.Cancel{OrderID: b.order.ID, Reason: repairReason}})
			case b.order.Total == 0:
				return []command{toOrder{order.Confirm{OrderID: b.order.ID}}}
			}
			return nil // it went well, they say, and nothing was taken
		},
	},
	{
		check:  "cart_stuck",
		remedy: "The shopper can neither buy nor change this cart. Look at its checkout.",
		violation: func(b books) string {
			if c := b.cart; c != nil && c.CheckingOut && c.CheckoutID == b.checkout && b.atRest() {
				return "The cart is being checked out, and no checkout is under way for it."
			}
			return ""
		},
		repair: books.release,
	},
	{
		check:     checkEnds,
		remedy:    remedyEnds,
		violation: books.ends,
	},
	{
		check:  "checkout_missing",
		remedy: "There is an order, and no record of the checkout that made it. Was the saga's database restored from an older backup than the others?",
		violation: func(b books) string {
			if b.saga == nil && b.sold() {
				return "The order is " + b.orderWord() + ", and its checkout is not there."
			}
			return ""
		},
	},
}

// What is said of any saga.
const (
	checkOverdue   = "saga_overdue"
	checkAttention = "saga_needs_attention"

	checkEnds = "ends_differ"

	remedyEnds      = "What belongs together ended in different ways. Read the events of each: one of them missed how it ended."
	remedyOverdue   = "Nobody drives it. Does a process run that knows this saga and can reach its database?"
	remedyAttention = "Only a person can know better: GET /v1/admin/sagas/{id} says where it stands and why."
)

// repairReason is the reason of what healing cancels.
const repairReason = "reconciliation"

func (b books) atRest() bool {
	return b.saga == nil || b.saga.Status.Ended()
}

func (b books) ended(as ...saga.Status) bool {
	for _, s := range as {
		if b.saga != nil && b.saga.Status == s {
			return true
		}
	}
	return false
}

func (b books) sold() bool       { return b.order != nil && b.order.Sold }
func (b books) pending() bool    { return b.order != nil && b.order.Pending }
func (b books) cancelling() bool { return b.order != nil && b.order.Cancelling }

// givenUp reports whether there will be no order.
func (b books) givenUp() bool {
	cancelled := b.order != nil && b.order.Placed && !b.order.Pending && !b.order.Sold && !b.order.Cancelling
	return !b.sold() && (b.ended(saga.Failed, saga.Cancelled) || cancelled && b.atRest())
}

func (b books) orderWord() string {
	switch {
	case b.order == nil || !b.order.Placed:
		return "not there"
	case b.order.Pending:
		return "pending"
	case b.order.Sold:
		return "confirmed"
	case b.order.Cancelling:
		return "being cancelled"
	}
	return "cancelled"
}

// captured is what was taken: the provider's word, and ours where it has no book.
func (b books) captured() int64 {
	switch {
	case b.bank != nil:
		return b.bank.Captured
	case b.payment != nil:
		return b.payment.Captured
	}
	return 0
}

// net is what was taken and not given back. Refunds whose outcome is unknown are no finding: they are asked for. What an operator
// resolved by hand is not owed any more, and no provider's book has it.
func (b books) net() int64 {
	switch {
	case b.bank != nil && b.payment != nil:
		return b.bank.Captured - b.bank.Refunded - b.payment.RefundedByHand
	case b.bank != nil:
		return b.bank.Captured - b.bank.Refunded
	case b.payment != nil:
		return b.payment.Captured - b.payment.Refunded - b.payment.Refunding
	}
	return 0
}

func (b books) capturable() bool { return b.bank != nil && b.bank.Capturable() }

// uncharged is an order that is owed and that nobody paid for.
func (b books) uncharged() bool { return b.sold() && b.order.Total > 0 && b.captured() == 0 }

func (b books) totals() string {
	var what []string
	var amounts []int64
	var currencies []string
	says := func(who string, amount int64, currency string) {
		what = append(what, fmt.Sprintf("%s %d %s", who, amount, currency))
		amounts, currencies = append(amounts, amount), append(currencies, currency)
	}
	if c := b.cart; c != nil && c.CheckoutID == b.checkout && (c.CheckingOut || c.CheckedOut) {
		says("the cart", c.Total, c.Currency)
	}
	if s := b.saga; s != nil {
		says("the checkout", s.Checkout.Total, s.Checkout.Currency)
	}
	if o := b.order; o != nil && o.Placed {
		says("the order", o.Total, o.Currency)
	}
	if p := b.payment; p != nil && p.Requested {
		says("the payment", p.Amount.Amount, p.Amount.Currency)
	}
	if b.bank != nil && b.bank.Captures == 1 {
		says("the provider", b.bank.Captured, b.bank.Currency)
	}
	for i := range amounts {
		if amounts[i] != amounts[0] || currencies[i] != currencies[0] {
			return fmt.Sprintf("There is more than one total: %v.", what)
		}
	}
	return ""
}

func (b books) ends() string {
	checkedOut := b.cart != nil && b.cart.CheckedOut && b.cart.CheckoutID == b.checkout
	switch {
	case b.ended(saga.Completed) && (b.order == nil || !b.order.Placed) && b.net() <= 0:
		return "The checkout went well, and the order is not there."
	case b.ended(saga.Completed) && b.cart != nil && !checkedOut && !b.cart.CheckingOut:
		return "The checkout went well, and its cart was not told."
	case b.ended(saga.Failed, saga.Cancelled) && b.sold():
		return fmt.Sprintf("The checkout has %s, and the order is %s.", b.saga.Status, b.orderWord())
	case b.ended(saga.Failed, saga.Cancelled) && checkedOut:
		return fmt.Sprintf("The checkout has %s, and its cart has become an order.", b.saga.Status)
	}
	return ""
}

// undo gives the money of a checkout back that nobody waits for. A checkout that went well is for a person, and so is a
// payment that we do not know, or believe to be undone.
func (b books) undo() []command {
	if b.payment == nil || !b.payment.Undoable || b.ended(saga.Completed) || b.sold() || b.cancelling() {
		return nil
	}
	if b.saga == nil && b.pending() && b.net() > 0 {
		return nil // paid for, and placed: perhaps it should be confirmed
	}
	return []command{toUndo{payment.Undo{PaymentID: b.payment.ID, CheckoutID: b.checkout, Reason: repairReason}}}
}

// release tells a cart how its checkout ended. One that never began is made impossible first: whatever of it is still on its way
// meets the tombstones.
func (b books) release() []command {
	c := b.cart
	reopen := cart.Reopen{CartID: c.ID, CheckoutID: b.checkout, Code: saga.CodeCancelled, Detail: "The checkout did not come to its end. Nothing was charged."}
	switch {
	case b.ended(saga.Completed) && b.sold(), b.saga == nil && b.sold() && !b.uncharged():
		return []command{toCart{cart.Complete{CartID: c.ID, CheckoutID: b.checkout, OrderID: c.OrderID}}}
	case b.ended(saga.Failed, saga.Cancelled) && !b.sold():
		return []command{toCart{reopen}}
	case b.saga != nil || b.sold() || b.net() > 0 || b.begins:
		return nil
	}
	all := []command{toOrder{order.Cancel{OrderID: c.OrderID, Reason: repairReason}}, toCart{reopen}}
	if c.Total > 0 {
		all = append([]command{toUndo{payment.Undo{PaymentID: c.PaymentID, CheckoutID: b.checkout, Reason: repairReason}}}, all...)
	}
	return all
}

// stockInvariants check the reservations of one SKU at one moment.
func stockInvariants(h order.StockLevel) (check, detail, remedy string) {
	const correct = "Compare the events of the stock with the orders that hold it; sell none of it until then."
	switch {
	case h.Reserved != h.Held:
		return "reserved_without_order", fmt.Sprintf("%d of %q are reserved, and orders hold %d.", h.Reserved, h.SKU, h.Held), correct
	case h.Tracked && (h.Reserved > h.OnHand+h.Short || h.Reserved < 0 || h.OnHand < 0): // a recorded loss is no overselling
		return "oversold", fmt.Sprintf("%d of %q are reserved, and there are %d.", h.Reserved, h.SKU, h.OnHand), correct
	}
	return "", "", ""
}

// remedies are what to do about a flaw of a store.
var remedies = map[string]string{
	eventstore.ViolationState:   "The events are the truth. Was the row changed by hand, or did a fold change without a new number? Any next command goes on from the wrong state.",
	eventstore.ViolationVersion: "Events are never deleted by the program. Was something restored, or deleted by hand? Bring them back from a backup.",
	eventstore.ViolationOrder:   "Readers of the log may have seen the events in the wrong order. Rebuild the projections of the module.",
	eventstore.ViolationReceipt: "A write was acknowledged and is not there. Was the database restored, or did it fail over to a stand-by that was behind?",
	eventstore.ViolationSequence: "Was the database restored, or did it fail over? The program moves the sequence with its next write on a new connection. " +
		"Projections may have missed what was written meanwhile: rebuild those of the module.",
	eventstore.ViolationKey: "The unique index streams_key of the module is missing or damaged. Call these by their ids until one of them has another number; " +
		"tell its customer, and build the index anew.",
	eventstore.ViolationMessage: "Does a process of this version run? GET /v1/admin/subscriptions and /v1/admin/parked say what is stuck.",
}
