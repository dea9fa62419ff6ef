package reconcile

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/admin"
	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// pass is one way through all data.
type pass struct {
	name string
	// step checks the page after a cursor. It is "" at the start.
	step func(ctx context.Context, after string, cutoff time.Time) (page, error)
}

type page struct {
	found  []Finding
	read   int
	recent int    // records skipped because they changed recently
	next   string // where the next page begins; "" at the end
}

const (
	checkoutsPage = 100              // so few that a provider can be asked about all of them within one answer
	maxFindings   = 1000             // in one answer
	startsWithin  = 30 * time.Minute // after that, the event that starts a saga was handled or is parked
)

// passes check every store by itself, and then the records of all modules together. They begin from each module, so that a stream that
// one module lacks is found from another.
func (m *Module) passes() []pass {
	var all []pass
	for _, one := range m.Stores {
		of := store{one}
		all = append(all, pass{of.Name + ".streams", of.paged(of.Audit)}, pass{of.Name + ".receipts", of.paged(of.AuditReceipts)},
			pass{of.Name + ".outbox", of.outbox}, pass{of.Name + ".keys", of.keys}, pass{of.Name + ".seals", of.seals})
	}
	return append(all,
		pass{"checkouts", byID(m, m.Sagas.Records(), m.sagaKeys)}, pass{"orders", byID(m, m.Orders.Records(), m.orphanOrders)},
		pass{"payments", byID(m, m.Payments.Records(), m.orphanPayments)}, pass{"carts", byID(m, m.Carts.Records(), m.orphanCarts)},
		pass{"ledger", m.ledger}, pass{"stock", m.stock},
	)
}

// reconcile runs the passes from a cursor on for a limited time, and then checks each finding once more.
func (m *Module) reconcile(ctx context.Context, cursor string, atMost time.Duration) (r Reconciliation, err error) {
	all := m.passes()
	name, after, _ := strings.Cut(cursor, ":")
	at := max(0, slices.IndexFunc(all, func(p pass) bool { return p.name == name }))
	if cursor != "" && all[at].name != name {
		return r, web.ErrCursor
	}
	cutoff, err := m.cutoff(ctx)
	if err != nil {
		return r, err
	}
	var found []Finding
	for until := time.Now().Add(atMost); at < len(all); {
		p, err := all[at].step(ctx, after, cutoff)
		if err != nil {
			return r, err
		}
		found = append(found, p.found...)
		r.Checked.count(all[at].name, p.read)
		r.Checked.LeftOut += p.recent
		if after = p.next; after == "" {
			at++
		}
		if at < len(all) && (len(found) >= maxFindings || time.Now().After(until)) {
			next := all[at].name + ":" + after
			r.NextCursor = &next
			break
		}
	}
	r.Data, err = confirmed(ctx, found, cutoff)
	return r, err
}

// cutoff returns the time, by the clocks of the databases, after which changes are recent. All modules must answer, since the others
// show what one of them lacks.
func (m *Module) cutoff(ctx context.Context) (time.Time, error) {
	clocks, err := admin.AskAll(ctx, m.Stores, func(ctx context.Context, of admin.Store) (time.Time, error) { return of.Clock(ctx) })
	if err != nil {
		return time.Time{}, err
	}
	return slices.MinFunc(clocks, time.Time.Compare).Add(-m.MinAge), nil
}

func parseID(after string) (id uuid.UUID, err error) {
	if after == "" {
		return uuid.Nil, nil
	}
	if id, err = uuid.Parse(after); err != nil {
		err = web.ErrCursor
	}
	return id, err
}

func formatID(next uuid.UUID) string {
	if next == uuid.Nil {
		return ""
	}
	return next.String()
}

// store is the store of one module.
type store struct{ admin.Store }

func (of store) findings(violations []eventstore.Violation) (found []Finding) {
	for _, v := range violations {
		streams := []StreamRef{}
		if v.Stream != uuid.Nil {
			streams = append(streams, StreamRef{of.Name, v.Stream})
		}
		found = append(found, Finding{
			ID: fmt.Sprintf("%s:%s:%s:%d", v.Check, of.Name, v.ID, v.Version), Check: v.Check, Detail: v.Detail, Remedy: remedies[v.Check],
			Streams: streams,
			again: func(ctx context.Context, _ time.Time) ([]Finding, error) {
				now, err := of.recheck(ctx, v)
				return of.findings(now), err
			},
		})
	}
	return found
}

