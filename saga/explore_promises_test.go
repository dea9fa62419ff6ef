package saga

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
)

// stand is how one checkout stands in all rooms.
type stand struct {
	shopping
	cart    cart.State
	order   order.State
	payment payment.State
	saga    State
	begun   bool

	captured, back int64 // at the bank
	captures       int
	capturable     bool
	elsewhere      int64 // of what went back: without a call of ours
	byWord         int64 // what an operator said was given back
}

func (x *exploration) stand(s *state, sh shopping) (st stand) {
	st.shopping = sh
	st.cart, _ = s.find(sh.cart).State.(cart.State)
	st.order, _ = s.find(sh.order).State.(order.State)
	st.payment, _ = s.find(sh.payment).State.(payment.State)
	st.saga, st.begun = s.saga(sh.checkout)
	st.captured, st.back, st.captures, st.capturable = s.bank.sums(sh.payment.String())
	st.elsewhere = s.bank.elsewhere(sh.payment.String())
	for _, r := range st.payment.Refunds {
		if r.Elsewhere == payment.ElsewhereByHand {
			st.byWord += r.Amount - r.Covered
		}
	}
	return st
}

// byHand: a person said what became of the payment, and is believed before the provider says so.
func (st stand) byHand(as payment.Resolution) bool { return st.payment.Resolution == as }

// promised holds a state against the promises that hold at every moment, and the move that led to it.
func (x *exploration) promised(before, s *state) error {
	var errs []error
	no := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, sh := range x.shoppings {
		st := x.stand(s, sh)
		no(st.captures > 1, "the money is taken %d times", st.captures)
		no(st.captured > sh.total, "%d is taken of %d", st.captured, sh.total)
		no(st.back > st.captured, "more is given back than was taken")
		no(st.order.CustomerID != "" && st.order.Total != sh.total, "the order comes to %d, and the shopper saw %d", st.order.Total, sh.total)
		no(st.cart.Status == cart.StatusCheckingOut && st.cart.Total() != sh.total, "the cart changed while it was checked out")
		switch st.order.Status {
		case order.StatusConfirmed, order.StatusFulfilled:
			no(st.captured != sh.total && !st.byHand(payment.ResolvedCaptured), "the order is %s, and %d of %d is taken", st.order.Status, st.captured, sh.total)
			no(st.payment.Tombstone, "the order is %s, and its payment is being undone", st.order.Status)
			no(st.back-st.elsewhere > st.asked(), "%d is given back by us, and %d was asked for", st.back-st.elsewhere, st.asked())
		case order.StatusCancelled:
			no(st.kept() != 0 && !st.byHand(payment.ResolvedNotCaptured), "the order is cancelled, and %d is kept", st.captured-st.back)
		case order.StatusPending, order.StatusCancelling:
		}
		no(st.cart.Status == cart.StatusOpen && !st.byHand(payment.ResolvedNotCaptured) && st.kept() != 0,
			"the cart is open again, and %d is kept", st.captured-st.back)
		no(st.cart.Status == cart.StatusCheckedOut && st.order.Status == order.StatusPending && st.captured == 0 && sh.total > 0 &&
			!st.byHand(payment.ResolvedCaptured), "the cart has become an order that is not paid")
		if st.saga.Failure != nil && st.saga.done(UndoPayment) && !st.byHand(payment.ResolvedNotCaptured) {
			no(st.kept() != 0 || st.capturable, "the payment counts as undone, and is not")
		}
	}
	errs = append(errs, x.stock(s), x.holders(s))
	for _, e := range x.happened {
		errs = append(errs, x.late(before, e.Stream, e.Type))
	}
	errs = append(errs, x.definite(s))
	return errors.Join(errs...)
}

// asked is what we were asked to give back.
func (st stand) asked() (sum int64) {
	for _, r := range st.payment.Refunds {
		if r.Elsewhere == "" {
			sum += r.Amount
		}
	}
	return sum
}

