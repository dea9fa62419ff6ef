//go:build !windows

package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/saga"
)

// Books hold all data of all databases and of the provider's ledger.
type Books struct {
	Carts    map[uuid.UUID]cart.State
	Orders   map[uuid.UUID]order.State
	stocks   map[uuid.UUID]order.Stock
	Payments map[uuid.UUID]payment.State
	Sagas    map[uuid.UUID]saga.State
	contacts map[uuid.UUID]bool
	known    map[string]bool // customers with a contact: the contacts of all others were erased
	Ledger   map[uuid.UUID]Entries
	sealed   map[uuid.UUID]ending // by checkout
	Faults   []string             // of the stores
}

// Entries are the sums of a payment in the ledger, in minor units.
type Entries struct{ Authorized, Captured, voided, Refunded, Captures int64 }

// ending counts the ends of a checkout in its cart.
type ending struct{ completed, reopened int64 }

// Breaches returns the broken promises, one sentence each. They must hold when nothing is in progress.
func Breaches(ctx context.Context, in map[string]Querier) ([]string, error) {
	b, err := ReadBooks(ctx, in)
	if err != nil {
		return nil, err
	}
	wrong := b.Faults
	says := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	b.CheckCharges(says)
	b.CheckOrders(says)
	b.CheckStock(says)
	b.CheckFinished(says)
	return wrong, nil
}

// CheckCharges requires that captured − refunded is the total of the order or zero, and that no authorization remains.
func (b Books) CheckCharges(says func(string, ...any)) {
	owed := map[uuid.UUID]int64{}
	for id, o := range b.Orders {
		if o.Status == order.StatusConfirmed || o.Status == order.StatusFulfilled {
			owed[o.PaymentID] += o.Total - o.Refunded
			if !b.contacts[o.ContactID] && b.known[o.CustomerID] {
				says("order %s has lost its contact", id)
			}
		}
	}
	for id, total := range owed {
		if e := b.Ledger[id]; e.Captured-e.Refunded != total {
			says("payment %s: %d − %d captured − refunded, and orders for %d", id, e.Captured, e.Refunded, total)
		}
	}
	for id, e := range b.Ledger {
		if e.Refunded > e.Captured {
			says("payment %s: %d of %d were refunded", id, e.Refunded, e.Captured)
		}
		if owed[id] == 0 && e.Captured != e.Refunded+b.byHand(id) {
			says("payment %s: %d − %d captured − refunded, and no order", id, e.Captured, e.Refunded)
		}
		if e.Captures > 1 {
			says("payment %s was captured %d times", id, e.Captures)
		}
		if held := e.Authorized - e.Captured - e.voided; held != 0 {
			says("payment %s still holds %d of the shopper's money", id, held)
		}
		// After a restore the provider may have a captured and fully refunded payment without a capture in these data.
		known := b.Payments[id].Captured
		before := known == 0 && e.Captured == e.Refunded && b.Payments[id].FailureCode == payment.CodeRefundedBefore
		if known != e.Captured && !before {
			says("payment %s knows of %d captured, the ledger of %d", id, known, e.Captured)
		}
	}
}

// byHand returns the sum that an operator resolved. The provider's ledger does not contain it.
func (b Books) byHand(id uuid.UUID) (sum int64) {
	for _, r := range b.Payments[id].Refunds {
		if r.Elsewhere == payment.ElsewhereByHand {
			sum += r.Amount - r.Covered
		}
	}
	return sum
}

