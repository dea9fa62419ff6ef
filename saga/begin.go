package saga

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/platform/fault"
)

// startsCheckout is the subscription that begins a checkout whose cart was sealed alone.
const startsCheckout = "start-checkout"

// BegunCheckout is a checkout that begins with a sealed cart.
type BegunCheckout struct {
	cart.CheckOutResult
	saga eventstore.Stream[State] // of version 0 if it is not known yet
}

// CheckOut seals the cart, stores the customer's contact, since the order needs it, and begins the checkout, in one transaction. If one database
// does not have them all, it stores the contact before, and an event begins the checkout. Then it deletes the contact again if the cart was not
// sealed with it after all. Its refusals are those of the cart.
//
// It ignores the end of ctx, since nobody else would go on with the checkout at once.
func (m *Module) CheckOut(ctx context.Context, contact order.Contact, cmd cart.CheckOut) (BegunCheckout, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTimeout)
	defer cancel()
	contact.ID = uuid.Must(uuid.NewV7())
	cmd.ContactID = contact.ID
	saved := false
	cmd.SaveContact = func(ctx context.Context) error {
		saved = true
		return m.Orders.SaveContact(ctx, contact)
	}
	var b *firstChain
	cmd.Then = func(ctx context.Context, e cart.CheckedOut) []eventstore.Link {
		b = m.beginning(ctx, e.CheckoutID, cmd.Write.Actor, startedBy(e, m.store.Now()), []eventstore.Link{m.Orders.ContactLink(contact)})
		return b.links
	}
	sealed, err := m.Carts.CheckOut(ctx, cmd)
	_, refused := fault.As(err)
	elsewhere := err == nil && sealed.ContactID != contact.ID
	if saved && (elsewhere || refused && !isUnavailable(err)) {
		if failed := m.Orders.DropContact(ctx, contact.ID); failed != nil {
			m.Log.WarnContext(ctx, "failed to delete an unused contact", "contact", contact.ID, "error", failed)
		}
	}
	begun := BegunCheckout{sealed, eventstore.Stream[State]{ID: sealed.CheckoutID}}
	if err == nil && sealed.Then != nil && !sealed.Replayed {
		begun.saga, err = m.begun(ctx, b, sealed.Then)
	}
	return begun, err
}

// start begins a saga once, and executes it.
func (m *Module) start(ctx context.Context, id uuid.UUID, cause eventstore.Meta, started Event) error {
	b := m.beginning(ctx, id, cause.Actor, started, nil)
	_, err := m.begun(ctx, b, eventstore.Chain(ctx, b.links...))
	return err
}

// firstChain is the chain that begins a saga.
type firstChain struct {
	chain
	id    uuid.UUID
	at    int // the place in links of the command that begins it
	began time.Time
}

// errBegun means that a saga exists, or that its cause does not exist.
var errBegun = errors.New("the saga began before")

// beginning returns the chain that begins a saga and executes its first steps. before are commands that come first. With them, the chain must
// have sealed the cart of the checkout.
func (m *Module) beginning(ctx context.Context, id uuid.UUID, actor string, started Event, before []eventstore.Link) *firstChain {
	b := &firstChain{id: id, at: len(before), began: m.store.Now()}
	b.links = before
	cmd := eventstore.Command{ID: CommandID(id, "start"), Meta: eventstore.Meta{Actor: actor, Correlation: id}, Named: "start", Harmless: true}
	b.add(eventstore.Link{Store: m.store, Handles: startsCheckout, Command: sagas.Command(id, cmd,
		func(tx *eventstore.Tx, saga eventstore.Stream[State]) ([]Event, error) {
			if saga.Exists() || b.at > 0 && !hasSealed(tx, started) {
				return nil, errBegun
			}
			return []Event{started}, nil
		})})
	m.runner.follow(ctx, &b.chain, id, evolve(State{}, started), 1, nil)
	m.runner.beginSteps(ctx, id, &b.chain)
	return b
}

// hasSealed reports whether an earlier command of the chain has sealed the cart as a checkout begins with it.
func hasSealed(tx *eventstore.Tx, started Event) bool {
	sealed, ok := eventstore.Earlier[cart.CheckedOut](tx)
	s, begins := started.(Started)
	return ok && begins && reflect.DeepEqual(startOf(sealed), s.Checkout)
}

// begun goes on with a saga after the chain that begins it, and returns it. If this process dies now, a sweep finds its wake_at.
func (m *Module) begun(ctx context.Context, b *firstChain, results []eventstore.Result) (saga eventstore.Stream[State], err error) {
	start := eventstore.Result{Err: errBegun}
	if b.at < len(results) {
		start = results[b.at]
	}
	taken := m.runner.conclude(&b.chain, b.began, results)
	switch {
	case errors.Is(start.Err, errBegun):
		saga.ID = b.id
		m.notifier.notify(saga)
		m.runner.begin(b.id, pass{})
		return saga, nil
	case start.Err != nil:
		return saga, fmt.Errorf("start saga %s: %w", b.id, start.Err)
	}
	saga, err = sagas.Result(ctx, m.store, start.Receipt)
	if err != nil {
		return saga, err
	}
	m.notifier.notify(saga)
	if now, ended, err := m.runner.ended(ctx, &b.chain, results); ended || err != nil {
		return now, err
	}
	m.runner.begin(b.id, pass{from: &saga, taken: taken, opened: b.opened(), cause: trace.SpanContextFromContext(ctx)})
	return saga, nil
}
