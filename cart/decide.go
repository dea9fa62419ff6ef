package cart

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// The limits of one cart.
const (
	MaxLines       = 1000
	MaxQuantity    = 9999 // of a line
	MaxAdjustments = 100
	MaxCheckouts   = 500 // that may begin: each that fails adds two events
)

// errStaleProducts asks for a retry: the lines changed after their products were read, so both must be read again.
var errStaleProducts = errors.New("the lines changed after their products were read")

// decide returns the events of a command on one cart, no events when it changes nothing, or the fault that refuses it.
func decide(s State, c command, prices priceBook) ([]Event, error) {
	switch c := c.(type) {
	case create:
		return []Event{Created(c)}, nil
	case Reopen:
		return s.endCheckout(c.CheckoutID, Reopened{CheckoutID: c.CheckoutID, Code: c.Code, Detail: c.Detail, FailedAt: c.FailedAt}), nil
	case Complete:
		return s.endCheckout(c.CheckoutID, Completed{CheckoutID: c.CheckoutID, OrderID: c.OrderID}), nil
	case expire:
		return decideExpire(s, c), nil
	case abandon:
		if s.Status == StatusAbandoned {
			return nil, nil
		}
	case addItem, setQuantity, removeItem, clearItems, reprice, setAdjustments, CheckOut:
	}
	if err := s.editable(); err != nil {
		return nil, err
	}
	return decideOpen(s, c, prices)
}

// checkWear refuses events that edit a cart with maxEvents events or more (0: unlimited), so that no cart grows without end. A worn-out
// cart can still be checked out, merged into another and abandoned.
func checkWear(version, maxEvents int64, events ...Event) error {
	if maxEvents == 0 || version < maxEvents || !slices.ContainsFunc(events, edits) {
		return nil
	}
	return errCartWornOut.With("limit", maxEvents)
}

// edits reports whether an event edits an open cart.
func edits(e Event) bool {
	switch e.(type) {
	case ItemAdded, QuantityChanged, ItemRemoved, ItemsCleared, Repriced, AdjustmentsSet, MergedIn:
		return true
	case Created, CheckedOut, Reopened, Completed, MergedAway, Abandoned:
	}
	return false
}

// decideOpen decides the commands that only an open cart accepts.
func decideOpen(s State, c command, prices priceBook) ([]Event, error) {
	switch c := c.(type) {
	case addItem:
		return decideAddItem(s, c, prices)
	case setQuantity:
		return decideSetQuantity(s, c)
	case removeItem:
		if s.line(c.SKU) < 0 {
			return nil, errNoSuchLine
		}
		return []Event{ItemRemoved(c)}, nil
	case clearItems:
		if len(s.Lines) == 0 {
			return nil, nil
		}
		return []Event{ItemsCleared{}}, nil
	case reprice:
		return decideReprice(s, prices)
	case setAdjustments:
		return decideSetAdjustments(s, c)
	case CheckOut:
		return decideCheckOut(s, c, prices)
	case abandon:
		return []Event{Abandoned{}}, nil
	case create, Reopen, Complete, expire:
	}
	return nil, nil
}

// editable refuses a cart that is not open, and names the checkout that closed it.
func (s State) editable() error {
	switch s.Status {
	case StatusOpen:
		return nil
	case StatusCheckingOut:
		return errCartClosed.Detailf("This cart is being checked out.").With("checkout_id", s.CheckoutID)
	case StatusCheckedOut:
		return errCartClosed.Detailf("This cart has become an order.").With("checkout_id", s.CheckoutID)
	case StatusMerged:
		return errCartClosed.Detailf("This cart was merged into another.")
	case StatusAbandoned:
		return errCartClosed.Detailf("This cart was abandoned.")
	}
	return errCartClosed
}

// explainMismatch adds the status and checkout of a closed cart to a version mismatch. Without them a shopper who clicked twice
// would be told to read a cart again that is already paid. A cart that does not exist yet is not closed.
func (s State) explainMismatch(mismatch error) error {
	closed, is := fault.As(s.editable())
	f, ok := fault.As(mismatch)
	if !is || !ok || s.Status == "" {
		return mismatch
	}
	f = f.Detailf("%s Its version differs from the one in If-Match.", closed.Detail).With("cart_status", s.Status)
	if id, has := closed.Extra["checkout_id"]; has {
		f = f.With("checkout_id", id)
	}
	return f
}

