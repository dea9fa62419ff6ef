package chaos

import (
	"math/rand/v2"
	"time"
)

// errand holds all choices of a shopper for one cart. All are drawn before it begins, so that the shopper's random source does
// not depend on the timing of the processes.
type errand struct {
	currency string
	basket   []pick
	tabs     int    // that fill it at once
	guest    bool   // a guest fills a part of it, which is merged at log-in
	coupon   coupon // adjustment by staff
	payments []attempt
	after    []step // after the payment
	atOnce   bool   // those steps run concurrently
}

// pick is a product to buy, with a quantity.
type pick struct {
	product  int // index on the shelf
	quantity int
}

// coupon is an adjustment of a cart.
type coupon int

const (
	noCoupon coupon = iota
	shipping        // adds to the total
	gift            // removes the whole total: there is nothing to pay
)

// attempt is a checkout of the cart.
type attempt struct {
	method   string
	wait     int           // Prefer: wait
	hangUp   time.Duration // at the first request; 0: never
	twins    twins
	edits    bool // another request edits the cart concurrently
	bank     bank
	think    time.Duration // before gives and hints
	cancels  bool
	gives    bool // an operator aborts it: /compensate
	hints    bool // forged webhooks about it arrive, in any order
	leaves   bool // without waiting for the end
	again    bool // repeats the request after the end
	operated bool // an operator retries it while it runs
}

// twins are further concurrent copies of a request.
type twins int

const (
	alone      twins = iota
	sameKey          // sent twice
	anotherKey       // from another tab
)

// bank is the shopper's behaviour at the bank.
type bank int

const (
	approves bank = iota
	denies
	ignores
	approvesLate
	approvesTwice
	approvesAndCancels
)

// step is a later action on an order.
type step struct {
	what  stepKind
	part  int // of a refund, in percent of the total; 0: the remainder
	twice bool
}

type stepKind string

const (
	fulfils stepKind = "fulfil"
	refunds stepKind = "refund"
	cancels stepKind = "cancel"
	reads   stepKind = "timeline"
)

// methods are the simulator's and some unknown ones, repeated by their frequency.
var methods = []string{
	"sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_refund_flaky", "sim_refund_flaky",
	"sim_declined", "sim_insufficient_funds", "sim_capture_fails", "sim_void_flaky", "sim_void_flaky", "sim_authorization_expires", "sim_timeout_applied", "sim_timeout_lost",
	"sim_flaky", "sim_slow", "sim_requires_action", "sim_requires_action", "sim_duplicate_webhooks", "sim_late_webhooks",
	"sim_card_of_another_bank", "sim_drop_table_payments",
}

func oneIn(luck *rand.Rand, n int) bool { return luck.IntN(n) == 0 }

func (s *shop) errand(luck *rand.Rand) errand {
	e := errand{
		currency: currencies[luck.IntN(len(currencies))], tabs: 1 + luck.IntN(4)/3 + luck.IntN(4)/3, guest: oneIn(luck, 8), atOnce: oneIn(luck, 3),
	}
	for range 1 + luck.IntN(4) {
		e.basket = append(e.basket, pick{s.picks(luck, e.currency), 1 + luck.IntN(3)})
	}
	switch luck.IntN(20) {
	case 0:
		e.coupon = gift
	case 1, 2:
		e.coupon = shipping
	}
	for range 1 + luck.IntN(2) {
		e.payments = append(e.payments, drawAttempt(luck))
	}
	for range luck.IntN(4) {
		e.after = append(e.after, drawStep(luck))
	}
	return e
}

func drawAttempt(luck *rand.Rand) attempt {
	a := attempt{
		method: methods[luck.IntN(len(methods))], wait: []int{0, 2, 5}[luck.IntN(3)], think: between(luck, 0, 300*time.Millisecond),
		bank: bank(luck.IntN(6)), edits: oneIn(luck, 12), cancels: oneIn(luck, 10), gives: oneIn(luck, 40), hints: oneIn(luck, 8),
		leaves: oneIn(luck, 8), again: oneIn(luck, 6), operated: oneIn(luck, 20),
	}
	if oneIn(luck, 6) {
		a.hangUp = between(luck, time.Millisecond, 60*time.Millisecond)
	}
	if oneIn(luck, 4) {
		a.twins = twins(1 + luck.IntN(2))
	}
	if a.cancels || a.gives {
		a.wait = 0 // otherwise it would certainly be too late
	}
	return a
}

func drawStep(luck *rand.Rand) step {
	st := step{what: []stepKind{fulfils, fulfils, refunds, refunds, refunds, cancels, reads}[luck.IntN(7)], twice: oneIn(luck, 5)}
	if !oneIn(luck, 4) {
		st.part = []int{1, 10, 33, 50, 70, 100, 120}[luck.IntN(7)]
	}
	return st
}

// The products in each currency.
var currencies = []string{"GBP", "EUR", "JPY"}

// product is something on the shelf. Some have changing prices, some a limited stock, and some become inactive for a while.
type product struct {
	sku, currency string
	price, stock  int64 // stock 0: not tracked
	moves, comes  bool
}

func (p product) tracked() bool { return p.stock > 0 }

const perCurrency = 12

func shelf(luck *rand.Rand) (all []product) {
	for _, currency := range currencies {
		for n := range perCurrency {
			p := product{sku: currency + " mug " + string(rune('a'+n)), currency: currency, price: 100 + luck.Int64N(5000)}
			switch {
			case n == 0:
				p.stock = 20
			case n < 3:
				p.stock = 1_000_000
			case n < 6:
				p.moves = true
			case n == 6:
				p.comes = true
			}
			all = append(all, p)
		}
	}
	return all
}

func (s *shop) picks(luck *rand.Rand, currency string) int {
	n := luck.IntN(perCurrency)
	for i, p := range s.shelf {
		if p.currency == currency {
			return i + n
		}
	}
	return n
}
