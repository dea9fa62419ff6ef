package order

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/pgerr"
	"shopping-cart/platform/web"
)

// Handle executes a command of a saga. id makes it idempotent. correlation is the id of the checkout and is stored with its
// events. A repetition under another id changes nothing and returns no error.
func (m *Module) Handle(ctx context.Context, id, correlation uuid.UUID, cmd Command) (err error) {
	w := web.Write{ID: id, Actor: "saga", Correlation: correlation}
	switch c := cmd.(type) {
	case Place:
		err = m.place(ctx, w, c)
	case Hold:
		err = m.hold(ctx, w, c)
	case Confirm:
		err = m.confirm(ctx, w, c)
	case Cancel:
		err = m.release(ctx, w, c.OrderID, cmd, func(o State) (decision, error) { return decideCancel(o, c) })
	case RecordRefund:
		_, err = m.handle(ctx, w, c.OrderID, commandOf(w, cmd), func(o State) (decision, error) { return decideRecordRefund(o, c) })
	case EndCancellation:
		err = m.release(ctx, w, c.OrderID, cmd, func(o State) (decision, error) { return decideEndCancellation(o, c.OrderID) })
	}
	return err
}

// RequestCancellation cancels a sale that was not fulfilled yet, and returns the current order, which may have changed since.
func (m *Module) RequestCancellation(ctx context.Context, w web.Write, c RequestCancellation) (v View, replayed bool, err error) {
	cmd := commandOf(w, c)
	cmd.Note = m.store.NewNote(c.Reason)
	c.Reason = cmd.Note.Reference()
	receipt, err := m.handle(ctx, w, c.OrderID, cmd, func(o State) (decision, error) { return decideRequestCancellation(o, c) })
	if err != nil {
		return v, false, err
	}
	o, err := orders.Load(ctx, m.store, c.OrderID)
	if err != nil {
		return v, false, err
	}
	v, err = m.view(ctx, o)
	return v, receipt.Replayed, err
}

// place names the stock of every SKU, since only the decision knows which are tracked. If the drawn number is taken, nothing was
// written and it draws another.
func (m *Module) place(ctx context.Context, w web.Write, c Place) (err error) {
	for range draws {
		number := withCheckDigit(m.DrawNumber())
		_, err = m.handleWithStock(ctx, w, c.OrderID, c, skusOf(c.Lines), func(o State, stock map[string]Stock) (decision, error) {
			return decidePlace(o, stock, c, number)
		})
		if !pgerr.Violates(err, "streams_key") {
			return err
		}
	}
	return fmt.Errorf("number order %s: %w", c.OrderID, err)
}

// confirm names the stock and the holders of an order only if it has holders.
func (m *Module) confirm(ctx context.Context, w web.Write, c Confirm) error {
	decide := func(o State) (decision, error) { return decideConfirm(o, c.OrderID) }
	_, err := m.handle(ctx, w, c.OrderID, commandOf(w, c), decide)
	if errors.Is(err, errUnnamed) {
		err = m.release(ctx, w, c.OrderID, c, decide)
	}
	return err
}

// release decides on an order with the stock and the holders that it has, which must be named before the decision. If the order gets some in
// between, release loads it again. That happens at most twice, because it gets each of them once.
func (m *Module) release(ctx context.Context, w web.Write, id uuid.UUID, named any, decide func(State) (decision, error)) error {
	for {
		o, err := orders.Load(ctx, m.store, id)
		if err != nil {
			return err
		}
		_, err = m.handleWithStock(ctx, w, id, named, o.State.trackedSKUs(), func(o State, _ map[string]Stock) (decision, error) {
			return decide(o)
		}, o.State.Holders...)
		if !errors.Is(err, errUnnamed) {
			return err
		}
	}
}

// fulfil reads the refunds of the payment before the order decides. A later refund is concurrent with the fulfilment and counts
// as later.
func (m *Module) fulfil(ctx context.Context, w web.Write, o eventstore.Stream[State]) (eventstore.Receipt, error) {
	refunding, err := m.Payments.Refunding(ctx, o.State.PaymentID)
	if err != nil {
		return eventstore.Receipt{}, err
	}
	return m.handleWithStock(ctx, w, o.ID, "fulfil", o.State.trackedSKUs(), func(s State, stock map[string]Stock) (decision, error) {
		return decideFulfil(s, stock, o.ID, refunding)
	})
}