// checkTotals returns e, or a fault if e raises an amount of the cart above money.Max.
func (s State) checkTotals(e Event) ([]Event, error) {
	s = evolve(s, e)
	var sum int64
	for _, l := range s.Lines {
		total, tooLarge := money.Times(l.UnitPrice, l.Quantity)
		if tooLarge == nil {
			sum, tooLarge = money.Add(sum, total)
		}
		if tooLarge != nil {
			return nil, errAmountTooLarge.Detailf("With '%s' the total of the cart is above 9007199254740991 minor units.", l.SKU).With("sku", l.SKU)
		}
	}
	if sum+adjustmentsTotal(s.Adjustments) > money.Max {
		return nil, errAmountTooLarge
	}
	return []Event{e}, nil
}

func errQuantity(sku string, sum int64) error {
	return web.Refused("quantity", "max", fmt.Sprintf("A line holds at most %d units, and '%s' would have %d.", MaxQuantity, sku, sum)).
		With("sku", sku).With("limit", MaxQuantity)
}

func errMethodRequired() error {
	return web.Refused("payment_method", "required", "It is required because the total is above zero.")
}

// decideAddItem gives a new line the current price. An existing line keeps its price and name.
func decideAddItem(s State, c addItem, prices priceBook) ([]Event, error) {
	p := prices[c.SKU]
	switch {
	case !p.known():
		return nil, errUnknownProduct
	case !p.Active:
		return nil, errProductInactive
	case p.Price.Currency != s.Currency:
		return nil, errCurrencyMismatch.Detailf("%s is sold in %s, this cart is in %s.", quoted(c.SKU), p.Price.Currency, s.Currency).
			With("skus", []string{c.SKU})
	}
	added, err := s.mergeLine(Line{SKU: c.SKU, Name: p.Name, Quantity: c.Quantity, UnitPrice: p.Price.Amount})
	if err != nil {
		return nil, err
	}
	return s.checkTotals(ItemAdded{added})
}

// mergeLine gives added the name and price of an existing line, and checks the limits of the cart and of the line.
func (s State) mergeLine(added Line) (Line, error) {
	held := int64(0)
	if i := s.line(added.SKU); i >= 0 {
		there := s.Lines[i]
		added.Name, added.UnitPrice, held = there.Name, there.UnitPrice, there.Quantity
	} else if len(s.Lines) >= MaxLines {
		return Line{}, errTooManyLines.Detailf("A cart holds at most %d lines, so '%s' cannot be added.", MaxLines, added.SKU).
			With("sku", added.SKU).With("limit", MaxLines)
	}
	if sum := held + added.Quantity; sum > MaxQuantity {
		return Line{}, errQuantity(added.SKU, sum)
	}
	return added, nil
}

func decideSetQuantity(s State, c setQuantity) ([]Event, error) {
	i := s.line(c.SKU)
	if i < 0 {
		return nil, errNoSuchLine
	}
	if s.Lines[i].Quantity == c.Quantity {
		return nil, nil
	}
	return s.checkTotals(QuantityChanged(c))
}

// decideReprice skips a product that is not sold: it has no current price, and the checkout refuses it by name. It refuses a
// product that is now sold in another currency, since repricing cannot make such a cart ready for checkout.
func decideReprice(s State, prices priceBook) ([]Event, error) {
	d, err := s.differences(prices)
	switch {
	case err != nil:
		return nil, err
	case len(d.foreign) > 0:
		return nil, errForeign(d.foreign, s.Currency)
	case len(d.moved) == 0:
		return nil, nil
	}
	changes := web.Map(d.moved, func(l PriceMismatch) PriceChange {
		return PriceChange{SKU: l.SKU, Was: l.Was.Amount, Now: l.Now.Amount}
	})
	return s.checkTotals(Repriced{Prices: changes})
}