func (of store) recheck(ctx context.Context, v eventstore.Violation) ([]eventstore.Violation, error) {
	switch v.Check {
	case eventstore.ViolationReceipt:
		return of.AuditReceipt(ctx, v.ID)
	case eventstore.ViolationMessage:
		return of.AuditOutbox(ctx)
	case eventstore.ViolationSequence:
		return of.AuditPosition(ctx)
	case eventstore.ViolationKey:
		return of.AuditKey(ctx, v.Stream)
	case eventstore.ViolationUnsealed:
		found, _, _, err := of.AuditSeals(ctx, math.MaxInt64) // beyond the last seal
		return found, err
	case eventstore.ViolationChanged, eventstore.ViolationRemoved, eventstore.ViolationInserted, eventstore.ViolationChain:
		return []eventstore.Violation{v}, nil // sealed events and seals never change
	}
	return of.AuditStream(ctx, v.Stream)
}

// paged is the pass of an audit that reads pages by id.
func (of store) paged(
	audit func(ctx context.Context, after uuid.UUID) (found []eventstore.Violation, read int, next uuid.UUID, err error),
) func(context.Context, string, time.Time) (page, error) {
	return func(ctx context.Context, after string, _ time.Time) (page, error) {
		id, err := parseID(after)
		if err != nil {
			return page{}, err
		}
		violations, read, next, err := audit(ctx, id)
		return page{found: of.findings(violations), read: read, next: formatID(next)}, err
	}
}

func (of store) outbox(ctx context.Context, _ string, _ time.Time) (page, error) {
	overdue, err := of.AuditOutbox(ctx)
	if err != nil {
		return page{}, err
	}
	behind, err := of.AuditPosition(ctx)
	return page{found: of.findings(append(overdue, behind...))}, err
}

func (of store) keys(ctx context.Context, after string, _ time.Time) (page, error) {
	violations, next, err := of.AuditKeys(ctx, after)
	return page{found: of.findings(violations), next: next}, err
}

// seals is the pass through a log along its seals.
func (of store) seals(ctx context.Context, after string, _ time.Time) (page, error) {
	from := int64(math.MinInt64)
	if after != "" {
		var err error
		if from, err = strconv.ParseInt(after, 10, 64); err != nil {
			return page{}, web.ErrCursor
		}
	}
	violations, read, next, err := of.AuditSeals(ctx, from)
	p := page{found: of.findings(violations), read: read}
	if next != from {
		p.next = strconv.FormatInt(next, 10)
	}
	return p, err
}

// byID is the pass through the records of one module. keys returns the keys to check.
func byID[T any](
	m *Module, records eventstore.Query[T], keys func(context.Context, []T) ([]key, error),
) func(context.Context, string, time.Time) (page, error) {
	return func(ctx context.Context, after string, cutoff time.Time) (page, error) {
		id, err := parseID(after)
		if err != nil {
			return page{}, err
		}
		entries, next, err := records.Page(ctx, id, checkoutsPage)
		if err != nil {
			return page{}, err
		}
		of, err := keys(ctx, entries)
		if err != nil {
			return page{}, err
		}
		found, recent, err := m.check(ctx, of, cutoff)
		return page{found, len(entries), recent, formatID(next)}, err
	}
}

