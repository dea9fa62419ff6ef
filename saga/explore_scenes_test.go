package saga

import (
	"flag"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

var exploring = flag.String("explore", "short", "how far every interleaving of a checkout is explored: short (one mishap a story) or full (two or more)")

// TestExplore goes through the scenes with the modules on one database, where chains commit together.
func TestExplore(t *testing.T) {
	explore(t, false)
}

// TestExploreApart goes through the scenes with a database for each module, where each command commits alone.
func TestExploreApart(t *testing.T) {
	explore(t, true)
}

// explore goes through every interleaving of what shoppers, processes, providers and operators can do, up to a number of
// mishaps in one story, and holds each state against the promises. What decides, folds, reacts and drives is the program's own
// code; only streams lie in memory, and the provider is a page of honest book-keeping.
func explore(t *testing.T, apart bool) {
	if testing.Short() {
		t.Skip("takes a minute, and needs no database")
	}
	t.Parallel()
	for _, sc := range scenes {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			x := newExploration(t)
			x.program.apart = apart
			s := &state{bank: &bank{}}
			ends := sc.set(x, s)
			s.budget[mishaps] = sc.short
			if full() {
				s.budget[mishaps] = sc.full
			}
			x.run(s)
			for _, end := range ends {
				found := slices.ContainsFunc(slices.Collect(maps.Keys(x.ends)), func(e string) bool { return strings.Contains(e, end) })
				require.True(t, found, "no story ends so: %s", end)
			}
		})
	}
}

func full() bool { return *exploring == "full" }

// unlessShort is how often something may happen that the short form leaves out.
func unlessShort(n int8) int8 {
	if full() {
		return n
	}
	return 0
}

// scene is where stories begin and what may happen in them. It says how some of them must end: a check on the exploration itself.
type scene struct {
	name        string
	short, full int8 // mishaps in one story
	set         func(*exploration, *state) (ends []string)
}