// decideSetAdjustments refuses a discount larger than the lines. The adjustments hold for the current lines. When those change,
// the adjustments become stale, and setting the same list again appends an event.
func decideSetAdjustments(s State, c setAdjustments) ([]Event, error) {
	list := make([]Adjustment, len(c.Adjustments))
	for i, a := range c.Adjustments {
		if a.Amount.Currency != s.Currency {
			return nil, errCurrencyMismatch.Detailf("The adjustment %s is in %s, this cart is in %s.", quoted(a.Code), a.Amount.Currency, s.Currency)
		}
		list[i] = Adjustment{Code: a.Code, Label: a.Label, Amount: a.Amount.Amount}
	}
	if linesTotal(s.Lines)+adjustmentsTotal(list) < 0 {
		return nil, errNegativeTotal
	}
	if slices.Equal(list, s.Adjustments) && !s.adjustmentsStale() {
		return nil, nil
	}
	return s.checkTotals(AdjustmentsSet{Adjustments: list})
}

// decideCheckOut seals the cart, so that the shopper pays the total they saw.
func decideCheckOut(s State, c CheckOut, prices priceBook) ([]Event, error) {
	if len(s.Lines) == 0 {
		return nil, errCartEmpty
	}
	if err := s.checkPrices(prices); err != nil {
		return nil, err
	}
	total := s.sum()
	switch {
	case s.Attempt >= MaxCheckouts:
		return nil, errCartWornOut.Detailf("The checkout of this cart failed too often. Put its items into a new cart.").With("limit", MaxCheckouts)
	case s.adjustmentsStale():
		return nil, errAdjustmentsStale
	case total < 0:
		return nil, errNegativeTotal
	case total > 0 && c.PaymentMethod == "":
		return nil, errMethodRequired()
	case total > 0 && c.Payments != nil:
		if err := cmp.Or(c.Payments.Chargeable(money.Of(total, s.Currency)), c.Payments.Permits(s.CustomerID, c.source, c.Caller.Guest)); err != nil {
			return nil, err
		}
	}
	return []Event{s.sealedBy(c)}, nil
}

// sealedBy returns the event by which a command seals the cart.
func (s State) sealedBy(c CheckOut) CheckedOut {
	attempt := s.Attempt + 1
	return CheckedOut{
		CheckoutID: derivedID(c.CartID, attempt, "checkout"), OrderID: derivedID(c.CartID, attempt, "order"),
		PaymentID: derivedID(c.CartID, attempt, "payment"), Attempt: attempt, CartID: c.CartID,
		CustomerID: s.CustomerID, Currency: s.Currency, Lines: slices.Clone(s.Lines),
		Adjustments: append([]Adjustment{}, s.Adjustments...), Total: s.sum(),
		PaymentMethod: c.PaymentMethod, ContactID: c.ContactID, Source: c.source, Guest: c.Caller.Guest,
	}
}

// endCheckout returns the event that ends a checkout. It returns none if another checkout is running, or none: the command is late.
func (s State) endCheckout(id uuid.UUID, end Event) []Event {
	if s.Status != StatusCheckingOut || s.CheckoutID != id {
		return nil
	}
	return []Event{end}
}

// decideExpire ignores a cart that was touched in the meantime or is in checkout.
func decideExpire(s State, c expire) []Event {
	if s.Status != StatusOpen || c.Untouched < c.TTL {
		return nil
	}
	return []Event{Abandoned{}}
}

// decideMerge adds the lines and adjustments of source to target. For a SKU in both, the target's price wins. It returns one
// event for each cart, or none when the same merge was done before.
func decideMerge(target, source State, c merge) (in *MergedIn, away *MergedAway, err error) {
	if source.Status == StatusMerged && source.MergedInto == c.TargetID {
		return nil, nil, nil
	}
	if err := target.editable(); err != nil {
		return nil, nil, err
	}
	if err := source.editable(); err != nil {
		return nil, nil, err
	}
	if source.Currency != target.Currency {
		return nil, nil, errCurrencyMismatch.Detailf("The cart to merge is in %s, this cart is in %s.", source.Currency, target.Currency)
	}
	if len(target.Adjustments)+len(source.Adjustments) > MaxAdjustments {
		return nil, nil, errTooManyAdjusted
	}
	in = &MergedIn{SourceCartID: c.SourceID, Lines: []Line{}, Adjustments: slices.Clone(source.Adjustments)}
	grown := target
	for _, l := range source.Lines {
		l, err := grown.mergeLine(l)
		if err != nil {
			return nil, nil, err
		}
		in.Lines = append(in.Lines, l)
		grown.Lines = withAdded(grown.Lines, l)
	}
	if _, err := target.checkTotals(*in); err != nil {
		return nil, nil, err
	}
	return in, &MergedAway{TargetCartID: c.TargetID}, nil
}
