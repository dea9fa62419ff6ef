package order

import (
	"slices"

	"github.com/google/uuid"

	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// decision holds the events that are written together: of an order, of its stock by SKU, and of its holders.
type decision struct {
	order   []Event
	stock   map[string]StockEvent
	holders map[uuid.UUID]HolderEvent
	drops   uuid.UUID // a contact that no order needs; zero: none
}

// shortage is a SKU with less stock than an order requests.
type shortage struct {
	SKU       string `json:"sku"`
	Requested int64  `json:"requested"`
	Available int64  `json:"available"`
}

// decidePlace reserves everything or refuses. It never places an order with lines and adjustments that differ from its total.
// stock holds the tracked SKUs of the order.
func decidePlace(o State, stock map[string]Stock, cmd Place, number string) (decision, error) {
	switch o.Status {
	case StatusCancelled:
		return decision{}, errOrderCancelled
	case StatusPending, StatusConfirmed, StatusCancelling, StatusFulfilled:
		return decision{}, nil
	case statusNone:
	}
	if !addsUp(cmd.Lines, cmd.Adjustments, cmd.Total) {
		return decision{}, errDoesNotAddUp
	}
	placed := placedBy(cmd, stock, number)
	held := State{Lines: placed.Lines}.tracked()
	if short := shortages(placed.Lines, held, stock); len(short) > 0 {
		return decision{}, errOutOfStock.With("lines", short)
	}
	d := decision{order: []Event{placed}, stock: map[string]StockEvent{}}
	for sku, n := range held {
		d.stock[sku] = StockReserved{OrderID: cmd.OrderID, Quantity: n}
	}
	return d, nil
}

func placedBy(cmd Place, stock map[string]Stock, number string) Placed {
	lines := slices.Clone(cmd.Lines)
	for i, l := range lines {
		_, lines[i].Tracked = stock[l.SKU]
	}
	return Placed{
		Number: number, CheckoutID: cmd.CheckoutID, PaymentID: cmd.PaymentID, CartID: cmd.CartID,
		CustomerID: cmd.CustomerID, Currency: cmd.Currency, Lines: lines, Adjustments: slices.Clone(cmd.Adjustments),
		Total: cmd.Total, ContactID: cmd.ContactID,
	}
}

// shortages returns the missing SKUs in the order of the lines, each once.
func shortages(lines []Line, held map[string]int64, stock map[string]Stock) []shortage {
	var short []shortage
	for _, l := range lines {
		s := shortage{SKU: l.SKU, Requested: held[l.SKU], Available: stock[l.SKU].Available()}
		if l.Tracked && s.Requested > s.Available && !slices.Contains(short, s) {
			short = append(short, s)
		}
	}
	return short
}

func decideConfirm(o State, id uuid.UUID) (decision, error) {
	switch o.Status {
	case statusNone:
		return decision{}, errNotFound
	case StatusCancelled:
		return decision{}, errOrderCancelled
	case StatusConfirmed, StatusCancelling, StatusFulfilled:
		return decision{}, nil
	case StatusPending:
	}
	return decision{order: []Event{Confirmed{Currency: o.Currency, Total: o.Total}}, holders: o.leave(id)}, nil
}

// decideCancel leaves a tombstone if there is no order, because a Place that was sent earlier and arrives later must not win.
func decideCancel(o State, cmd Cancel) (decision, error) {
	switch o.Status {
	case StatusCancelled:
		return decision{}, nil
	case StatusConfirmed, StatusCancelling:
		return decision{}, errOrderConfirmed
	case StatusFulfilled:
		return decision{}, errAlreadyFulfilled
	case statusNone, StatusPending:
	}
	d := cancelled(o, cmd.OrderID, cmd.Reason)
	if d.drops = o.ContactID; d.drops == uuid.Nil {
		d.drops = cmd.ContactID
	}
	return d, nil
}

// decideRequestCancellation decides between cancelling and fulfilling.
func decideRequestCancellation(o State, cmd RequestCancellation) (decision, error) {
	switch o.Status {
	case statusNone:
		return decision{}, errNotFound
	case StatusPending:
		return decision{}, errCheckoutRunning
	case StatusFulfilled:
		return decision{}, errAlreadyFulfilled
	case StatusCancelling, StatusCancelled:
		return decision{}, nil
	case StatusConfirmed:
	}
	switch {
	case cmd.Running:
		return decision{}, errCheckoutRunning
	case cmd.Limit > 0 && o.Total > cmd.Limit:
		return decision{}, errRefundLimit
	}
	return decision{order: []Event{CancellationRequested{
		CancellationID: cancellationID(cmd.OrderID), CheckoutID: o.CheckoutID, PaymentID: o.PaymentID, CustomerID: o.CustomerID,
		Currency: o.Currency, Total: o.Total, Reason: cmd.Reason, By: cmd.By,
	}}}, nil
}

// cancellationID derives the id from the order, since an order is cancelled once.
func cancellationID(order uuid.UUID) uuid.UUID { return uuid.NewSHA1(order, []byte("cancellation")) }

func decideEndCancellation(o State, id uuid.UUID) (decision, error) {
	switch o.Status {
	case StatusCancelled:
		return decision{}, nil
	case statusNone, StatusPending, StatusConfirmed, StatusFulfilled:
		return decision{}, errNotCancelling
	case StatusCancelling:
	}
	return cancelled(o, id, o.Reason), nil
}

// cancelled ends an order and releases its stock.
func cancelled(o State, id uuid.UUID, reason string) decision {
	d := decision{order: []Event{Cancelled{Reason: reason}}, stock: map[string]StockEvent{}, holders: o.leave(id)}
	for sku, n := range o.tracked() {
		d.stock[sku] = StockReleased{OrderID: id, Quantity: n}
	}
	return d
}

// decideRecordRefund counts each refund once. A cancelled order already counts all of them.
func decideRecordRefund(o State, cmd RecordRefund) (decision, error) {
	switch {
	case !o.placed():
		return decision{}, errNotFound
	case o.Status == StatusCancelled, slices.Contains(o.Refunds, cmd.RefundID):
		return decision{}, nil
	}
	if o.Status == StatusCancelling { // the provider may report money that an operator reported before
		cmd.Amount = min(cmd.Amount, o.Total-o.Refunded)
		if cmd.Amount <= 0 {
			return decision{}, nil
		}
	}
	return decision{order: []Event{Refunded{RefundID: cmd.RefundID, Amount: cmd.Amount}}}, nil
}

// decideFulfil refuses an order that was fully refunded. The order counts a refund only after the provider has made it, so
// decideFulfil also compares refunding: all refunds of the payment in minor units, with those in progress.
func decideFulfil(o State, stock map[string]Stock, id uuid.UUID, refunding int64) (decision, error) {
	switch o.Status {
	case statusNone:
		return decision{}, errNotFound
	case StatusPending:
		return decision{}, errNotConfirmed
	case StatusCancelling:
		return decision{}, errCancelling
	case StatusCancelled:
		return decision{}, errOrderCancelled
	case StatusFulfilled:
		return decision{}, errAlreadyFulfilled
	case StatusConfirmed:
	}
	switch {
	case o.fullyRefunded():
		return decision{}, errOrderRefunded
	case o.Total > 0 && refunding >= o.Total:
		return decision{}, errOrderRefunded.Detailf("This order is being fully refunded.")
	}
	if short := notOnHand(o, stock); len(short) > 0 {
		return decision{}, errStockShort.Detailf("The stock has too few of '%s' on hand for this order. "+
			"Adjust the stock if they were found, or cancel the order.", short[0].SKU).With("lines", short)
	}
	d := decision{order: []Event{Fulfilled{}}, stock: map[string]StockEvent{}}
	for sku, n := range o.tracked() {
		d.stock[sku] = StockFulfilled{OrderID: id, Quantity: n}
	}
	return d, nil
}

// notOnHand returns the SKUs of an order with fewer units on hand than it holds, after a recorded loss.
func notOnHand(o State, stock map[string]Stock) (short []shortage) {
	held := o.tracked()
	for _, sku := range o.trackedSKUs() {
		if have := stock[sku].OnHand; have < held[sku] {
			short = append(short, shortage{SKU: sku, Requested: held[sku], Available: have})
		}
	}
	return short
}

// decideSetOnHand refuses a count below the reserved units. A loss must be recorded as an adjustment, with a reason. An unchanged
// count appends no event.
func decideSetOnHand(s Stock, sku string, onHand int64) ([]StockEvent, error) {
	switch {
	case !s.tracked() && !web.ValidSKU(sku):
		return nil, web.ErrSKU
	case s.tracked() && onHand == s.OnHand:
		return nil, nil
	case onHand < s.Reserved && onHand < s.OnHand:
		return nil, errBelowReserved.Detailf("%d units are reserved for orders, so the count cannot be %d. Record a loss as an adjustment.", s.Reserved, onHand).
			With("reserved", s.Reserved)
	}
	return []StockEvent{StockCounted{SKU: sku, OnHand: onHand}}, nil
}

// decideAdjust lets a loss go below the reserved units, since the goods are gone in any case. The stock is short then.
func decideAdjust(s Stock, e StockAdjusted) ([]StockEvent, error) {
	switch {
	case !s.tracked():
		return nil, errStockUnknown
	case s.OnHand+e.Delta < 0:
		return nil, errBelowZero.Detailf("Only %d units are on hand, so %d cannot be removed.", s.OnHand, -e.Delta).With("on_hand", s.OnHand)
	case e.Delta > money.Max-s.OnHand:
		return nil, errAboveMost
	}
	return []StockEvent{e}, nil
}

// addsUp reports whether a total is the sum of lines and adjustments, and not below 0. Adjustments cannot overflow: a cart has at
// most a hundred, each within ±money.Max.
func addsUp(lines []Line, adjustments []Adjustment, total int64) bool {
	var sum int64
	for _, l := range lines {
		price, err := money.Times(l.UnitPrice, l.Quantity)
		if err == nil {
			sum, err = money.Add(sum, price)
		}
		if err != nil {
			return false
		}
	}
	for _, a := range adjustments {
		sum += a.Amount
	}
	return sum == total && total >= 0
}
