package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/admin"
	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
	"shopping-cart/saga"
)

// Finding is a promise that does not hold.
type Finding struct {
	ID       string      `json:"id" example:"captured_without_order:019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"` // the same each time
	Check    string      `json:"check" example:"captured_without_order"`
	Detail   string      `json:"detail" example:"1999 were taken for an order that is cancelled."`
	Remedy   string      `json:"remedy" example:"Refund the payment."` // what a person does about it
	Streams  []StreamRef `json:"streams"`
	Healable bool        `json:"healable"` // what to do is beyond doubt
	Healed   *bool       `json:"healed,omitempty"`
	Done     string      `json:"done,omitempty" example:"refunded 19.99 GBP"` // what healed it

	again  func(ctx context.Context, settled time.Time) ([]Finding, error)
	repair func(ctx context.Context) error
	does   string    // what heal does, in the past tense
	lost   uuid.UUID // a payment that a provider captured and nobody here knows; zero: another finding
}

// StreamRef names a stream that a finding is about.
type StreamRef struct {
	Module string    `json:"module" enums:"cart,order,payment,saga"`
	ID     uuid.UUID `json:"id" format:"uuid"`
}

// pass is one way through all data. A step reads a page from a place on, and says where the next one begins; "" is the end.
type pass struct {
	name string
	step func(ctx context.Context, after string, settled time.Time) (page, error)
}

type page struct {
	found []Finding
	read  int
	young int // of them, touched a moment ago and left out
	next  string
}

const (
	checkoutsPage = 100              // so that all of them can be looked up at a provider within one answer
	foundAtMost   = 1000             // findings in one answer
	beginsWithin  = 30 * time.Minute // by then, what starts a checkout was handled or is parked
)

// passes go through every store for itself, then through the books side by side: from each of them, so that what is
// missing in one is seen from another.
func (m *Module) passes() []pass {
	var all []pass
	for _, one := range m.Stores {
		of := store{one}
		all = append(all, pass{of.Name + ".streams", of.streams}, pass{of.Name + ".receipts", of.receipts}, pass{of.Name + ".outbox", of.outbox},
			pass{of.Name + ".keys", of.keys})
	}
	return append(all,
		pass{"checkouts", byID(m.Sagas.Book(), m, everyone)},
		pass{"orders", byID(m.Orders.Records(), m, m.orphanOrders)}, pass{"payments", byID(m.Payments.Book(), m, m.orphanPayments)},
		pass{"carts", byID(m.Carts.Records(), m, m.orphanCarts)}, pass{"ledger", m.ledger}, pass{"stock", m.stock},
	)
}

var errCursor = fault.New(fault.Invalid, "cursor_invalid", "The cursor is not one that this list gave out.")

// reconcile goes through the passes from a cursor on, for as long as it may, and then looks at each finding once more.
func (m *Module) reconcile(ctx context.Context, cursor string, atMost time.Duration) (r Reconciliation, err error) {
	all := m.passes()
	name, after, _ := strings.Cut(cursor, ":")
	at := slices.IndexFunc(all, func(p pass) bool { return p.name == name })
	switch {
	case cursor == "":
		at = 0
	case at < 0:
		return r, errCursor
	}
	settled, err := m.cutoff(ctx)
	var found []Finding
	until := time.Now().Add(atMost)
	for enough := false; err == nil && at < len(all); enough = len(found) >= foundAtMost || time.Now().After(until) {
		if enough { // at least one step was taken: whoever goes on comes to the end
			next := all[at].name + ":" + after
			r.NextCursor = &next
			break
		}
		var p page
		if p, err = all[at].step(ctx, after, settled); err != nil {
			return r, err
		}
		found = append(found, p.found...)
		r.Checked.count(all[at].name, p.read)
		r.Checked.LeftOut += p.young
		if after = p.next; after == "" {
			at++
		}
	}
	if err == nil {
		r.Data, err = confirmed(ctx, found, settled)
	}
	return r, err
}

// cutoff is the time before which nothing was touched that is judged, by the clocks of the databases. All must answer: what a
// module is missing is seen in the others alone.
func (m *Module) cutoff(ctx context.Context) (time.Time, error) {
	clocks, away, err := admin.AskEach(ctx, m.Stores, func(ctx context.Context, of admin.Store) (time.Time, error) { return of.Clock(ctx) })
	if err == nil && len(away) > 0 {
		err = admin.ErrAway(away)
	}
	if err != nil {
		return time.Time{}, err
	}
	return slices.MinFunc(clocks, time.Time.Compare).Add(-m.MinAge), nil
}

