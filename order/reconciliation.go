package order

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Record is an order, for reconciliation across modules.
type Record struct {
	ID         uuid.UUID
	CheckoutID uuid.UUID
	PaymentID  uuid.UUID
	CartID     uuid.UUID
	CustomerID string
	Placed     bool // false: only a tombstone
	Pending    bool
	Sold       bool // confirmed or fulfilled: paid, and owed to the customer
	Cancelling bool
	Cancelled  bool
	Refunded   int64       // of the total, minor units
	Refunds    []uuid.UUID // the refunds in Refunded

	CancellationID uuid.UUID // of the saga that cancels it after its confirmation; zero for none
	Reason         string    // of the cancellation
	Total          int64     // minor units
	AddsUp         bool      // the total is the sum of lines and adjustments, and not below 0
	Currency       string
	UpdatedAt      time.Time
}

// Records reads all orders.
func (m *Module) Records() eventstore.Query[Record] {
	return eventstore.NewQuery(m.store, orders, func(o eventstore.Stream[State]) Record {
		s := o.State
		return Record{
			ID: o.ID, CheckoutID: s.CheckoutID, PaymentID: s.PaymentID, CartID: s.CartID, CustomerID: s.CustomerID, Placed: s.placed(),
			Pending: s.Status == StatusPending, Sold: s.Status == StatusConfirmed || s.Status == StatusFulfilled,
			Cancelling: s.Status == StatusCancelling, Cancelled: s.Status == StatusCancelled, Refunded: s.Refunded, Refunds: s.Refunds,
			CancellationID: s.CancellationID, Reason: s.Reason, Total: s.Total, AddsUp: addsUp(s.Lines, s.Adjustments, s.Total),
			Currency: s.Currency, UpdatedAt: o.UpdatedAt,
		}
	})
}

// StockLevel is the stock of one SKU and the units that orders hold of it, at one moment.
type StockLevel struct {
	StockID  uuid.UUID
	SKU      string
	Tracked  bool // false: orders hold it, but it has no stock
	OnHand   int64
	Reserved int64
	Short    int64 // reserved units that are missing after a recorded loss
	Held     int64 // by the tracked lines of orders that are neither fulfilled nor cancelled
}

// StockLevels calls each with the stock of every SKU that is tracked or held. Orders and stock change together, so they are read in
// one snapshot. A difference is an error even under load.
func (m *Module) StockLevels(ctx context.Context, each func(StockLevel)) error {
	held := map[string]int64{} // one number per SKU, regardless of the number of orders
	return m.store.ReadAt(ctx, func(at eventstore.ReadTx) error {
		err := orders.ForEach(ctx, at, func(o eventstore.Stream[State]) {
			for sku, n := range o.State.tracked() {
				held[sku] += n
			}
		}, string(StatusPending), string(StatusConfirmed), string(StatusCancelling))
		if err != nil {
			return err
		}
		err = stocks.ForEach(ctx, at, func(s eventstore.Stream[Stock]) {
			st := s.State
			each(StockLevel{StockID: s.ID, SKU: st.SKU, Tracked: true, OnHand: st.OnHand, Reserved: st.Reserved, Short: st.Short, Held: held[st.SKU]})
			delete(held, st.SKU)
		})
		if err != nil {
			return err
		}
		for sku, n := range held {
			each(StockLevel{StockID: stockID(sku), SKU: sku, Held: n})
		}
		return nil
	})
}

// HolderLevel compares a holder with the orders at one moment.
type HolderLevel struct {
	HolderID uuid.UUID
	Entered  int // orders that it holds and that wait
	Stale    int // orders that it holds and that do not wait
	Missing  int // orders that wait and that it does not hold
}

// HolderLevels calls each with every holder that holds orders or should hold some. Orders and holders change together, so they are read in
// one snapshot.
func (m *Module) HolderLevels(ctx context.Context, each func(HolderLevel)) error {
	waiting := map[uuid.UUID]map[uuid.UUID]bool{} // by holder and order
	return m.store.ReadAt(ctx, func(at eventstore.ReadTx) error {
		err := orders.ForEach(ctx, at, func(o eventstore.Stream[State]) {
			for _, holder := range o.State.Holders {
				if waiting[holder] == nil {
					waiting[holder] = map[uuid.UUID]bool{}
				}
				waiting[holder][o.ID] = true
			}
		}, string(StatusPending))
		if err != nil {
			return err
		}
		err = holders.ForEach(ctx, at, func(h eventstore.Stream[Holder]) {
			each(levelOf(h.ID, h.State, waiting[h.ID]))
			delete(waiting, h.ID)
		})
		if err != nil {
			return err
		}
		for id, orders := range waiting {
			each(levelOf(id, Holder{}, orders))
		}
		return nil
	})
}

func levelOf(id uuid.UUID, h Holder, waiting map[uuid.UUID]bool) HolderLevel {
	level := HolderLevel{HolderID: id}
	for order := range h.Waiting {
		if waiting[order] {
			level.Entered++
		} else {
			level.Stale++
		}
	}
	level.Missing = len(waiting) - level.Entered
	return level
}