// commandOf returns a command with the id and metadata of a request.
func commandOf(w web.Write, named any) eventstore.Command {
	return eventstore.Command{
		ID: w.ID, Fingerprint: w.Fingerprint, Named: named, Subject: w.Caller.Subject, Operator: w.Caller.Operator(),
		Meta: eventstore.Meta{Actor: w.Actor, Correlation: w.Correlation},
	}
}

// handle decides on an order without its stock and its holders.
func (m *Module) handle(
	ctx context.Context, w web.Write, id uuid.UUID, cmd eventstore.Command, decide func(State) (decision, error),
) (eventstore.Receipt, error) {
	return orders.Handle(ctx, m.store, id, cmd, func(tx *eventstore.Tx, o eventstore.Stream[State]) ([]Event, error) {
		if err := tx.ExpectVersion(id, w.IfMatch); err != nil {
			return nil, err
		}
		d, err := decide(o.State)
		if len(d.holders) > 0 {
			return nil, errUnnamed
		}
		return d.order, err
	})
}

// errUnnamed asks for a retry: the order has stock or holders that the command does not name.
var errUnnamed = errors.New("the order has got stock or holders in the meantime")

// handleWithStock decides on an order, the stock of skus and the holders that it may leave, and writes all or none. The order's stream
// changes with the stock, so stock is reserved, released and fulfilled once.
func (m *Module) handleWithStock(ctx context.Context, w web.Write, id uuid.UUID, named any, skus []string,
	decide func(State, map[string]Stock) (decision, error), at ...uuid.UUID,
) (eventstore.Receipt, error) {
	cmd := commandOf(w, named)
	cmd.Streams = append([]eventstore.Ref{orders.Ref(id)}, web.Map(at, holders.Ref)...)
	for _, sku := range skus {
		cmd.Streams = append(cmd.Streams, stocks.Ref(stockID(sku)))
	}
	cmd.Decide = func(tx *eventstore.Tx) error {
		if err := tx.ExpectVersion(id, w.IfMatch); err != nil {
			return err
		}
		o := orders.Get(tx, id).State
		if slices.ContainsFunc(o.trackedSKUs(), func(sku string) bool { return !slices.Contains(skus, sku) }) {
			return errUnnamed
		}
		d, err := decide(o, trackedIn(tx, skus))
		switch {
		case err != nil:
			return err
		case len(d.holders) > 0 && !slices.Equal(sortedIDs(d.holders), at):
			return errUnnamed
		}
		d.append(tx, id)
		return nil
	}
	return m.store.Do(ctx, cmd)
}

// trackedIn returns the stocks that exist. A SKU without a stream is not tracked.
func trackedIn(tx *eventstore.Tx, skus []string) map[string]Stock {
	found := map[string]Stock{}
	for _, sku := range skus {
		if s := stocks.Get(tx, stockID(sku)); s.Exists() {
			found[sku] = s.State
		}
	}
	return found
}

// append writes the stock sorted by SKU and the holders sorted by id, so that the log has a fixed order.
func (d decision) append(tx *eventstore.Tx, id uuid.UUID) {
	orders.Append(tx, id, d.order...)
	if d.drops != uuid.Nil {
		tx.Exec(`delete from orders.contacts where id = $1`, d.drops)
	}
	for _, sku := range slices.Sorted(maps.Keys(d.stock)) {
		stocks.Append(tx, stockID(sku), d.stock[sku])
	}
	for _, holder := range sortedIDs(d.holders) {
		holders.Append(tx, holder, d.holders[holder])
	}
}

// skusOf returns the SKUs of lines, each once.
func skusOf(lines []Line) []string {
	return slices.Compact(slices.Sorted(slices.Values(web.Map(lines, func(l Line) string { return l.SKU }))))
}

// handleStock decides on the stock of one SKU, without an order.
func (m *Module) handleStock(
	ctx context.Context, w web.Write, sku string, note eventstore.Note, decide func(Stock) ([]StockEvent, error),
) (eventstore.Receipt, error) {
	id, cmd := stockID(sku), commandOf(w, "change")
	cmd.Note = note
	return stocks.Handle(ctx, m.store, id, cmd, func(tx *eventstore.Tx, s eventstore.Stream[Stock]) ([]StockEvent, error) {
		if err := tx.ExpectVersion(id, w.IfMatch); err != nil {
			return nil, err
		}
		if w.IfExists && !s.Exists() {
			return nil, tx.ExpectExisting(id)
		}
		return decide(s.State)
	})
}