// confirmed are the findings that are still there, each once.
func confirmed(ctx context.Context, found []Finding, settled time.Time) ([]Finding, error) {
	still, seen := []Finding{}, map[string]bool{}
	for _, f := range found {
		if seen[f.ID] {
			continue
		}
		seen[f.ID] = true
		now, err := f.again(ctx, settled)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(now, func(n Finding) bool { return n.ID == f.ID }); i >= 0 {
			still = append(still, now[i])
		}
	}
	return still, nil
}

func parsePlace(after string) (id uuid.UUID, err error) {
	if after == "" {
		return uuid.Nil, nil
	}
	if id, err = uuid.Parse(after); err != nil {
		err = errCursor
	}
	return id, err
}

func goesOn(next uuid.UUID) string {
	if next == uuid.Nil {
		return ""
	}
	return next.String()
}

// store is that of a module, and is gone through for itself.
type store struct{ admin.Store }

// flaws are findings in one store.
func (of store) flaws(flaws []eventstore.Violation, again func(context.Context, eventstore.Violation) ([]eventstore.Violation, error)) (found []Finding) {
	for _, f := range flaws {
		found = append(found, Finding{
			ID: fmt.Sprintf("%s:%s:%s:%d", f.Check, of.Name, f.ID, f.Version), Check: f.Check, Detail: f.Detail, Remedy: remedies[f.Check],
			Streams: []StreamRef{{of.Name, f.Stream}},
			again: func(ctx context.Context, _ time.Time) ([]Finding, error) {
				now, err := again(ctx, f)
				return of.flaws(now, again), err
			},
		})
	}
	return found
}

func (of store) streams(ctx context.Context, after string, _ time.Time) (page, error) {
	id, err := parsePlace(after)
	if err != nil {
		return page{}, err
	}
	flaws, read, next, err := of.Audit(ctx, id)
	return page{found: of.flaws(flaws, func(ctx context.Context, f eventstore.Violation) ([]eventstore.Violation, error) {
		return of.AuditStream(ctx, f.Stream)
	}), read: read, next: goesOn(next)}, err
}

func (of store) receipts(ctx context.Context, after string, _ time.Time) (page, error) {
	id, err := parsePlace(after)
	if err != nil {
		return page{}, err
	}
	flaws, read, next, err := of.AuditReceipts(ctx, id)
	return page{found: of.flaws(flaws, func(ctx context.Context, f eventstore.Violation) ([]eventstore.Violation, error) {
		return of.AuditReceipt(ctx, f.ID)
	}), read: read, next: goesOn(next)}, err
}

func (of store) outbox(ctx context.Context, _ string, _ time.Time) (page, error) {
	var p page
	for _, audit := range []func(context.Context) ([]eventstore.Violation, error){of.AuditOutbox, of.AuditPosition} {
		flaws, err := audit(ctx)
		if err != nil {
			return p, err
		}
		p.found = append(p.found, of.flaws(flaws, func(ctx context.Context, _ eventstore.Violation) ([]eventstore.Violation, error) { return audit(ctx) })...)
	}
	return p, nil
}

func (of store) keys(ctx context.Context, from string, _ time.Time) (page, error) {
	flaws, next, err := of.AuditKeys(ctx, from)
	return page{found: of.flaws(flaws, func(ctx context.Context, f eventstore.Violation) ([]eventstore.Violation, error) {
		return of.AuditKey(ctx, f.Stream)
	}), next: next}, err
}

// key says where the books of one checkout are found.
type key struct {
	checkout, cart, order, payment uuid.UUID
	reference                      string // at the provider, of a payment that is not ours
}

func keyOfSaga(s saga.Standing) key {
	k, c := key{checkout: s.ID}, s.Checkout
	switch refund, cancels := s.Refund, s.Cancellation; {
	case refund != nil:
		k.order, k.payment = refund.OrderID, refund.PaymentID
	case cancels != nil:
		k.order, k.payment = cancels.OrderID, cancels.PaymentID
	default:
		k.cart, k.order, k.payment = c.CartID, c.OrderID, c.PaymentID
	}
	return k
}

func everyone(_ context.Context, all []saga.Standing) (keys []key, err error) {
	for _, s := range all {
		keys = append(keys, keyOfSaga(s))
	}
	return keys, nil
}

// byID is the pass through one book. keys are those of its entries whose checkouts are to be looked at.
func byID[T any](book eventstore.Query[T], m *Module, keys func(context.Context, []T) ([]key, error)) func(context.Context, string, time.Time) (page, error) {
	return func(ctx context.Context, after string, settled time.Time) (page, error) {
		id, err := parsePlace(after)
		if err != nil {
			return page{}, err
		}
		entries, next, err := book.Page(ctx, id, checkoutsPage)
		if err != nil {
			return page{}, err
		}
		of, err := keys(ctx, entries)
		if err != nil {
			return page{}, err
		}
		found, young, err := m.look(ctx, of, settled)
		return page{found, len(entries), young, goesOn(next)}, err
	}
}