var scenes = []scene{
	{"CardDeclined", 1, 2, func(x *exploration, s *state) []string {
		x.tempers = tempers{opAuthorize: {payment.Authorized, payment.Declined}, opCapture: {payment.Captured, payment.Refused}}
		x.shelf(s, skuA, 1)
		x.shelf(s, skuB, 5)
		x.sealed(s, "ann", skuA, skuB)
		return []string{"completed, order confirmed, cart checked_out", "(payment_declined)", "(capture_refused)"}
	}},
	{"ShopperCancels", 0, 1, func(x *exploration, s *state) []string {
		x.shelf(s, skuA, 1)
		x.sealed(s, "ann", skuA)
		s.budget[cancels], s.budget[edits] = 1, 1
		return []string{"completed, order confirmed", "cancelled, order cancelled, cart open (cancelled)"}
	}},
	{"ThreeDSecure", 0, 1, func(x *exploration, s *state) []string {
		x.tempers = tempers{opAuthorize: {payment.ActionRequired}}
		x.shelf(s, skuA, 1)
		x.sealed(s, "ann", skuA)
		s.budget[webhooks] = unlessShort(1)
		return []string{"completed, order confirmed", "(authentication_expired)"}
	}},
	{"ThreeDSecureCancelled", 0, 1, func(x *exploration, s *state) []string {
		x.tempers = tempers{opAuthorize: {payment.ActionRequired}}
		x.shelf(s, skuA, 1)
		x.sealed(s, "ann", skuA)
		s.budget[cancels] = 1
		return []string{"completed, order confirmed", "(authentication_expired)", "(cancelled)"}
	}},
	{"OneMayWait", 0, 1, func(x *exploration, s *state) []string {
		x.tempers = tempers{opAuthorize: {payment.ActionRequired}}
		x.source, x.program.orders.Limits = "5f1d", order.Limits{Address: order.HolderLimit{Orders: 1}}
		x.shelf(s, skuA, 2)
		x.sealed(s, "ann", skuA)
		x.sealed(s, "bob", skuA)
		return []string{
			"completed, order confirmed, cart checked_out | failed, order cancelled, cart open (too_many_waiting)",
			"failed, order cancelled, cart open (too_many_waiting) | completed, order confirmed, cart checked_out",
			"completed, order confirmed, cart checked_out | completed, order confirmed, cart checked_out",
		}
	}},
	{"LastUnit", 0, 1, func(x *exploration, s *state) []string {
		x.shelf(s, skuA, 1)
		x.sealed(s, "ann", skuA)
		x.sealed(s, "bob", skuA)
		s.budget[counts] = 1
		return []string{
			"completed, order confirmed, cart checked_out | failed, order cancelled, cart open (out_of_stock)",
			"failed, order cancelled, cart open (out_of_stock) | completed, order confirmed, cart checked_out",
		}
	}},
	{"OneSKUTwice", 1, 2, func(x *exploration, s *state) []string {
		x.shelf(s, skuA, 1)
		x.sealed(s, "ann", skuA, skuA)
		return []string{"failed, order cancelled, cart open (out_of_stock)"}
	}},
	{"NothingToPay", 0, 1, func(x *exploration, s *state) []string {
		x.free = true
		x.shelf(s, skuA, 1)
		x.sealed(s, "ann", skuA)
		s.budget[cancels], s.budget[compensates] = 1, 1
		if x.program.apart {
			return []string{"completed, order confirmed", "cancelled, order cancelled, cart open (cancelled)"}
		}
		return []string{"completed, order confirmed"} // the checkout is one transaction
	}},
	{"CaptureInDoubt", 1, 1, func(x *exploration, s *state) []string {
		x.tempers = tempers{opCapture: {payment.Captured, payment.Refused}}
		x.shelf(s, skuA, 1)
		x.sealed(s, "ann", skuA)
		x.comesTo(s, "capture ann's payment: no answer comes", rest, "2h5m0s later", "look up ann's payment: no answer comes")
		s.budget[settlements], s.budget[compensates], s.budget[patiences] = 1, unlessShort(1), unlessShort(1)
		if !full() {
			x.mishaps = loss
		}
		return []string{"order confirmed, cart checked_out, settled as captured", "order cancelled, cart open (cancelled), settled as not_captured"}
	}},
	{"SoldAndRegretted", 0, 1, func(x *exploration, s *state) []string {
		x.tempers = tempers{opRefund: {payment.Refunded, payment.Refused}}
		x.shelf(s, skuA, 1)
		x.sealed(s, "ann", skuA)
		x.comesTo(s)
		s.budget[returns], s.budget[fulfilments], s.budget[refundings], s.budget[denials] = 1, 1, 1, unlessShort(1)
		return []string{"order fulfilled", "order cancelled, cart checked_out, 700 of 700 given back", "order fulfilled, cart checked_out, 300 of 700 given back"}
	}},
	{"RefundedElsewhere", 0, 1, func(x *exploration, s *state) []string {
		x.tempers = tempers{opRefund: {payment.Refunded, payment.Refused}}
		x.shelf(s, skuA, 1)
		x.sealed(s, "ann", skuA)
		x.comesTo(s)
		x.atOnce = 1 // a driver and the bank's own doings are enough to go through
		s.budget[returns], s.budget[fulfilments], s.budget[elsewheres] = 1, 1, 1
		s.budget[denials], s.budget[settlements] = 2, 1 // it is tried a second time before a person is waited for
		if full() {                                     // unless the process has died
			s.budget[denials] = 1
		}
		return []string{
			"order fulfilled, cart checked_out, 300 of 700 given back, 300 of it elsewhere", "order cancelled, cart checked_out, 700 of 700 given back, 300 of it elsewhere",
			"order cancelled, cart checked_out, 700 of 700 given back, 700 of it elsewhere", "order confirmed, cart checked_out, 700 of 700 given back, 700 of it elsewhere",
			"700 settled as refunded",
		}
	}},
	{"RefundedElsewhereAtOnce", 0, 1, func(x *exploration, s *state) []string {
		x.tempers = tempers{opCapture: {payment.Captured, payment.Refused}}
		x.shelf(s, skuA, 1)
		x.sealed(s, "ann", skuA)
		s.budget[elsewheres], s.budget[cancels] = 1, 1
		return []string{"completed, order confirmed, cart checked_out, 700 of 700 given back, 700 of it elsewhere"}
	}},
}

var (
	skuA = cart.Line{SKU: "A", Name: "A", Quantity: 1, UnitPrice: 700}
	skuB = cart.Line{SKU: "B", Name: "B", Quantity: 1, UnitPrice: 300}
)

