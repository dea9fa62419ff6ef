package order

import (
	"context"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// Standing is an order, for whoever compares the books of all modules.
type Standing struct {
	ID         uuid.UUID
	CheckoutID uuid.UUID
	PaymentID  uuid.UUID
	CartID     uuid.UUID
	CustomerID string
	Placed     bool // false: never placed, a tombstone at most
	Pending    bool
	Sold       bool // confirmed or fulfilled: it is owed, and paid for
	Cancelling bool
	Cancelled  bool
	Refunded   int64       // of the total, minor units
	Refunds    []uuid.UUID // those that Refunded counts

	CancellationID uuid.UUID // of the saga that cancels it after it was sold; zero for none
	Reason         string    // of that
	Total          int64     // minor units
	AddsUp         bool      // the total is the sum of lines and adjustments, and not below 0
	Currency       string
	UpdatedAt      time.Time
}

// Book reads all orders.
func (m *Module) Book() eventstore.Query[Standing] {
	return eventstore.NewQuery(m.store, orders, func(o eventstore.Stream[State]) Standing {
		s := o.State
		return Standing{
			ID: o.ID, CheckoutID: s.CheckoutID, PaymentID: s.PaymentID, CartID: s.CartID, CustomerID: s.CustomerID, Placed: s.placed(),
			Pending: s.Status == StatusPending, Sold: s.Status == StatusConfirmed || s.Status == StatusFulfilled,
			Cancelling: s.Status == StatusCancelling, Cancelled: s.Status == StatusCancelled, Refunded: s.Refunded, Refunds: s.Refunds,
			CancellationID: s.CancellationID, Reason: s.Reason, Total: s.Total, AddsUp: addsUp(s.Lines, s.Adjustments, s.Total),
			Currency: s.Currency, UpdatedAt: o.UpdatedAt,
		}
	})
}

// Holding is the stock of one SKU beside what orders hold of it, at one moment.
type Holding struct {
	StockID  uuid.UUID
	SKU      string
	Tracked  bool // false: orders hold what has no stock
	OnHand   int64
	Reserved int64
	Short    int64 // of those reserved: missing after a recorded loss
	Held     int64 // by the tracked lines of orders that are neither fulfilled nor cancelled
}

// Holdings calls each with the stock of every SKU that is tracked, or held. Orders and stock change together, so they are
// read at one moment: what differs there is wrong, however busy the shop is.
func (m *Module) Holdings(ctx context.Context, each func(Holding)) error {
	held := map[string]int64{} // a number a SKU, however many orders there are
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
			each(Holding{StockID: s.ID, SKU: st.SKU, Tracked: true, OnHand: st.OnHand, Reserved: st.Reserved, Short: st.Short, Held: held[st.SKU]})
			delete(held, st.SKU)
		})
		if err != nil {
			return err
		}
		for sku, n := range held {
			each(Holding{StockID: stockID(sku), SKU: sku, Held: n})
		}
		return nil
	})
}
