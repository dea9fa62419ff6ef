package order

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// Limits bounds what one holder may hold in pending orders that wait for their payment.
type Limits struct{ Customer, Guest, Address HolderLimit }

// HolderLimit bounds the waiting orders of one holder. 0 is no limit.
type HolderLimit struct {
	Orders int64
	Value  int64 // of them all, in minor units of each currency
}

// Holder is a customer or an address of clients, with its waiting orders.
//
// A checkout whose payment ends at once has no holder. Otherwise the order is entered at its holders, and leaves them when it is confirmed or
// cancelled. The same transaction changes the order and its holders, so no entry outlives its order.
type Holder struct {
	Waiting map[uuid.UUID]money.Amount `json:"waiting,omitempty"` // by order
}

// HolderEvent is a fact about a holder.
//
//sumtype:decl
type HolderEvent interface{ ofHolder() }

// HolderEntered adds an order that waits for its payment.
type HolderEntered struct {
	OrderID uuid.UUID    `json:"order_id"`
	Total   money.Amount `json:"total"`
}

// HolderLeft removes an order that was confirmed or cancelled.
type HolderLeft struct {
	OrderID uuid.UUID `json:"order_id"`
}

func (HolderEntered) ofHolder() {}
func (HolderLeft) ofHolder()    {}

// The events are stored under these types, which never change.
var holderEventTypes = eventstore.Register(map[string]HolderEvent{
	"holder.entered": HolderEntered{},
	"holder.left":    HolderLeft{},
})

func evolveHolder(h Holder, event HolderEvent) Holder {
	waiting := map[uuid.UUID]money.Amount{}
	for id, total := range h.Waiting {
		waiting[id] = total
	}
	switch e := event.(type) {
	case HolderEntered:
		waiting[e.OrderID] = e.Total
	case HolderLeft:
		delete(waiting, e.OrderID)
	}
	return Holder{Waiting: waiting}
}

var holders = &eventstore.Aggregate[Holder, HolderEvent]{
	Kind: "holder", StateVersion: 1, Types: holderEventTypes, Evolve: evolveHolder,
	Index: func(Holder, time.Time) eventstore.Index { return eventstore.Index{} },
}

// holderSpace is the namespace of holder ids. It never changes.
var holderSpace = uuid.MustParse("3b1f6b1e-5a0f-4e57-9a55-0d4a8a6f1c02")

// customerHolder returns the holder of a customer's orders, addressHolder that of an address by its hash.
func customerHolder(customer string) uuid.UUID {
	return uuid.NewSHA1(holderSpace, []byte("customer/"+customer))
}
func addressHolder(source string) uuid.UUID {
	return uuid.NewSHA1(holderSpace, []byte("address/"+source))
}

// bounds returns the holders of an order, each with its limit.
func (l Limits) bounds(c Hold) map[uuid.UUID]HolderLimit {
	own := l.Customer
	if c.Guest {
		own = l.Guest
	}
	all := map[uuid.UUID]HolderLimit{customerHolder(c.CustomerID): own}
	if c.Source != "" {
		all[addressHolder(c.Source)] = l.Address
	}
	return all
}

// kindOf says whether a holder is an address, a guest or another customer.
func (c Hold) kindOf(holder uuid.UUID) string {
	switch {
	case holder == addressHolder(c.Source):
		return "address"
	case c.Guest:
		return "guest"
	}
	return "customer"
}

// allows reports whether a holder may hold one more order. The first one in a currency may have any value, since otherwise it could never wait.
func (l HolderLimit) allows(h Holder, total money.Amount) bool {
	var others int64
	for _, other := range h.Waiting {
		if other.Currency == total.Currency {
			others += other.Amount
		}
	}
	return (l.Orders == 0 || int64(len(h.Waiting)) < l.Orders) && (l.Value == 0 || others == 0 || others+total.Amount <= l.Value)
}

// decideHold enters a pending order at its holders, unless one of them holds too much. An order that has ended, or waits already, is left as
// it is.
func decideHold(o State, at map[uuid.UUID]Holder, bounds map[uuid.UUID]HolderLimit, cmd Hold) (decision, error) {
	if o.Status != StatusPending || len(o.Holders) > 0 {
		return decision{}, nil
	}
	d, total := decision{holders: map[uuid.UUID]HolderEvent{}}, money.Of(o.Total, o.Currency)
	for id, limit := range bounds {
		if !cmd.InDoubt && !limit.allows(at[id], total) {
			return decision{}, errTooManyWaiting.With("by", cmd.kindOf(id))
		}
		d.holders[id] = HolderEntered{OrderID: cmd.OrderID, Total: total}
	}
	d.order = []Event{PaymentAwaited{Holders: sortedIDs(d.holders)}}
	return d, nil
}

// leave returns the events by which an order that ends leaves its holders.
func (s State) leave(id uuid.UUID) map[uuid.UUID]HolderEvent {
	if len(s.Holders) == 0 {
		return nil
	}
	left := map[uuid.UUID]HolderEvent{}
	for _, holder := range s.Holders {
		left[holder] = HolderLeft{OrderID: id}
	}
	return left
}

// holding returns the command that decides on an order and its holders, and writes all or none.
func (m *Module) holding(cmd eventstore.Command, c Hold) eventstore.Command {
	bounds := m.Limits.bounds(c)
	cmd.Streams = append([]eventstore.Ref{orders.Ref(c.OrderID)}, web.Map(sortedIDs(bounds), holders.Ref)...)
	cmd.Decide = func(tx *eventstore.Tx) error {
		at := map[uuid.UUID]Holder{}
		for id := range bounds {
			at[id] = holders.Get(tx, id).State
		}
		d, err := decideHold(orders.Get(tx, c.OrderID).State, at, bounds, c)
		if err == nil {
			d.append(tx, c.OrderID)
		}
		return err
	}
	return cmd
}

// countWaiting counts an order that must not wait.
func (m *Module) countWaiting(err error) {
	if f, refused := fault.As(err); refused && f.Code == CodeTooManyWaiting {
		m.Limited("waiting", f.Extra["by"].(string))
	}
}

// sortedIDs returns the keys of a map in a fixed order.
func sortedIDs[V any](of map[uuid.UUID]V) []uuid.UUID {
	ids := make([]uuid.UUID, 0, len(of))
	for id := range of {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	return ids
}
