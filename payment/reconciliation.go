package payment

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
)

// Ledger is implemented by a Provider that can list its payments. With other providers the reconciliation looks up each payment.
type Ledger interface {
	// Balances returns at most limit payments, ordered by reference, after the given one.
	Balances(ctx context.Context, after string, limit int) ([]Balance, error)
	// BalancesOf returns the balances of the payments that the provider knows.
	BalancesOf(ctx context.Context, references []string) ([]Balance, error)
}

// Balance holds the effects of one payment at a provider. Amounts are minor units.
type Balance struct {
	Reference  string // the payment's id
	Currency   string
	Authorized int64
	Captured   int64
	Voided     int64
	Refunded   int64
	Captures   int       // number of captures that took effect
	Waiting    bool      // the shopper may still authorize it
	At         time.Time // time of the last effect, if known
}

// Held returns the amount that is authorized, and neither captured nor voided.
func (b Balance) Held() int64 { return b.Authorized - b.Captured - b.Voided }

// Capturable reports whether money can be captured, now or after the shopper's authorization.
func (b Balance) Capturable() bool { return b.Waiting || b.Held() > 0 }

// Record is our view of a payment, for the reconciliation of all modules.
type Record struct {
	ID             uuid.UUID
	OrderID        uuid.UUID
	CheckoutID     uuid.UUID // of the saga that the payment's webhooks wake: the checkout, or the cancellation of the order
	CustomerID     string
	Requested      bool // false: there is only a tombstone
	Amount         money.Amount
	Captured       int64
	Refunded       int64 // by completed refunds
	RefundedByHand int64 // the part of Refunded that only an operator recorded
	Refunding      int64 // by pending refunds
	Refunds        []RefundRecord
	Undoable       bool // an Undo would call the provider
	UpdatedAt      time.Time

	state State
}

// RefundRecord is our view of a refund.
type RefundRecord struct {
	ID        uuid.UUID // also of its saga, if it was ordered
	Amount    int64     // the part that counts as refunded, minor units
	Reason    string
	Ordered   bool // by an operator; otherwise an Undo requested it, or it was made elsewhere
	Elsewhere bool // without a call of ours
	Done      bool
	Open      bool // pending
}

func refundRecords(s State) (all []RefundRecord) {
	for _, r := range s.Refunds {
		all = append(all, RefundRecord{
			ID: r.ID, Amount: r.counted(), Reason: r.Reason, Ordered: r.Origin == originAPI, Elsewhere: r.Origin == originProvider,
			Done: r.Status == stepDone, Open: r.Status == stepAsked,
		})
	}
	return all
}

func recordOf(p eventstore.Stream[State]) Record {
	s := p.State
	return Record{
		ID: p.ID, OrderID: s.OrderID, CheckoutID: s.CheckoutID, CustomerID: s.CustomerID, Requested: s.requested(), Amount: s.Amount,
		Refunds:  refundRecords(s),
		Captured: s.Captured, Refunded: s.refundsAt(stepDone), RefundedByHand: s.refundedByHand(), Refunding: s.refundsAt(stepAsked),
		Undoable: s.holds() || s.Captured > s.refundsAt(stepDone), UpdatedAt: p.UpdatedAt, state: s,
	}
}

// Records returns a query over all payments.
func (m *Module) Records() eventstore.Query[Record] {
	return eventstore.NewQuery(m.store, payments, recordOf)
}

func ledgerError(p Provider, err error) error {
	return fmt.Errorf("%w: read the ledger of %s: %w", errLedgerUnavailable, p.Name(), err)
}

// ledgerOf returns the ledger of a provider, or of the provider that it wraps.
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

// Balances returns the providers' balances of payments, by id. A payment that its provider does not know has an empty balance. Tombstones and
// payments of unconfigured providers are left out.
func (m *Module) Balances(ctx context.Context, of []Record) (map[uuid.UUID]Balance, error) {
	balances := map[uuid.UUID]Balance{}
	for _, p := range m.providers {
		theirs := slices.DeleteFunc(slices.Clone(of), func(st Record) bool { return !st.Requested || st.state.Provider != p.Name() })
		if len(theirs) == 0 {
			continue
		}
		found, err := balancesOf(ctx, p, theirs)
		if err != nil {
			return nil, ledgerError(p, err)
		}
		for _, st := range theirs {
			balances[st.ID] = Balance{Reference: st.ID.String(), Currency: st.Amount.Currency}
		}
		for _, b := range found {
			if id, err := uuid.Parse(b.Reference); err == nil {
				balances[id] = b
			}
		}
	}
	return balances, nil
}

func balancesOf(ctx context.Context, p *guardedProvider, of []Record) ([]Balance, error) {
	if book, ok := ledgerOf(p); ok {
		references := make([]string, len(of))
		for i, st := range of {
			references[i] = st.ID.String()
		}
		return book.BalancesOf(ctx, references)
	}
	return p.lookUpAll(ctx, of)
}

// balanceFrom returns the balance that a look-up reports.
func balanceFrom(r Report, st Record) Balance {
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
		if slices.Contains(r.Refunded, key(st.ID, providerCall{opRefund, refund})) {
			b.Refunded += refund.Amount
		}
	}
	for _, e := range r.Elsewhere {
		b.Refunded += e.Amount
	}
	return b
}

// LedgerPage returns at most limit payments of the providers that have a ledger, after a cursor, including payments that we do not know. next
// is the cursor after the last payment, or "" at the end.
func (m *Module) LedgerPage(ctx context.Context, after string, limit int) (found []Balance, next string, err error) {
	name, reference, _ := strings.Cut(after, "/")
	for i, p := range m.providers {
		book, ok := ledgerOf(p)
		if !ok || name != "" && p.Name() != name {
			continue
		}
		found, err = book.Balances(ctx, reference, limit)
		switch {
		case err != nil:
			return nil, "", ledgerError(p, err)
		case len(found) == limit:
			return found, p.Name() + "/" + found[limit-1].Reference, nil
		case i+1 < len(m.providers):
			return found, m.nextLedger(i + 1), nil
		}
		return found, "", nil
	}
	return nil, "", nil
}

func (m *Module) nextLedger(from int) string {
	for _, p := range m.providers[from:] {
		if _, ok := ledgerOf(p); ok {
			return p.Name() + "/"
		}
	}
	return ""
}