// CheckOrders requires one order with the sealed total for each completed checkout, and none for any other.
func (b Books) CheckOrders(says func(string, ...any)) {
	orders := map[uuid.UUID][]uuid.UUID{}
	for id, o := range b.Orders {
		if o.CheckoutID != uuid.Nil && (o.Status != order.StatusCancelled || o.CancellationID != uuid.Nil) {
			orders[o.CheckoutID] = append(orders[o.CheckoutID], id)
		}
		if s, ok := b.Sagas[o.CheckoutID]; o.CheckoutID != uuid.Nil && (!ok || s.Checkout.Total != o.Total) {
			says("order %s is not what its checkout sealed", id)
		}
	}
	for id, s := range b.Sagas {
		if s.Type != "checkout" {
			continue
		}
		want := []uuid.UUID(nil)
		if s.Status == saga.Completed {
			want = []uuid.UUID{s.Checkout.OrderID}
		}
		if !slices.Equal(orders[id], want) {
			says("checkout %s is %s and has the orders %v", id, s.Status, orders[id])
		}
		if end := b.sealed[id]; end.completed+end.reopened != 1 || (end.completed == 1) != (s.Status == saga.Completed) {
			says("checkout %s is %s, and its cart was completed %d and reopened %d times", id, s.Status, end.completed, end.reopened)
		}
	}
	for id := range b.sealed {
		if _, ok := b.Sagas[id]; !ok {
			says("checkout %s was sealed and never began", id)
		}
	}
}

// CheckStock requires that the reserved units equal the units that pending and confirmed orders hold, and exist.
func (b Books) CheckStock(says func(string, ...any)) {
	held := map[string]int64{}
	for _, o := range b.Orders {
		for _, l := range o.Lines {
			if l.Tracked && (o.Status == order.StatusPending || o.Status == order.StatusConfirmed || o.Status == order.StatusCancelling) {
				held[l.SKU] += l.Quantity
			}
		}
	}
	for _, s := range b.stocks {
		if s.Reserved != held[s.SKU] || s.Reserved > s.OnHand+s.Short || s.Reserved < 0 || s.OnHand < 0 { // a recorded loss does not oversell
			says("%s: %d of %d are reserved, for orders of %d", s.SKU, s.Reserved, s.OnHand, held[s.SKU])
		}
		delete(held, s.SKU)
	}
	for sku := range held {
		says("%s is held without a stock", sku)
	}
}

func (b Books) CheckFinished(says func(string, ...any)) {
	for id, s := range b.Sagas {
		if !s.Status.Ended() {
			says("%s %s is %s", s.Type, id, s.Status)
		}
	}
	for id, c := range b.Carts {
		if c.Status == cart.StatusCheckingOut {
			says("cart %s is still being checked out", id)
		}
	}
	for id, o := range b.Orders {
		if o.Status == order.StatusPending || o.Status == order.StatusCancelling {
			says("order %s is still %s", id, o.Status)
		}
	}
}

// Querier reads the database of a schema.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func ReadBooks(ctx context.Context, in map[string]Querier) (b Books, err error) {
	err = errors.Join(
		readAll(ctx, in["cart"], "cart", "cart", &b.Carts),
		readAll(ctx, in["orders"], "orders", "order", &b.Orders),
		readAll(ctx, in["orders"], "orders", "stock", &b.stocks),
		readAll(ctx, in["payment"], "payment", "payment", &b.Payments),
		readAll(ctx, in["saga"], "saga", "saga", &b.Sagas),
		b.readContacts(ctx, in["orders"]), b.readLedger(ctx, in["simulator"]), b.readSealed(ctx, in["cart"]),
	)
	for _, schema := range []string{"cart", "orders", "payment", "saga"} {
		err = errors.Join(err, b.readFaults(ctx, in[schema], schema))
	}
	for schema := range late {
		err = errors.Join(err, b.readLate(ctx, in[schema], schema))
	}
	return b, err
}

// readAll reads the stored states of an aggregate type.
func readAll[S any](ctx context.Context, q Querier, schema, kind string, into *map[uuid.UUID]S) error {
	*into = map[uuid.UUID]S{}
	var id uuid.UUID
	var state []byte
	rows, err := q.Query(ctx, "select id, state from "+schema+".streams where kind = $1", kind)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&id, &state}, func() error {
		var s S
		err := json.Unmarshal(state, &s)
		(*into)[id] = s
		return err
	})
	return err
}

func (b *Books) readContacts(ctx context.Context, q Querier) error {
	b.contacts, b.known = map[uuid.UUID]bool{}, map[string]bool{}
	rows, err := q.Query(ctx, "select id, customer from orders.contacts where email <> ''")
	if err != nil {
		return err
	}
	var id uuid.UUID
	var customer string
	_, err = pgx.ForEachRow(rows, []any{&id, &customer}, func() error {
		b.contacts[id], b.known[customer] = true, true
		return nil
	})
	return err
}

