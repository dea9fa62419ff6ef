package payment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
)

// Ledger is a provider that lets its book be read. Of others each payment is looked up, which takes its time.
type Ledger interface {
	// Balances are at most limit payments of the book, by reference, from behind one on.
	Balances(ctx context.Context, after string, limit int) ([]Balance, error)
	// BalancesOf are those of the payments that the book knows.
	BalancesOf(ctx context.Context, references []string) ([]Balance, error)
}

// Balance is what took effect at a provider for one payment. Amounts are minor units.
type Balance struct {
	Reference  string // as we named it: the payment's id
	Currency   string
	Authorized int64
	Captured   int64
	Voided     int64
	Refunded   int64
	Captures   int       // how many captures took effect
	Waiting    bool      // the shopper may still authorize it
	At         time.Time // the last effect, where it is known
}

// Held is what is authorized, and neither captured nor let go of.
func (b Balance) Held() int64 { return b.Authorized - b.Captured - b.Voided }

// Capturable reports whether money can still be taken, or come to be.
func (b Balance) Capturable() bool { return b.Waiting || b.Held() > 0 }

// Standing is a payment as we know it, for whoever compares the books of all modules.
type Standing struct {
	ID             uuid.UUID
	OrderID        uuid.UUID
	CheckoutID     uuid.UUID // of the saga that its webhooks wake: the checkout, or the cancellation of the order
	CustomerID     string
	Requested      bool // false: a tombstone alone
	Amount         money.Amount
	Captured       int64
	Refunded       int64 // of those that are done
	RefundedByHand int64 // of those: on an operator's word. The provider's book does not have it
	Refunding      int64 // of those without an answer
	Refunds        []RefundStanding
	Undoable       bool // an Undo would ask the provider for something
	UpdatedAt      time.Time

	state State
}

// RefundStanding is a refund of a payment as we know it.
type RefundStanding struct {
	ID        uuid.UUID // and of its saga, where it was ordered
	Amount    int64     // that counts as refunded, minor units
	Reason    string
	Ordered   bool // for itself; else an undo asked for it, or it was made elsewhere
	Elsewhere bool // without a call of ours
	Done      bool
	Open      bool // without an answer
}

func refundStandings(s State) (all []RefundStanding) {
	for _, r := range s.Refunds {
		all = append(all, RefundStanding{
			ID: r.ID, Amount: r.counts(), Reason: r.Reason, Ordered: r.Origin == originAPI, Elsewhere: r.Origin == originProvider,
			Done: r.Status == stepDone, Open: r.Status == stepAsked,
		})
	}
	return all
}

func standingOf(p eventstore.Stream[State]) Standing {
	s := p.State
	return Standing{
		ID: p.ID, OrderID: s.OrderID, CheckoutID: s.CheckoutID, CustomerID: s.CustomerID, Requested: s.requested(), Amount: s.Amount,
		Refunds:  refundStandings(s),
		Captured: s.Captured, Refunded: s.refundsAt(stepDone), RefundedByHand: s.refundedByHand(), Refunding: s.refundsAt(stepAsked),
		Undoable: s.holds() || s.Captured > s.refundsAt(stepDone), UpdatedAt: p.UpdatedAt, state: s,
	}
}

// Book reads all payments.
func (m *Module) Book() eventstore.Query[Standing] {
	return eventstore.NewQuery(m.store, payments, standingOf)
}

var errNoBook = fault.New(fault.Unavailable, "provider_unavailable", "The payment provider's book cannot be read at the moment. Try again shortly.")

func unreadable(p Provider, err error) error {
	return fmt.Errorf("%w: read the book of %s: %w", errNoBook, p.Name(), err)
}

// ledgerOf is the book of a provider, also where something stands around it.
func ledgerOf(p Provider) (Ledger, bool) {
	for {
		if book, ok := p.(Ledger); ok {
			return book, true
		}
		around, ok := p.(interface{ Unwrap() Provider })
		if !ok {
			return nil, false
		}
		p = around.Unwrap()
	}
}

// Balances is what their providers say of payments, by id. Missing are those that a provider knows nothing of, and those of
// providers that are not configured here.
func (m *Module) Balances(ctx context.Context, of []Standing) (map[uuid.UUID]Balance, error) {
	balances := map[uuid.UUID]Balance{}
	for _, p := range m.providers {
		theirs := slices.DeleteFunc(slices.Clone(of), func(st Standing) bool { return !st.Requested || st.state.Provider != p.Name() })
		if len(theirs) == 0 {
			continue
		}
		found, err := balancesOf(ctx, p, theirs)
		if err != nil {
			return nil, unreadable(p, err)
		}
		for _, st := range theirs {
			balances[st.ID] = Balance{Reference: st.ID.String(), Currency: st.Amount.Currency} // it says: nothing
		}
		for _, b := range found {
			if id, err := uuid.Parse(b.Reference); err == nil {
				balances[id] = b
			}
		}
	}
	return balances, nil
}

func balancesOf(ctx context.Context, p *guard, of []Standing) ([]Balance, error) {
	if book, ok := ledgerOf(p); ok {
		references := make([]string, len(of))
		for i, st := range of {
			references[i] = st.ID.String()
		}
		return book.BalancesOf(ctx, references)
	}
	return p.lookUps(ctx, of)
}

// balanceIn is what a look-up tells of the book.
func balanceIn(r Report, st Standing) Balance {
	b := Balance{Reference: st.ID.String(), Currency: st.Amount.Currency}
	switch r.Status {
	case Authorized:
		b.Authorized = st.Amount.Amount
	case ActionRequired:
		b.Waiting = true
	case Captured:
		b.Authorized, b.Captured, b.Captures = r.Captured, r.Captured, 1
	case NotFound, Declined, Voided, Refused, Refunded:
	}
	for _, refund := range st.state.Refunds {
		if slices.Contains(r.Refunded, key(st.ID, ask{opRefund, refund})) {
			b.Refunded += refund.Amount
		}
	}
	for _, e := range r.Elsewhere {
		b.Refunded += e.Amount
	}
	return b
}

// Charged reads the books of the providers that have one, at most limit payments behind a place in them: also those that
// we know nothing of. next is the place behind the last; "" at the end.
func (m *Module) Charged(ctx context.Context, after string, limit int) (found []Balance, next string, err error) {
	name, reference, _ := strings.Cut(after, "/")
	for i, p := range m.providers {
		book, ok := ledgerOf(p)
		if !ok || name != "" && p.Name() != name {
			continue
		}
		found, err = book.Balances(ctx, reference, limit)
		switch {
		case err != nil:
			return nil, "", unreadable(p, err)
		case len(found) == limit:
			return found, p.Name() + "/" + found[limit-1].Reference, nil
		case i+1 < len(m.providers):
			return found, m.nextBook(i + 1), nil
		}
		return found, "", nil
	}
	return nil, "", nil
}

func (m *Module) nextBook(from int) string {
	for _, p := range m.providers[from:] {
		if _, ok := ledgerOf(p); ok {
			return p.Name() + "/"
		}
	}
	return ""
}