// orphanOrders are orders without a checkout; those with one are seen from there.
func (m *Module) orphanOrders(ctx context.Context, all []order.Record) (keys []key, err error) {
	for _, o := range all {
		if o.Placed {
			keys = append(keys, key{checkout: o.CheckoutID, cart: o.CartID, order: o.ID, payment: o.PaymentID})
		}
	}
	return m.orphans(ctx, keys)
}

func (m *Module) orphanPayments(ctx context.Context, all []payment.Standing) (keys []key, err error) {
	for _, p := range all {
		if p.Requested {
			keys = append(keys, key{checkout: p.CheckoutID, order: p.OrderID, payment: p.ID})
		}
	}
	orders, err := byIDs(ctx, m.Orders.Records(), keys, func(k key) uuid.UUID { return k.order }, func(o order.Record) uuid.UUID { return o.ID })
	if err != nil {
		return nil, err
	}
	for i, k := range keys { // where the payment names the cancellation, the order still names its checkout
		if o := entry(orders, k.order); o != nil && o.Placed {
			keys[i].checkout = o.CheckoutID
		}
	}
	return m.orphans(ctx, keys)
}

func (m *Module) orphanCarts(ctx context.Context, all []cart.Record) (keys []key, err error) {
	for _, c := range all {
		if c.CheckingOut {
			keys = append(keys, key{checkout: c.CheckoutID, cart: c.ID, order: c.OrderID, payment: c.PaymentID})
		}
	}
	return m.orphans(ctx, keys)
}

// orphans are those without a saga.
func (m *Module) orphans(ctx context.Context, keys []key) ([]key, error) {
	known, err := byIDs(ctx, m.Sagas.Book(), keys, func(k key) uuid.UUID { return k.checkout }, func(s saga.Standing) uuid.UUID { return s.ID })
	return slices.DeleteFunc(keys, func(k key) bool { _, ok := known[k.checkout]; return ok }), err
}

// ledger goes through the providers' books for payments that are not ours.
func (m *Module) ledger(ctx context.Context, after string, settled time.Time) (page, error) {
	balances, next, err := m.Payments.Charged(ctx, after, checkoutsPage)
	if err != nil {
		return page{}, err
	}
	var keys []key
	for _, b := range balances {
		id, _ := uuid.Parse(b.Reference) // what is no id cannot be ours
		keys = append(keys, key{payment: id, reference: b.Reference})
	}
	ours, err := byIDs(ctx, m.Payments.Book(), keys, func(k key) uuid.UUID { return k.payment }, func(p payment.Standing) uuid.UUID { return p.ID })
	if err != nil {
		return page{}, err
	}
	p := page{read: len(balances), next: next}
	for _, b := range balances {
		id, _ := uuid.Parse(b.Reference)
		switch known, ok := ours[id]; {
		case ok && known.Requested:
		case b.At.After(settled):
			p.young++
		default:
			p.found = append(p.found, m.unknownPayment(b, after)...)
		}
	}
	return p, nil
}

// unknownPayment is what a provider's book says of a payment that nobody here asked for.
func (m *Module) unknownPayment(b payment.Balance, after string) []Finding {
	found := m.findings(key{reference: b.Reference}, books{bank: &b})
	for i := range found {
		id, err := uuid.Parse(b.Reference)
		switch left := b.Captured - b.Refunded; {
		case left <= 0:
			found[i].Remedy = "Nobody here knows the payment. Was the database restored to an older moment? Look the payment up at the provider, and void it there."
		case err != nil:
			found[i].Remedy = "Nobody here knows the payment, and no id of this program is its reference. Look it up at the provider, and refund it there."
		default:
			found[i].Remedy = "Nobody here knows the payment. Was the database restored to an older moment? `shopping-cart verify --heal=refund-lost` refunds what was captured."
			found[i].lost, found[i].does = id, "refunded "+money.Of(left, b.Currency).String()
		}
		found[i].again = func(ctx context.Context, settled time.Time) ([]Finding, error) {
			p, err := m.ledger(ctx, after, settled)
			return p.found, err
		}
	}
	return found
}

func (m *Module) stock(ctx context.Context, _ string, _ time.Time) (p page, err error) {
	err = m.Orders.StockLevels(ctx, func(h order.StockLevel) {
		p.read++
		check, detail, remedy := stockInvariants(h)
		if check == "" {
			return
		}
		p.found = append(p.found, Finding{
			ID: check + ":" + h.StockID.String(), Check: check, Detail: detail, Remedy: remedy, Streams: []StreamRef{{"order", h.StockID}},
			again: func(ctx context.Context, settled time.Time) ([]Finding, error) {
				now, err := m.stock(ctx, "", settled)
				return now.found, err
			},
		})
	})
	return p, err
}