const sumsOfLedger = `select reference::uuid,
		coalesce(sum(amount) filter (where operation = 'authorize'), 0), coalesce(sum(amount) filter (where operation = 'capture'), 0),
		coalesce(sum(amount) filter (where operation = 'void'), 0), coalesce(sum(amount) filter (where operation = 'refund'), 0),
		count(*) filter (where operation = 'capture')
	from simulator.ledger group by reference`

func (b *Books) readLedger(ctx context.Context, q Querier) error {
	b.Ledger = map[uuid.UUID]Entries{}
	rows, err := q.Query(ctx, sumsOfLedger)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var e Entries
	_, err = pgx.ForEachRow(rows, []any{&id, &e.Authorized, &e.Captured, &e.voided, &e.Refunded, &e.Captures}, func() error {
		b.Ledger[id] = e
		return nil
	})
	return err
}

const endsOfCheckouts = `select (s.data ->> 'checkout_id')::uuid, count(e.position) filter (where e.type = 'cart.completed'),
		count(e.position) filter (where e.type = 'cart.reopened')
	from cart.events s left join cart.events e on e.stream = s.stream and e.type in ('cart.completed', 'cart.reopened')
		and e.data ->> 'checkout_id' = s.data ->> 'checkout_id'
	where s.type = 'cart.checked_out' group by 1`

func (b *Books) readSealed(ctx context.Context, q Querier) error {
	b.sealed = map[uuid.UUID]ending{}
	rows, err := q.Query(ctx, endsOfCheckouts)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var e ending
	_, err = pgx.ForEachRow(rows, []any{&id, &e.completed, &e.reopened}, func() error {
		b.sealed[id] = e
		return nil
	})
	return err
}

// faultsOf finds inconsistent streams: a version that is not the number of events, gaps in the versions, or versions in another
// order in the log. It also finds events that a reaction has not processed yet.
const faultsOf = `
	select 'stream ' || coalesce(s.id, e.stream) || ' is at ' || coalesce(s.version, 0) || ' with ' || coalesce(e.n, 0) || ' events'
	from @.streams s full join (select stream, count(*) n, min(version) lowest, max(version) highest from @.events group by 1) e
		on e.stream = s.id
	where s.version is distinct from e.n or e.lowest <> 1 or e.highest <> e.n
	union all
	select 'stream ' || stream || ' stands in the log out of order'
	from (select stream, version, row_number() over (partition by stream order by position) place from @.events) l where version <> place
	union all
	select 'event ' || version || ' of ' || stream || ' waits for its reaction' from @.outbox`

func (b *Books) readFaults(ctx context.Context, q Querier, schema string) error {
	rows, err := q.Query(ctx, strings.ReplaceAll(faultsOf, "@", schema))
	if err != nil {
		return err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[string])
	for _, f := range found {
		b.Faults = append(b.Faults, schema+": "+f)
	}
	return err
}

// RequirePromises waits until nothing is in progress, and then checks everything written against the promises. It only asserts: a
// cleanup with a fatal failure would lose the report of its test.
func (s *Site) RequirePromises(t *testing.T) {
	t.Helper()
	requirePromises(t, s.URLs)
}

func requirePromises(t *testing.T, urls map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*Patience) // cleanups run it after t.Context is done
	defer cancel()
	in := map[string]Querier{}
	for schema, url := range urls {
		conn, err := pgx.Connect(ctx, url)
		if !assert.NoError(t, err) {
			return
		}
		defer conn.Close(context.Background())
		in[schema] = conn
	}
	wrong, err := []string(nil), error(nil)
	kept := Eventually(ctx, func() bool { // at a single moment "in progress" looks like "broken"
		if found, e := Breaches(ctx, in); ctx.Err() == nil {
			wrong, err = found, e
		}
		return err == nil && len(wrong) == 0
	})
	assert.True(t, kept, "promises are broken: %v %q", err, wrong)
}
