package order

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/pgerr"
	"shopping-cart/platform/web"
)

// Handle executes a command of a saga. id makes it idempotent. correlation is the id of the checkout and is stored with its
// events. A repetition under another id changes nothing and returns no error.
func (m *Module) Handle(ctx context.Context, id, correlation uuid.UUID, cmd Command) error {
	for n := 0; ; n++ {
		if c, ok := cmd.(Confirm); ok && n > 0 {
			c.Held = true
			cmd = c
		}
		link, err := m.Link(ctx, id, correlation, cmd)
		if err != nil {
			return err
		}
		err = eventstore.Chain(ctx, link)[0].Err
		again := errors.Is(err, errUnnamed) || // at most twice, because an order gets its stock and its holders once
			n < draws && pgerr.Violates(err, "streams_key") // the number is taken, and nothing was written
		if !again {
			m.countWaiting(err)
			return err
		}
	}
}

// Link returns the command of Handle for a chain. It names the stock and the holders that the order has now; if these change before the
// decision, Handle has to repeat it.
//
// It is harmless. An order is placed, held, confirmed and cancelled once, by its status; a tombstone refuses a Place that comes after a Cancel;
// and an order counts each refund once, by its id.
func (m *Module) Link(ctx context.Context, id, correlation uuid.UUID, cmd Command) (eventstore.Link, error) {
	by := commandOf(web.Write{ID: id, Actor: "saga", Correlation: correlation}, cmd)
	by.Harmless = true
	var err error
	switch c := cmd.(type) {
	case Place:
		by = m.placing(by, c)
	case Hold:
		by = m.holding(by, c)
	case Confirm:
		by, err = m.releasing(ctx, by, c.OrderID, c.Held, func(o State) (decision, error) { return decideConfirm(o, c.OrderID) })
	case Cancel:
		by, err = m.releasing(ctx, by, c.OrderID, true, func(o State) (decision, error) { return decideCancel(o, c) })
	case RecordRefund:
		by = commandOn(c.OrderID, by, nil, func(o State) (decision, error) { return decideRecordRefund(o, c) })
	case EndCancellation:
		by, err = m.releasing(ctx, by, c.OrderID, true, func(o State) (decision, error) { return decideEndCancellation(o, c.OrderID) })
	}
	return eventstore.Link{Store: m.store, Command: by}, err
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

// placing returns the command that places an order. It names the stock of every SKU, because only the decision knows the tracked SKUs. It draws a
// number for the order.
func (m *Module) placing(by eventstore.Command, c Place) eventstore.Command {
	number := withCheckDigit(m.DrawNumber())
	return commandWithStock(c.OrderID, by, nil, skusOf(c.Lines), nil, func(o State, stock map[string]Stock) (decision, error) {
		return decidePlace(o, stock, c, number)
	})
}

// releasing names the stock and the holders of an order if it has some.
func (m *Module) releasing(
	ctx context.Context, by eventstore.Command, id uuid.UUID, has bool, decide func(State) (decision, error),
) (eventstore.Command, error) {
	if !has {
		return commandOn(id, by, nil, decide), nil
	}
	o, err := orders.Load(ctx, m.store, id)
	return commandWithStock(id, by, nil, o.State.trackedSKUs(), o.State.Holders, func(o State, _ map[string]Stock) (decision, error) {
		return decide(o)
	}), err
}

// fulfil reads the refunds of the payment before the order decides. A later refund is concurrent with the fulfilment and counts
// as later.
func (m *Module) fulfil(ctx context.Context, w web.Write, o eventstore.Stream[State]) (eventstore.Receipt, error) {
	refunding, err := m.Payments.Refunding(ctx, o.State.PaymentID)
	if err != nil {
		return eventstore.Receipt{}, err
	}
	return m.store.Do(ctx, commandWithStock(o.ID, commandOf(w, "fulfil"), w.IfMatch, o.State.trackedSKUs(), nil,
		func(s State, stock map[string]Stock) (decision, error) {
			return decideFulfil(s, stock, o.ID, refunding)
		}))
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
	return m.store.Do(ctx, commandOn(id, cmd, w.IfMatch, decide))
}

// commandOn returns a command on an order without its stock and its holders.
func commandOn(id uuid.UUID, cmd eventstore.Command, version *int64, decide func(State) (decision, error)) eventstore.Command {
	return orders.Command(id, cmd, func(tx *eventstore.Tx, o eventstore.Stream[State]) ([]Event, error) {
		if err := tx.ExpectVersion(id, version); err != nil {
			return nil, err
		}
		d, err := decide(o.State)
		if len(d.holders)+len(d.stock) > 0 {
			return nil, errUnnamed
		}
		return d.order, err
	})
}

// errUnnamed asks for a retry: the order has stock or holders that the command does not name.
var errUnnamed = errors.New("the order has got stock or holders in the meantime")

// commandWithStock returns a command on an order, the stock of skus and the holders that it may leave, which writes all or none. The order's
// stream changes with the stock, so stock is reserved, released and fulfilled once.
func commandWithStock(id uuid.UUID, cmd eventstore.Command, version *int64, skus []string, at []uuid.UUID,
	decide func(State, map[string]Stock) (decision, error),
) eventstore.Command {
	cmd.Streams = append([]eventstore.Ref{orders.Ref(id)}, web.Map(at, holders.Ref)...)
	for _, sku := range skus {
		cmd.Streams = append(cmd.Streams, stocks.Ref(stockID(sku)))
	}
	cmd.Decide = func(tx *eventstore.Tx) error {
		if err := tx.ExpectVersion(id, version); err != nil {
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
	return cmd
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