// kept is what is left of the capture. An operator who says that something was given back may not know of all that was.
func (st stand) kept() int64 {
	if st.byWord > 0 {
		return max(0, st.captured-st.back-st.byWord)
	}
	return st.captured - st.back
}

// stock: what is reserved is what orders hold, and never more than there is.
func (x *exploration) stock(s *state) error {
	held := map[string]int64{}
	for _, r := range s.rows {
		if o, ok := r.row.State.(order.State); ok {
			switch o.Status {
			case order.StatusPending, order.StatusConfirmed, order.StatusCancelling:
				for _, l := range o.Lines {
					if l.Tracked {
						held[l.SKU] += l.Quantity
					}
				}
			case order.StatusCancelled, order.StatusFulfilled:
			}
		}
	}
	for _, r := range s.rows {
		if st, ok := r.row.State.(order.Stock); ok {
			if st.Reserved != held[st.SKU] {
				return fmt.Errorf("%d of %s are reserved, and orders hold %d", st.Reserved, st.SKU, held[st.SKU])
			}
			if st.Reserved < 0 || st.Reserved > st.OnHand {
				return fmt.Errorf("%d of %s are reserved of %d", st.Reserved, st.SKU, st.OnHand)
			}
		}
	}
	return nil
}

// holders: what they hold is the pending orders that wait, and an address holds no more than it may.
func (x *exploration) holders(s *state) error {
	waiting := map[uuid.UUID]int{}
	for _, r := range s.rows {
		if o, ok := r.row.State.(order.State); ok {
			if len(o.Holders) > 0 && o.Status != order.StatusPending {
				return fmt.Errorf("an order is %s, and waits", o.Status)
			}
			for _, holder := range o.Holders {
				waiting[holder]++
				if _, in := s.find(holder).State.(order.Holder).Waiting[r.id]; !in {
					return errors.New("an order waits, and its holder does not hold it")
				}
			}
		}
	}
	for _, r := range s.rows {
		if h, ok := r.row.State.(order.Holder); ok && len(h.Waiting) != waiting[r.id] {
			return fmt.Errorf("a holder holds %d orders, and %d wait", len(h.Waiting), waiting[r.id])
		}
	}
	most := x.program.orders.Limits.Address.Orders
	for _, n := range waiting {
		if most > 0 && int64(n) > most && s.budget[mishaps] == x.start.budget[mishaps] { // a payment in doubt waits in any case
			return fmt.Errorf("%d orders of one address wait", n)
		}
	}
	return nil
}

// late: a tombstone refuses what comes after it, and an end is an end.
func (x *exploration) late(before *state, stream uuid.UUID, eventType string) error {
	switch st := before.find(stream).State.(type) {
	case payment.State:
		if st.Tombstone && (eventType == "payment.requested" || eventType == "payment.capture_requested") {
			return fmt.Errorf("%s behind the tombstone", eventType)
		}
	case order.State:
		if eventType == eventstore.TypeOf(order.Fulfilled{}) && st.Total > 0 && st.Refunded >= st.Total {
			return fmt.Errorf("%s of an order of which all was refunded", eventType)
		}
		if st.Status == order.StatusCancelled && eventType != eventstore.TypeOf(order.Refunded{}) {
			return fmt.Errorf("%s of an order that is cancelled", eventType)
		}
	case State:
		if st.Status.Ended() {
			return fmt.Errorf("%s of a saga that has ended", eventType)
		}
	}
	return nil
}

// definite: that the provider refuses a refund for good is no doubt: the saga waits for a person. Without a refusal none does. Both hold as
// long as nothing goes wrong.
func (x *exploration) definite(s *state) error {
	if x.troubled || s.budget[mishaps] < x.start.budget[mishaps] || len(s.drivers) > 0 {
		return nil
	}
	refused := slices.ContainsFunc(x.shoppings, func(sh shopping) bool { return x.stand(s, sh).refused() })
	for _, id := range x.sagas(s) {
		st, _ := s.saga(id)
		undo := st.Step(UndoPayment)
		switch {
		case st.Status == NeedsAttention && s.budget[denials] == x.start.budget[denials] && s.quiet(x):
			return fmt.Errorf("%s needs a person, and nothing went wrong", x.program.called(id))
		case refused && undo.Status == StepRetrying && !undo.NeedsOperator:
			return fmt.Errorf("%s does not know how %s came out, and it was refused", x.program.called(id), undo.Name)
		}
	}
	return nil
}