func (m *Module) sagaKeys(_ context.Context, all []saga.Record) (keys []key, err error) {
	for _, s := range all {
		k := key{checkout: s.ID, cart: s.Checkout.CartID, order: s.Checkout.OrderID, payment: s.Checkout.PaymentID}
		switch {
		case s.Refund != nil:
			k.order, k.payment = s.Refund.OrderID, s.Refund.PaymentID
		case s.Cancellation != nil:
			k.order, k.payment = s.Cancellation.OrderID, s.Cancellation.PaymentID
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// orphanOrders returns the orders without a saga. The others are checked with their saga.
func (m *Module) orphanOrders(ctx context.Context, all []order.Record) (keys []key, err error) {
	for _, o := range all {
		if o.Placed {
			keys = append(keys, key{checkout: o.CheckoutID, cart: o.CartID, order: o.ID, payment: o.PaymentID})
		}
	}
	return m.orphans(ctx, keys)
}

func (m *Module) orphanPayments(ctx context.Context, all []payment.Record) (keys []key, err error) {
	for _, p := range all {
		if p.Requested {
			keys = append(keys, key{checkout: p.CheckoutID, order: p.OrderID, payment: p.ID})
		}
	}
	orders, err := m.Orders.Records().ByID(ctx, idsOf(keys, orderOf))
	if err != nil {
		return nil, err
	}
	for i, k := range keys { // a payment may name the cancellation; its order still names the checkout
		if o := orders[k.order]; o.Placed {
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

// orphans returns the keys without a saga.
func (m *Module) orphans(ctx context.Context, keys []key) ([]key, error) {
	known, err := m.Sagas.Records().ByID(ctx, idsOf(keys, checkoutOf))
	return slices.DeleteFunc(keys, func(k key) bool { return entry(known, k.checkout) != nil }), err
}

// ledger searches the providers' ledgers for payments that are not ours.
func (m *Module) ledger(ctx context.Context, after string, cutoff time.Time) (page, error) {
	balances, next, err := m.Payments.LedgerPage(ctx, after, checkoutsPage)
	if err != nil {
		return page{}, err
	}
	var keys []key
	for _, b := range balances {
		id, _ := uuid.Parse(b.Reference) // a reference that is no id cannot be ours
		keys = append(keys, key{payment: id, reference: b.Reference})
	}
	ours, err := m.Payments.Records().ByID(ctx, idsOf(keys, paymentOf))
	if err != nil {
		return page{}, err
	}
	p := page{read: len(balances), next: next}
	for i, b := range balances {
		switch {
		case ours[keys[i].payment].Requested:
		case b.At.After(cutoff):
			p.recent++
		default:
			p.found = append(p.found, m.unknownPayment(keys[i], b, after)...)
		}
	}
	return p, nil
}

// unknownPayment returns the findings about a payment in a provider's ledger that nobody here asked for.
func (m *Module) unknownPayment(k key, b payment.Balance, after string) []Finding {
	r := records{balance: &b}
	found := m.findings(key{reference: k.reference}, r)
	for i := range found {
		f := &found[i]
		switch {
		case r.net() <= 0:
			f.Remedy = "The payment is unknown here. The database may have been restored to an older moment. Look the payment up at the provider, and void it there."
		case k.payment == uuid.Nil:
			f.Remedy = "The payment is unknown here, and its reference is not an id of this program. Look it up at the provider, and refund it there."
		default:
			f.Remedy = "The payment is unknown here. The database may have been restored to an older moment. `shopping-cart verify --heal=refund-lost` refunds what was captured."
			f.lost, f.does = k.payment, refundLost{}.done(r)
		}
		f.again = func(ctx context.Context, cutoff time.Time) ([]Finding, error) {
			p, err := m.ledger(ctx, after, cutoff)
			return p.found, err
		}
	}
	return found
}

// stock compares the stock and the holders with the orders that they hold.
func (m *Module) stock(ctx context.Context, _ string, _ time.Time) (p page, err error) {
	add := func(id uuid.UUID, check, detail, remedy string) {
		if check == "" {
			return
		}
		p.found = append(p.found, Finding{
			ID: check + ":" + id.String(), Check: check, Detail: detail, Remedy: remedy, Streams: []StreamRef{{"order", id}},
			again: func(ctx context.Context, cutoff time.Time) ([]Finding, error) {
				now, err := m.stock(ctx, "", cutoff)
				return now.found, err
			},
		})
	}
	err = m.Orders.StockLevels(ctx, func(l order.StockLevel) {
		p.read++
		check, detail := checkStock(l)
		add(l.StockID, check, detail, remedyStock)
	})
	if err != nil {
		return p, err
	}
	return p, m.Orders.HolderLevels(ctx, func(l order.HolderLevel) {
		check, detail := checkHolder(l)
		add(l.HolderID, check, detail, remedyHolder)
	})
}
