package chaos

import (
	"math/rand/v2"
	"time"
)

// drawScenario holds all choices of a shopper for one cart. All are drawn before it begins, so that the shopper's random source does
// not depend on the timing of the processes.
type scenario struct {
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
	bank     bankAnswer
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

// bankAnswer is the shopper's behaviour at the bank.
type bankAnswer int

const (
	approves bankAnswer = iota
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
	stepFulfil       stepKind = "fulfil"
	stepRefund       stepKind = "refund"
	stepCancel       stepKind = "cancel"
	stepReadTimeline stepKind = "timeline"
)

// paymentMethods are the simulator's and some unknown ones, repeated by their frequency.
var paymentMethods = []string{
	"sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_ok", "sim_refund_flaky", "sim_refund_flaky",
	"sim_declined", "sim_insufficient_funds", "sim_capture_fails", "sim_void_flaky", "sim_void_flaky", "sim_authorization_expires", "sim_timeout_applied", "sim_timeout_lost",
	"sim_flaky", "sim_slow", "sim_requires_action", "sim_requires_action", "sim_duplicate_webhooks", "sim_late_webhooks",
	"sim_card_of_another_bank", "sim_drop_table_payments",
}

func oneIn(random *rand.Rand, n int) bool { return random.IntN(n) == 0 }

func (s *shop) drawScenario(random *rand.Rand) scenario {
	e := scenario{
		currency: currencies[random.IntN(len(currencies))], tabs: 1 + random.IntN(4)/3 + random.IntN(4)/3, guest: oneIn(random, 8), atOnce: oneIn(random, 3),
	}
	for range 1 + random.IntN(4) {
		e.basket = append(e.basket, pick{s.drawProduct(random, e.currency), 1 + random.IntN(3)})
	}
	switch random.IntN(20) {
	case 0:
		e.coupon = gift
	case 1, 2:
		e.coupon = shipping
	}
	for range 1 + random.IntN(2) {
		e.payments = append(e.payments, drawAttempt(random))
	}
	for range random.IntN(4) {
		e.after = append(e.after, drawStep(random))
	}
	return e
}

func drawAttempt(random *rand.Rand) attempt {
	a := attempt{
		method: paymentMethods[random.IntN(len(paymentMethods))], wait: []int{0, 2, 5}[random.IntN(3)], think: between(random, 0, 300*time.Millisecond),
		bank: bankAnswer(random.IntN(6)), edits: oneIn(random, 12), cancels: oneIn(random, 10), gives: oneIn(random, 40), hints: oneIn(random, 8),
		leaves: oneIn(random, 8), again: oneIn(random, 6), operated: oneIn(random, 20),
	}
	if oneIn(random, 6) {
		a.hangUp = between(random, time.Millisecond, 60*time.Millisecond)
	}
	if oneIn(random, 4) {
		a.twins = twins(1 + random.IntN(2))
	}
	if a.cancels || a.gives {
		a.wait = 0 // otherwise it would certainly be too late
	}
	return a
}

func drawStep(random *rand.Rand) step {
	st := step{what: []stepKind{stepFulfil, stepFulfil, stepRefund, stepRefund, stepRefund, stepCancel, stepReadTimeline}[random.IntN(7)], twice: oneIn(random, 5)}
	if !oneIn(random, 4) {
		st.part = []int{1, 10, 33, 50, 70, 100, 120}[random.IntN(7)]
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

func shelf(random *rand.Rand) (all []product) {
	for _, currency := range currencies {
		for n := range perCurrency {
			p := product{sku: currency + " mug " + string(rune('a'+n)), currency: currency, price: 100 + random.Int64N(5000)}
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

func (s *shop) drawProduct(random *rand.Rand, currency string) int {
	n := random.IntN(perCurrency)
	for i, p := range s.shelf {
		if p.currency == currency {
			return i + n
		}
	}
	return n
}
