package saga

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

// healer sends what mends a finding, where that is beyond doubt; nil where it is not. These are the commands that sagas
// send, decided on the newest state: what has moved meanwhile is refused. does says what they do, in the past tense.
func (m *Module) healer(checkout uuid.UUID, p promise, b books) (heal func(context.Context) error, does string) {
	if p.heal == nil {
		return nil, ""
	}
	commands := p.heal(b)
	if len(commands) == 0 {
		return nil, ""
	}
	var done []string
	for _, c := range commands {
		if one := b.effect(c); !slices.Contains(done, one) {
			done = append(done, one)
		}
	}
	return func(ctx context.Context) error {
		for _, c := range commands {
			if err := m.tell(ctx, checkout, c); err != nil {
				return err
			}
		}
		return nil
	}, strings.Join(done, ", ")
}

// effect says what a healing command does, in the past tense.
func (b books) effect(c Command) string {
	switch c := c.(type) {
	case toOrder:
		switch of := c.Command.(type) {
		case order.Confirm:
			return "confirmed the order"
		case order.NoteRefund:
			return "told the order of a refund of " + b.amount(of.Amount)
		case order.Place:
			return "placed the order"
		case order.Cancel, order.EndCancellation:
		}
		return "cancelled the order"
	case toCart:
		if _, ok := c.Command.(cart.Complete); ok {
			return "told the cart that it is checked out"
		}
		return "opened the cart again"
	case toUndo:
		switch {
		case b.net() > 0:
			return "refunded " + b.amount(b.net())
		case b.capturable():
			return "released " + b.amount(b.bank.Held()) + " at the provider"
		}
		return "made sure that nothing is charged"
	case toRefund:
		return "asked the provider for the refund"
	case toObserve:
		return "recorded what was refunded at the provider"
	case toBegin:
		return "began the " + c.of.Type
	case toCharge, toVerify:
	}
	return "asked the provider"
}

// amount writes minor units of the money of the checkout.
func (b books) amount(n int64) string {
	switch {
	case b.bank != nil:
		return money.Of(n, b.bank.Currency).String()
	case b.payment != nil:
		return money.Of(n, b.payment.Amount.Currency).String()
	case b.order != nil:
		return money.Of(n, b.order.Currency).String()
	}
	return strconv.FormatInt(n, 10)
}

// waker has a saga looked at, as a webhook would.
func (m *Module) waker(id uuid.UUID) func(context.Context) error {
	return func(ctx context.Context) error { return m.runner.wake(ctx, id) }
}

var (
	errNotUndone   = errors.New("the provider has not confirmed yet that the payment is undone")
	errNotRefunded = errors.New("the provider has not said yet what became of the refund")
)

// tell sends a command under an id of its own: that of the saga's step may have been answered long ago.
func (m *Module) tell(ctx context.Context, checkout uuid.UUID, c Command) error {
	id := uuid.Must(uuid.NewV7())
	switch c := c.(type) {
	case toOrder:
		return m.Rooms.Order(ctx, id, checkout, c.Command)
	case toCart:
		return m.Rooms.Cart(ctx, id, checkout, c.Command)
	case toUndo:
		o, err := m.Rooms.UndoPayment(ctx, checkout, c.Undo)
		if err == nil && o.Result != payment.ResultUndone {
			err = fmt.Errorf("%w: it answers %q", errNotUndone, o.Result)
		}
		return err
	case toRefund:
		o, err := m.Rooms.Refund(ctx, checkout, c.Refund)
		if err == nil && o.Result != payment.ResultRefunded && o.Result != payment.ResultRefused {
			err = fmt.Errorf("%w: it answers %q", errNotRefunded, o.Result)
		}
		return err
	case toObserve:
		return m.Rooms.ObservePayment(ctx, checkout, c.Observe)
	case toBegin:
		return m.start(ctx, c.id, eventstore.Meta{Actor: healed}, c.of, c.started)
	case toCharge, toVerify: // nobody is charged to mend a book
	}
	return nil
}

// mend heals what can be, and says of each finding whether it is gone.
func (m *Module) mend(ctx context.Context, found []Finding, actor string, refundLost bool) {
	for i, f := range found {
		heal := f.heal
		if refundLost && f.lost != uuid.Nil {
			heal = func(ctx context.Context) error { return m.Rooms.RefundLost(ctx, f.lost, actor) }
		}
		if heal == nil {
			continue
		}
		gone := false
		err := heal(ctx)
		if err == nil {
			gone, err = isGone(ctx, f)
		}
		found[i].Healed = &gone
		if gone {
			found[i].Done = f.does
		}
		m.Log.InfoContext(ctx, "a finding is mended", "finding", f.ID, "actor", actor, "healed", gone, "error", err)
	}
}

// justNow is more than the clocks of the databases are ahead of ours.
const justNow = time.Minute

// isGone looks again, and takes the youngest for settled: it was just touched. What it still finds it looks at once more, as
// every finding: a saga that was just begun may have ended between a look at its order and one at itself.
func isGone(ctx context.Context, f Finding) (gone bool, err error) {
	for range 2 {
		var now []Finding
		now, err = f.again(ctx, time.Now().Add(justNow))
		gone = err == nil && !slices.ContainsFunc(now, func(n Finding) bool { return n.ID == f.ID })
		if gone || err != nil {
			break
		}
	}
	return gone, err
}
