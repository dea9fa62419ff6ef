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

// sender holds the id, metadata and preconditions of a command.
type sender struct {
	id          uuid.UUID
	fingerprint []byte
	meta        eventstore.Meta
	match       *int64 // nil: any version
	exists      bool   // true: the stream must exist
}

func metaOfSaga(correlation uuid.UUID) eventstore.Meta {
	return eventstore.Meta{Actor: "saga", Correlation: correlation}
}

func senderOf(w web.Write) sender {
	return sender{
		id: w.ID, fingerprint: w.Fingerprint, match: w.IfMatch, exists: w.IfExists,
		meta: eventstore.Meta{Actor: w.Actor, Correlation: w.Correlation, Trace: w.Trace},
	}
}

func (by sender) command() eventstore.Command {
	return eventstore.Command{ID: by.id, Fingerprint: by.fingerprint, Meta: by.meta}
}

// place names the stock of every SKU, since only the decision knows which are tracked. If the drawn number is taken, nothing was
// written and it draws another.
func (m *Module) place(ctx context.Context, by sender, cmd Place) (err error) {
	for range draws {
		number := withCheckDigit(m.drawNumber())
		_, err = m.change(ctx, by, cmd.OrderID, skusOf(cmd.Lines), func(o State, stock map[string]Stock) (decision, error) {
			return decidePlace(o, stock, cmd, number)
		})
		if !pgerr.Violates(err, "streams_key") {
			return err
		}
	}
	return fmt.Errorf("number order %s: %w", cmd.OrderID, err)
}

func (m *Module) confirm(ctx context.Context, by sender, cmd Confirm) error {
	_, err := m.changeAlone(ctx, by, cmd.OrderID, decideConfirm)
	return err
}

// cancel must name the stock that the order holds before the decision. If the order appears in between, it loads the order again.
// That happens at most once, because the lines of an order never change.
func (m *Module) cancel(ctx context.Context, by sender, cmd Cancel) error {
	for {
		o, err := orders.Load(ctx, m.store, cmd.OrderID)
		if err != nil {
			return err
		}
		_, err = m.change(ctx, by, cmd.OrderID, o.State.trackedSKUs(), func(o State, _ map[string]Stock) (decision, error) {
			return decideCancel(o, cmd)
		})
		if !errors.Is(err, errStockUnnamed) {
			return err
		}
	}
}

// fulfil reads the refunds of the payment before the order decides. A later refund is concurrent with the fulfilment and counts
// as later.
func (m *Module) fulfil(ctx context.Context, by sender, o eventstore.Stream[State]) (eventstore.Receipt, error) {
	refunding, err := m.payments.Refunding(ctx, o.State.PaymentID)
	if err != nil {
		return eventstore.Receipt{}, err
	}
	return m.change(ctx, by, o.ID, o.State.trackedSKUs(), func(s State, stock map[string]Stock) (decision, error) {
		return decideFulfil(s, stock, fulfil{OrderID: o.ID, Refunding: refunding})
	})
}

func (m *Module) count(ctx context.Context, by sender, sku string, onHand int64) (eventstore.Receipt, error) {
	return m.changeStock(ctx, by, sku, func(s Stock, tracked bool) ([]StockEvent, error) { return decideCount(s, tracked, sku, onHand) })
}

func (m *Module) adjust(ctx context.Context, by sender, sku string, e StockAdjusted) (eventstore.Receipt, error) {
	return m.changeStock(ctx, by, sku, func(s Stock, tracked bool) ([]StockEvent, error) { return decideAdjust(s, tracked, e) })
}

// changeStock decides on the stock of one SKU, without an order.
func (m *Module) changeStock(
	ctx context.Context, by sender, sku string, decide func(s Stock, tracked bool) ([]StockEvent, error),
) (eventstore.Receipt, error) {
	id := stockID(sku)
	return stocks.Handle(ctx, m.store, id, by.command(), func(tx *eventstore.Tx, s eventstore.Stream[Stock]) ([]StockEvent, error) {
		if err := tx.ExpectVersion(id, by.match); err != nil {
			return nil, err
		}
		if by.exists && !s.Exists() {
			return nil, tx.ExpectExisting(id)
		}
		return decide(s.State, s.Exists())
	})
}

// errStockUnnamed asks for a retry: the order was placed in the meantime and holds stock that the command does not name.
var errStockUnnamed = errors.New("the order was placed in the meantime")

// change decides on an order and the stock of skus, and writes both or neither. The order's stream changes with the stock, so
// stock is reserved, released and fulfilled once.
func (m *Module) change(ctx context.Context, by sender, id uuid.UUID, skus []string,
	decide func(State, map[string]Stock) (decision, error),
) (eventstore.Receipt, error) {
	cmd := by.command()
	cmd.Streams = refs(id, skus)
	cmd.Decide = func(tx *eventstore.Tx) error {
		if err := tx.ExpectVersion(id, by.match); err != nil {
			return err
		}
		o := orders.Get(tx, id).State
		for _, sku := range o.trackedSKUs() {
			if !slices.Contains(skus, sku) {
				return errStockUnnamed
			}
		}
		d, err := decide(o, trackedIn(tx, skus))
		if err == nil {
			d.append(tx, id)
		}
		return err
	}
	return m.store.Do(ctx, cmd)
}

func refs(order uuid.UUID, skus []string) []eventstore.Ref {
	all := []eventstore.Ref{orders.Ref(order)}
	for _, sku := range skus {
		all = append(all, stocks.Ref(stockID(sku)))
	}
	return all
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

// append writes the stock sorted by SKU, so that the log has a fixed order.
func (d decision) append(tx *eventstore.Tx, id uuid.UUID) {
	orders.Append(tx, id, d.order...)
	for _, sku := range slices.Sorted(maps.Keys(d.stock)) {
		stocks.Append(tx, stockID(sku), d.stock[sku])
	}
}

// skusOf returns the SKUs of lines, each once.
func skusOf(lines []Line) []string {
	seen := map[string]bool{}
	for _, l := range lines {
		seen[l.SKU] = true
	}
	return slices.Sorted(maps.Keys(seen))
}