// The name spaces of products and stock, which never change.
var (
	productSpace = uuid.MustParse("6d0b6d7e-3a0c-4a53-8a3f-5b7c0a4e9c21")
	stockSpace   = uuid.MustParse("8d6f2f0c-6f0e-4f6b-8b7a-6a1f5c3f2d01")
)

// shelf puts goods into the price book and on the shelf.
func (x *exploration) shelf(s *state, l cart.Line, onHand int64) {
	p := x.program
	product, stock := uuid.NewSHA1(productSpace, []byte(l.SKU)), uuid.NewSHA1(stockSpace, []byte(l.SKU))
	p.names[product], p.names[stock] = "the product "+l.SKU, "the stock of "+l.SKU
	x.say(s, "cart", product, cart.ProductCreated{SKU: l.SKU, Name: l.Name, Price: money.Of(l.UnitPrice, "GBP"), Active: true})
	x.say(s, "orders", stock, order.StockCounted{SKU: l.SKU, OnHand: onHand})
}

// shopping is a checkout that is about to begin.
type shopping struct {
	customer                       string
	cart, checkout, order, payment uuid.UUID
	total                          int64
}

// sealed is a cart that a shopper has just checked out. A cart merges lines of one SKU; where they come twice, an older one did not.
func (x *exploration) sealed(s *state, customer string, lines ...cart.Line) {
	p, n := x.program, byte(len(x.shoppings)+1)
	sealed := cart.CheckedOut{
		CheckoutID: uuid.UUID{0: 0xc0, 15: n}, OrderID: uuid.UUID{0: 0x0d, 15: n}, PaymentID: uuid.UUID{0: 0xba, 15: n}, CartID: uuid.UUID{0: 0xca, 15: n},
		Attempt: 1, CustomerID: customer, Currency: "GBP", Lines: lines, PaymentMethod: "card", Source: x.source,
	}
	for _, l := range lines {
		sealed.Total += l.Total()
	}
	if x.free {
		sealed.Adjustments, sealed.Total = []cart.Adjustment{{Code: "gift", Label: "A gift", Amount: -sealed.Total}}, 0
	}
	sh := shopping{customer, sealed.CartID, sealed.CheckoutID, sealed.OrderID, sealed.PaymentID, sealed.Total}
	for id, name := range map[uuid.UUID]string{sh.cart: "cart", sh.checkout: "checkout", sh.order: "order", sh.payment: "payment"} {
		p.names[id] = customer + "'s " + name
	}
	x.say(s, "cart", sh.cart, cart.Created{CustomerID: customer, Currency: "GBP"})
	for _, l := range lines {
		x.say(s, "cart", sh.cart, cart.ItemAdded{Line: l})
	}
	x.say(s, "cart", sh.cart, cart.AdjustmentsSet{Adjustments: sealed.Adjustments})
	x.say(s, "cart", sh.cart, sealed)
	x.shoppings = append(x.shoppings, sh)
}

// say lets a stream hold an event.
func (x *exploration) say(s *state, schema string, stream uuid.UUID, e any) {
	store := x.program.store(schema)
	x.commit(s, []eventstore.Link{{Store: store, Command: store.Appending(stream, e)}})
}

// rest is when no process is busy for a moment.
const rest = "rest"

// comesTo tells the beginning of a story: all goes well but for the mishaps named, one after the other. Without any, all comes to
// its end.
func (x *exploration) comesTo(s *state, wrong ...string) {
	s.budget[mishaps], x.troubled = 9, len(wrong) > 0
	last := takesLong - 1
	if len(wrong) > 0 {
		last = underWay
	}
	for {
		if len(wrong) > 0 && wrong[0] == rest && len(s.drivers) == 0 {
			wrong = wrong[1:]
		}
		moves := x.moves(s)
		i := slices.IndexFunc(moves, func(m move) bool { return len(wrong) > 0 && strings.Contains(m.what(), wrong[0]) })
		if i >= 0 {
			wrong = wrong[1:]
		} else if i = calmest(moves); i < 0 || moves[i].calm >= takesLong || len(wrong) == 0 && moves[i].calm > last {
			break
		}
		x.step(s, moves[i])
	}
	require.Empty(x.t, wrong, "the story did not come to that")
}
