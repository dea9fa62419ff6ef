package reconcile

import (
	"fmt"
	"slices"
	"strings"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// invariant is one that can be checked on the records of one checkout.
type invariant struct {
	check     string                    // the first word of a finding's id
	remedy    string                    // what a person does if there is no repair
	violation func(r records) string    // a sentence; "" if the invariant holds
	repair    func(r records) []command // the certain repair; none if a person must decide
}

var invariants = append(checkoutInvariants, refundInvariants...)

var checkoutInvariants = []invariant{
	{
		check:  "captured_without_order",
		remedy: "Money was captured without a confirmed order. Check the order and the checkout, then refund the payment or confirm the order.",
		violation: func(r records) string {
			if r.net() > 0 && r.atRest() && !r.sold() && !r.cancelling() {
				return fmt.Sprintf("%s was captured for an order that is %s.", r.amount(r.net()), r.orderStatus())
			}
			return ""
		},
		repair: func(r records) []command {
			if r.ended(saga.Completed) && r.pending() {
				return []command{toOrder{order.Confirm{OrderID: r.order.ID}}}
			}
			return r.undo()
		},
	},
	{
		check:  "cancelled_but_capturable",
		remedy: "There will be no order, and the provider still holds the shopper's money. Void the payment at the provider.",
		violation: func(r records) string {
			if r.capturable() && r.abandoned() {
				return fmt.Sprintf("The provider holds %s for an order that is %s.", r.amount(r.balance.Held()), r.orderStatus())
			}
			return ""
		},
		repair: records.undo,
	},
	{
		check:  "authorized_and_forgotten",
		remedy: "The provider holds the shopper's money, and no saga will capture it. Check the order, then void the payment at the provider.",
		violation: func(r records) string {
			if r.capturable() && r.atRest() && !r.abandoned() && !r.uncharged() {
				return fmt.Sprintf("The provider holds %s, and no saga waits for it.", r.amount(r.balance.Held()))
			}
			return ""
		},
		repair: records.undo,
	},
	{
		check:  "order_without_charge",
		remedy: "The order is confirmed and was not paid. Ask the provider about the payment, then charge by hand or cancel the order.",
		violation: func(r records) string {
			if r.uncharged() && r.atRest() {
				return fmt.Sprintf("The order over %s is %s, and nothing was captured for it.", r.amount(r.order.Total), r.orderStatus())
			}
			return ""
		},
	},
	{
		check:  "captured_twice",
		remedy: "The shopper paid more than once. Refund the excess at the provider.",
		violation: func(r records) string {
			if r.balance != nil && r.balance.Captures > 1 {
				return fmt.Sprintf("The provider captured %d times, %s in total.", r.balance.Captures, r.amount(r.balance.Captured))
			}
			return ""
		},
	},
	{
		check:     "totals_differ",
		remedy:    "Cart, checkout, order and payment must have one total. Compare their events, and refund the difference.",
		violation: records.totals,
	},
	{
		check:  "order_does_not_add_up",
		remedy: "The lines and adjustments of the order are not its total. Compare them with the charge, then refund the difference or cancel the order.",
		violation: func(r records) string {
			if o := r.order; o != nil && o.Placed && !o.Cancelled && !o.AddsUp {
				return fmt.Sprintf("The order over %s is %s, and its lines and adjustments do not add up to that.", money.Of(o.Total, o.Currency), r.orderStatus())
			}
			return ""
		},
	},
	{
		check:  "refunds_differ",
		remedy: "We and the provider disagree about the refunds. Compare the refunds of the payment with those at the provider.",
		violation: func(r records) string {
			p, theirs := r.payment, r.balance
			if p == nil || theirs == nil || p.Captured == 0 || theirs.Captured == 0 || !r.atRest() || !r.sold() && r.net() > 0 {
				return ""
			}
			ours := p.Refunded - p.RefundedByHand
			if ours <= theirs.Refunded && theirs.Refunded <= ours+p.Refunding { // refunds without an outcome may be either
				return ""
			}
			return fmt.Sprintf("We know of %s refunded, the provider of %s.", r.amount(ours), r.amount(theirs.Refunded))
		},
		repair: func(r records) []command { // Observe records the refunds that were made elsewhere
			if r.balance.Refunded <= r.payment.Refunded-r.payment.RefundedByHand || r.balance.Refunded > r.balance.Captured {
				return nil
			}
			return []command{toObserve{payment.Observe{PaymentID: r.payment.ID}}}
		},
	},
	{
		check: "refunded_too_much",
		remedy: "More was refunded than captured, such as a refund and a lost dispute of the same payment. Contest the dispute at the provider, " +
			"or collect the difference from the shopper.",
		violation: func(r records) string {
			switch p := r.payment; {
			case r.balance != nil && r.balance.Refunded > r.balance.Captured:
				return fmt.Sprintf("The provider captured %s and refunded %s.", r.amount(r.balance.Captured), r.amount(r.balance.Refunded))
			case p != nil && p.Refunded > p.Captured:
				return fmt.Sprintf("We know of %s captured and %s refunded.", r.amount(p.Captured), r.amount(p.Refunded))
			}
			return ""
		},
	},
	{
		check:  "books_differ",
		remedy: "We and the provider disagree about the capture. Look the payment up at the provider.",
		violation: func(r records) string {
			if p := r.payment; p != nil && r.balance != nil && r.atRest() && (p.Captured > 0) != (r.balance.Captured > 0) &&
				!r.uncharged() && (r.sold() || r.net() <= 0) { // the checks above report the other cases
				return fmt.Sprintf("We know of %s captured, the provider of %s.", r.amount(p.Captured), r.amount(r.balance.Captured))
			}
			return ""
		},
	},
	{
		check:  "order_forgotten",
		remedy: "The order holds stock, and no checkout will confirm it. Check the checkout, then cancel the order.",
		violation: func(r records) string {
			if r.pending() && r.atRest() && r.net() <= 0 {
				return "The order is pending, and its checkout is not running."
			}
			return ""
		},
		repair: func(r records) []command {
			switch {
			case !r.ended(saga.Completed):
				return append(r.undo(), toOrder{order.Cancel{OrderID: r.order.ID, Reason: repairReason}})
			case r.order.Total == 0:
				return []command{toOrder{order.Confirm{OrderID: r.order.ID}}}
			}
			return nil // the checkout completed, and nothing was captured
		},
	},
	{
		check:  "cart_stuck",
		remedy: "The shopper can neither buy nor change this cart. Check its checkout.",
		violation: func(r records) string {
			if c := r.cart; c != nil && c.CheckingOut && c.CheckoutID == r.checkout && r.atRest() {
				return "The cart is being checked out, and its checkout is not running."
			}
			return ""
		},
		repair: records.release,
	},
	{
		check:     checkEnds,
		remedy:    remedyEnds,
		violation: records.ends,
	},
	{
		check:  "checkout_missing",
		remedy: "There is an order without its checkout. Was the saga's database restored from an older backup than the others?",
		violation: func(r records) string {
			if r.saga == nil && r.sold() {
				return "The order is " + r.orderStatus() + ", and its checkout does not exist."
			}
			return ""
		},
	},
}

// remedyTampered is the remedy of a log that differs from its seals.
const remedyTampered = "The program never changes, removes or inserts events there, and never changes seals. Somebody did so in the database. " +
	"Keep a copy of it as evidence, and compare it with a backup."

const ( // checks of any saga
	checkOverdue   = "saga_overdue"
	checkAttention = "saga_needs_attention"

	checkEnds = "ends_differ"

	remedyEnds      = "The streams of one checkout ended differently. Read the events of each, and find the one that missed the end."
	remedyOverdue   = "No process executes it. Is there a process that knows this saga and can reach its database?"
	remedyStock     = "Compare the events of the stock with the orders that hold it. Sell none of it until then."
	remedyHolder    = "Compare the events of the holder with its orders. Until then its limits count the wrong orders."
	remedyAttention = "A person must decide: GET /v1/admin/sagas/{id} shows its steps and errors."
)

// repairReason is the reason of the commands that repair.
const repairReason = "reconciliation"

func (r records) atRest() bool {
	return r.saga == nil || r.saga.Status.Ended()
}

func (r records) ended(as ...saga.Status) bool {
	for _, s := range as {
		if r.saga != nil && r.saga.Status == s {
			return true
		}
	}
	return false
}

func (r records) sold() bool       { return r.order != nil && r.order.Sold }
func (r records) pending() bool    { return r.order != nil && r.order.Pending }
func (r records) cancelling() bool { return r.order != nil && r.order.Cancelling }

// abandoned reports whether there will be no order.
func (r records) abandoned() bool {
	cancelled := r.order != nil && r.order.Placed && !r.order.Pending && !r.order.Sold && !r.order.Cancelling
	return !r.sold() && (r.ended(saga.Failed, saga.Cancelled) || cancelled && r.atRest())
}

func (r records) orderStatus() string {
	switch {
	case r.order == nil || !r.order.Placed:
		return "missing"
	case r.order.Pending:
		return "pending"
	case r.order.Sold:
		return "confirmed"
	case r.order.Cancelling:
		return "being cancelled"
	}
	return "cancelled"
}

// captured returns the captured amount: the provider's, or ours if it has no ledger.
func (r records) captured() int64 {
	switch {
	case r.balance != nil:
		return r.balance.Captured
	case r.payment != nil:
		return r.payment.Captured
	}
	return 0
}

// net returns the captured amount that was not refunded. Refunds without an outcome count as refunded. An amount that an operator
// refunded by hand is not owed any more, and is in no ledger.
func (r records) net() int64 {
	switch {
	case r.balance != nil && r.payment != nil:
		return r.balance.Captured - r.balance.Refunded - r.payment.RefundedByHand
	case r.balance != nil:
		return r.balance.Captured - r.balance.Refunded
	case r.payment != nil:
		return r.payment.Captured - r.payment.Refunded - r.payment.Refunding
	}
	return 0
}

func (r records) capturable() bool { return r.balance != nil && r.balance.Capturable() }

// uncharged reports whether a confirmed order was not paid.
func (r records) uncharged() bool { return r.sold() && r.order.Total > 0 && r.captured() == 0 }

func (r records) totals() string {
	var owners []string
	var totals []money.Amount
	add := func(owner string, total money.Amount) {
		owners, totals = append(owners, owner+" "+total.String()), append(totals, total)
	}
	if c := r.cart; c != nil && c.CheckoutID == r.checkout && (c.CheckingOut || c.CheckedOut) {
		add("the cart", money.Of(c.Total, c.Currency))
	}
	if s := r.saga; s != nil {
		add("the checkout", money.Of(s.Checkout.Total, s.Checkout.Currency))
	}
	if o := r.order; o != nil && o.Placed {
		add("the order", money.Of(o.Total, o.Currency))
	}
	if p := r.payment; p != nil && p.Requested {
		add("the payment", p.Amount)
	}
	if r.balance != nil && r.balance.Captures == 1 {
		add("the provider", money.Of(r.balance.Captured, r.balance.Currency))
	}
	if slices.ContainsFunc(totals, func(t money.Amount) bool { return t != totals[0] }) {
		return "The totals differ: " + strings.Join(owners, ", ") + "."
	}
	return ""
}

func (r records) ends() string {
	checkedOut := r.cart != nil && r.cart.CheckedOut && r.cart.CheckoutID == r.checkout
	switch {
	case r.ended(saga.Completed) && (r.order == nil || !r.order.Placed) && r.net() <= 0:
		return "The checkout has completed, and its order does not exist."
	case r.ended(saga.Completed) && r.cart != nil && !checkedOut && !r.cart.CheckingOut:
		return "The checkout has completed, and its cart is not checked out."
	case r.ended(saga.Failed, saga.Cancelled) && r.sold():
		return fmt.Sprintf("The checkout has %s, and the order is %s.", r.saga.Status, r.orderStatus())
	case r.ended(saga.Failed, saga.Cancelled) && checkedOut:
		return fmt.Sprintf("The checkout has %s, and its cart is checked out.", r.saga.Status)
	}
	return ""
}

// undo refunds or voids a payment that no saga waits for. A person decides about a completed checkout, and about a payment that we do
// not know or that is undone already.
func (r records) undo() []command {
	if r.payment == nil || !r.payment.Undoable || r.ended(saga.Completed) || r.sold() || r.cancelling() {
		return nil
	}
	if r.saga == nil && r.pending() && r.net() > 0 {
		return nil // paid and placed: perhaps it should be confirmed
	}
	return []command{toUndo{payment.Undo{PaymentID: r.payment.ID, CheckoutID: r.checkout, Reason: repairReason}}}
}

// release tells a cart the end of its checkout. A checkout that never began is made impossible first, by tombstones of its payment and
// its order.
func (r records) release() []command {
	c := r.cart
	reopen := cart.Reopen{CartID: c.ID, CheckoutID: r.checkout, Code: saga.CodeCancelled, Detail: "The checkout did not complete. Nothing was charged."}
	switch {
	case r.ended(saga.Completed) && r.sold(), r.saga == nil && r.sold() && !r.uncharged():
		return []command{toCart{cart.Complete{CartID: c.ID, CheckoutID: r.checkout, OrderID: c.OrderID}}}
	case r.ended(saga.Failed, saga.Cancelled) && !r.sold():
		return []command{toCart{reopen}}
	case r.saga != nil || r.sold() || r.net() > 0 || r.starting:
		return nil
	}
	all := []command{toOrder{order.Cancel{OrderID: c.OrderID, Reason: repairReason}}, toCart{reopen}}
	if c.Total > 0 {
		all = append([]command{toUndo{payment.Undo{PaymentID: c.PaymentID, CheckoutID: r.checkout, Reason: repairReason}}}, all...)
	}
	return all
}

// checkStock checks the reservations of one SKU at one moment.
func checkStock(h order.StockLevel) (check, detail string) {
	switch {
	case h.Reserved != h.Held:
		return "reserved_without_order", fmt.Sprintf("%d of %q are reserved, and orders hold %d.", h.Reserved, h.SKU, h.Held)
	case h.Tracked && (h.Reserved > h.OnHand+h.Short || h.Reserved < 0 || h.OnHand < 0): // a recorded loss is no overselling
		return "oversold", fmt.Sprintf("%d of %q are reserved, and %d are on hand.", h.Reserved, h.SKU, h.OnHand)
	}
	return "", ""
}

// checkHolder checks the waiting orders of one holder at one moment.
func checkHolder(l order.HolderLevel) (check, detail string) {
	if l.Stale == 0 && l.Missing == 0 {
		return "", ""
	}
	return "holder_differs", fmt.Sprintf("It holds %d orders that do not wait, and %d that wait are missing.", l.Stale, l.Missing)
}

// remedies of the violations in a store.
var remedies = map[string]string{
	eventstore.ViolationState:   "The events are right. Was the row changed by hand, or the fold without a new state version? The next command uses the wrong state.",
	eventstore.ViolationVersion: "The program never deletes events. Was a database restored, or were events deleted by hand? Restore them from a backup.",
	eventstore.ViolationOrder:   "Projections may have seen the events in the wrong order. Rebuild those of the module.",
	eventstore.ViolationReceipt: "A write was acknowledged and is lost. Was the database restored, or did it fail over to a standby that was behind?",
	eventstore.ViolationSequence: "Was the database restored, or did it fail over? The program corrects the sequence at its next write on a new connection. " +
		"Projections may have missed events: rebuild those of the module.",
	eventstore.ViolationKey: "The unique index streams_key of the module is missing or damaged. Use the ids of these until one of them has another number. " +
		"Tell its customer, and rebuild the index.",
	eventstore.ViolationChanged:  remedyTampered,
	eventstore.ViolationRemoved:  remedyTampered,
	eventstore.ViolationInserted: remedyTampered,
	eventstore.ViolationChain:    remedyTampered,
	eventstore.ViolationUnsealed: "Events without a seal can be changed without evidence. Does a process run with SEAL_INTERVAL above 0? Its log says why it fails. " +
		"After an upgrade of a large database wait until GET /v1/admin/subscriptions shows no lag of the seals.",
	eventstore.ViolationMessage: "Check that a process of this version runs. GET /v1/admin/subscriptions and /v1/admin/parked show stuck messages.",
}