// refused reports whether the last refund that an undo asked for was refused.
func (st stand) refused() (is bool) {
	for _, r := range st.payment.Refunds {
		if r.Origin == "compensation" {
			is = r.Status == "refused"
		}
	}
	return is
}

// atTheEnd holds a state in which nothing is left to do against what must be so then.
func (x *exploration) atTheEnd(s *state) error {
	var errs []error
	no := func(wrong bool, format string, args ...any) {
		if wrong {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	for _, id := range x.sagas(s) {
		st, _ := s.saga(id)
		no(!st.Status.Ended(), "%s is %s, and nobody does anything about it", x.program.called(id), st.Status)
	}
	for _, sh := range x.shoppings {
		st := x.stand(s, sh)
		kept := st.kept()
		no(!st.begun, "the checkout never began")
		switch st.saga.Status {
		case Completed:
			no(st.cart.Status != cart.StatusCheckedOut, "it is completed, and the cart %s", st.cart.Status)
			switch st.order.Status {
			case order.StatusConfirmed, order.StatusFulfilled:
				unverified := st.saga.Step(VerifyPayment).Status == StepIsSkipped
				no(kept != sh.total-st.order.Refunded && !unverified, "%d is kept for an order of %d less %d", kept, sh.total, st.order.Refunded)
			case order.StatusCancelled:
				no(kept != 0, "%d is kept for an order that is cancelled", kept)
			case order.StatusPending, order.StatusCancelling:
				no(true, "all is done, and the order %s", st.order.Status)
			}
		case Failed, Cancelled:
			no(kept != 0, "%d is kept, and the checkout %s", kept, st.saga.Status)
			no(st.capturable && len(s.wire) == 0, "the checkout %s, and can still be captured", st.saga.Status)
			no(st.order.Status != order.StatusCancelled, "the checkout %s, and the order %s", st.saga.Status, st.order.Status)
			no(st.cart.Status != cart.StatusOpen, "the checkout %s, and the cart %s", st.saga.Status, st.cart.Status)
		case Running, RequiresAction, Compensating, NeedsAttention:
		}
	}
	return errors.Join(errs...)
}

// outcome names an end.
func (x *exploration) outcome(s *state) string {
	var all []string
	for _, sh := range x.shoppings {
		st := x.stand(s, sh)
		end := fmt.Sprintf("%s, order %s, cart %s", st.saga.Status, st.order.Status, st.cart.Status)
		if st.saga.Failure != nil {
			end += " (" + st.saga.Failure.Code + ")"
		}
		if st.back > 0 {
			end += fmt.Sprintf(", %d of %d given back", st.back, st.captured)
		}
		if st.elsewhere > 0 {
			end += fmt.Sprintf(", %d of it elsewhere", st.elsewhere)
		}
		if st.byWord > 0 {
			end += fmt.Sprintf(", %d settled as refunded", st.byWord)
		}
		if st.payment.Resolution != "" {
			end += ", settled as " + string(st.payment.Resolution)
		}
		all = append(all, end)
	}
	return strings.Join(all, " | ")
}

// describe shows a state.
func (x *exploration) describe(s *state) string {
	var all []string
	for _, sh := range x.shoppings {
		st := x.stand(s, sh)
		all = append(all, fmt.Sprintf("cart %s, order %q, saga %s, payment authorization %q capture %q captured %d tombstone %t, bank took %d gave %d capturable %t",
			st.cart.Status, st.order.Status, st.saga.Status, st.payment.Authorization, st.payment.Capture, st.payment.Captured, st.payment.Tombstone,
			st.captured, st.back, st.capturable))
	}
	return strings.Join(all, "\n        ") + fmt.Sprintf("; %d calls on their way", len(s.wire))
}
