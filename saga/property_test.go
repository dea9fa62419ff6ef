package saga

import (
	"encoding/json"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
)

// rooms are the other modules, as simple as they can be and still keep their promises: each command is one step, done
// once, and each stream alone decides what comes first.
type rooms struct {
	*rapid.T
	total   int64
	settled bool // outcomes are definite from now on, as they are in the end

	order     string // "", pending, confirmed or cancelled
	held      bool   // stock
	wasPlaced bool   // the receipt of order.place

	cart string // sealed, completed or open

	asked     bool   // for the authorization
	capture   string // "", asked, refused or denied (by hand), by the payment's stream; "captured" once that knows
	claimed   bool   // settled by hand as captured
	denied    bool   // settled by hand as not captured: what is captured all the same goes back
	tombstone bool
	failure   string
	voided    bool

	captured, refunded int // at the bank, whatever the payment's stream knows

	soldBack bool // the order was cancelled when its checkout was over
}

func (r *rooms) draw(what string, of ...string) string { return rapid.SampledFrom(of).Draw(r.T, what) }

func (r *rooms) send(d Do) Outcome {
	switch c := d.Command.(type) {
	case toOrder:
		return r.toOrder(c.Command)
	case toCart:
		if r.cart == "sealed" {
			r.cart = "completed"
			if _, ok := c.Command.(cart.Reopen); ok {
				r.certain("the cart is reopened")
				r.cart = "open"
			}
		}
		return r.perhaps(Outcome{})
	case toCharge:
		return r.charge()
	case toUndo:
		return r.undo(c.Yields)
	case toVerify:
		return r.verify()
	}
	panic("a command to no room")
}

// certain: nothing is, nor ever will be, captured and kept.
func (r *rooms) certain(what string) {
	certain := r.total == 0 || r.voided || r.tombstone && (r.capture == "" || r.capture == "refused" || r.denied)
	require.True(r.T, certain, "%s while the money is in doubt", what)
}

// perhaps takes effect and loses the answer.
func (r *rooms) perhaps(o Outcome) Outcome {
	if !r.settled && r.draw("answer", "came", "came", "came", "lost") == "lost" {
		return Outcome{Kind: StepFaulted, Error: "It took too long."}
	}
	return o
}

func (r *rooms) toOrder(c order.Command) Outcome {
	no := func(code string) Outcome { return Outcome{Kind: StepWasRefused, Failure: Failure{Code: code}} }
	switch c.(type) {
	case order.Place:
		switch {
		case r.wasPlaced:
		case r.order == "cancelled":
			return no("order_cancelled")
		case r.draw("stock", "enough", "enough", "enough", "short") == "short":
			return no("out_of_stock")
		default:
			r.order, r.held, r.wasPlaced = "pending", true, true
		}
	case order.Confirm:
		switch r.order {
		case "", "cancelled":
			return no("order_cancelled")
		}
		r.order = "confirmed"
	case order.Cancel:
		if r.order == "confirmed" {
			return no("order_confirmed")
		}
		r.certain("the stock goes back")
		r.order, r.held = "cancelled", false
	}
	return r.perhaps(Outcome{})
}

func refusedFor(code string) Outcome {
	return Outcome{Kind: StepWasRefused, Failure: Failure{Code: code}}
}

func (r *rooms) charge() Outcome {
	switch {
	case r.failure != "":
		return refusedFor(r.failure)
	case r.capture == "captured":
		return Outcome{}
	case r.capture == "asked": // in doubt: look up
		return r.lookUp()
	}
	answers := []string{"captured", "captured", "declined", "capture_refused"}
	if !r.settled {
		answers = append(answers, "action", order.CodeTooManyWaiting, "unavailable", "unavailable", "authorization lost", "capture lost", "captured and lost")
	}
	answer := r.draw("charge", answers...)
	r.asked = r.asked || answer != "unavailable"
	switch answer {
	case "captured":
		r.captured, r.capture = r.captured+1, "captured"
		return Outcome{}
	case "declined":
		r.failure = "payment_declined"
		return refusedFor(r.failure)
	case "capture_refused":
		r.capture, r.failure = "refused", "capture_refused"
		return refusedFor(r.failure)
	case order.CodeTooManyWaiting: // the bank asked for an action, and the order must not wait
		return refusedFor(answer)
	case "action":
		return Outcome{Kind: StepMustWait, Next: &NextAction{Type: "redirect"}}
	case "unavailable":
		return Outcome{Kind: StepFaulted}
	case "captured and lost":
		r.captured = r.captured + 1
		r.capture = "asked"
	case "capture lost":
		r.capture = "asked"
	}
	return Outcome{Kind: StepIsUnknown}
}

// lookUp goes on with a capture that is in doubt. Where nobody answers, a person's word counts.
func (r *rooms) lookUp() Outcome {
	if !r.settled && r.draw("look-up", "lost", "told") == "lost" {
		if r.claimed && !r.tombstone {
			return Outcome{Manual: true}
		}
		return Outcome{Kind: StepIsUnknown}
	}
	if r.captured == 0 && r.draw("capture", "well", "well", "refused") == "refused" {
		r.capture, r.failure = "refused", "capture_refused"
		return refusedFor(r.failure)
	}
	r.captured, r.capture = 1, "captured"
	return Outcome{}
}

func (r *rooms) verify() Outcome {
	switch {
	case r.capture == "captured":
		return Outcome{}
	case r.failure != "":
		return refusedFor(r.failure)
	}
	o := r.lookUp()
	if o.Manual {
		return Outcome{Kind: StepIsUnknown}
	}
	return o
}

func (r *rooms) undo(yields bool) Outcome {
	if yields && r.capture != "" && !r.tombstone {
		return refusedFor("too_late")
	}
	r.tombstone = true
	if r.failure == "" {
		r.failure = CodeCancelled
	}
	if !r.settled && r.draw("undo", "done", "not yet") == "not yet" {
		if r.capture == "denied" && r.captured == 1 && r.draw("truth", "told", "lost") == "told" {
			r.capture = "captured"
		}
		doubt := r.capture == "asked" || r.capture == "captured"
		if doubt || !r.asked {
			return Outcome{Kind: StepIsUnknown}
		}
		return Outcome{Kind: StepFaulted, NothingCaptured: true}
	}
	r.refunded = r.captured // a void, where it was not captured: no capture comes any more
	r.voided = true
	return Outcome{}
}

// cancel is the shopper's wish: the payment's stream decides.
func (r *rooms) cancel() {
	if r.capture == "" && r.failure == "" {
		r.tombstone, r.failure = true, CodeCancelled
	}
}

// sellsBack is a cancellation of the order from its begin to its end: only once the checkout is over. A process that was
// frozen while it drove the checkout finds the door shut.
func (r *rooms) sellsBack(checkout Status) {
	if checkout == Completed && r.order == "confirmed" {
		r.soldBack, r.order, r.held = true, "cancelled", false
		r.tombstone, r.failure, r.refunded = true, CodeCancelled, r.captured
	}
}

// insists is an operator's wish: too late only once the payment knows of the money.
func (r *rooms) insists() (granted bool) {
	switch {
	case r.capture == "captured" || r.claimed && r.capture == "asked" && !r.tombstone:
		return false
	case r.failure == "":
		r.tombstone, r.failure = true, CodeCancelled
	}
	return true
}

// settle is an operator's word: the payment's stream decides whether it counts.
func (r *rooms) settle(outcome payment.Resolution) (granted bool) {
	switch {
	case r.claimed, r.capture != "asked" && (outcome == payment.ResolvedCaptured || r.capture != "" || !r.asked || r.voided):
		return false
	case outcome == payment.ResolvedCaptured:
		r.claimed = !r.tombstone
		return r.claimed
	}
	r.tombstone, r.denied = true, true
	if r.failure == "" {
		r.failure = CodeCancelled
	}
	if r.capture == "asked" {
		r.capture = "denied"
	}
	return true
}

// driver is a process that drives the saga: it may freeze between any two steps, go on later, or never.
type driver struct {
	awake     bool
	state     State
	version   int
	unwritten []Event
	results   []Event // of the last steps, that have yet to be looked at
}

// story is a saga, its log, the rooms, and the processes that drive it.
type story struct {
	*rooms
	log     []Event
	drivers [3]driver
	now     time.Time
}

// act is one thing that a driver does: load; take what is due; or write, where it must. It is what the runner does, which
// may freeze in between.
func (s *story) act(d *driver) {
	switch {
	case !d.awake:
		state := given(s.log...)
		*d = driver{awake: !state.Status.Ended(), state: state, version: len(s.log)}
	case d.results != nil:
		s.conclude(d)
	default:
		s.take(d)
	}
}

func (s *story) take(d *driver) {
	r := checkout.react(d.state)
	if r.End != "" {
		d.results = []Event{Ended{Status: r.End, At: s.now}}
		return
	}
	due := r.Do
	if len(due) > 1 && !s.settled && rapid.Bool().Draw(s.T, "one is not due") {
		due = due[:1]
	}
	for _, do := range due {
		began := s.now
		s.now = s.now.Add(time.Duration(rapid.IntRange(1, 3000).Draw(s.T, "seconds")) * time.Second)
		if s.settled { // in the end somebody is patient
			s.now = began.Add(time.Second)
		}
		a := attempt{Do: do, Outcome: s.send(do), began: began, ended: s.now, jitter: 0.5}
		d.results = append(d.results, record(d.state, a, hour))
	}
}

func (s *story) conclude(d *driver) {
	events := d.results
	d.results = nil
	if mustWrite(events) {
		s.write(d, events...)
		d.awake = d.awake && d.state.Status != NeedsAttention && !d.state.Status.Ended()
		return
	}
	d.unwritten = append(d.unwritten, events...)
	for _, e := range events {
		d.state = evolve(d.state, e)
	}
}

// write appends to the version that was read, or finds that another one was faster.
func (s *story) write(d *driver, events ...Event) {
	if d.version != len(s.log) {
		*d = driver{}
		return
	}
	s.log = append(s.log, append(d.unwritten, events...)...)
	d.state, d.version, d.unwritten = given(s.log...), len(s.log), nil
	s.roundTrip(d.state)
}

// roundTrip: a state is what its row says.
func (s *story) roundTrip(state State) {
	data, err := json.Marshal(state)
	require.NoError(s.T, err)
	var back State
	require.NoError(s.T, json.Unmarshal(data, &back))
	require.Equal(s.T, state, back)
}

// operate is an operator who does whatever is granted, on the saga as it is. What follows a grant of the payment is lost now and
// then.
func (s *story) operate() {
	state := given(s.log...)
	switch Action(s.draw("action", "settle", "settle", "retry", "compensate", "skip")) {
	case ActRetry:
		s.appends(retry(state, "", s.now))
	case ActCompensate:
		if _, err := requestCompensation(state, "", s.now); err == nil && (s.total == 0 || s.insists()) && s.draw("answer", "came", "lost") == "came" {
			s.appends(confirmCompensation(state, "", s.now))
		}
	case ActSkip:
		s.appends(skip(state, "", s.now))
	case ActSettle:
		outcome := payment.Resolution(s.draw("outcome", "captured", "not_captured"))
		if _, err := settle(state, outcome); err == nil && s.settle(outcome) && s.draw("answer", "came", "lost") == "came" {
			s.appends(settledBy(state, payment.Resolved{Outcome: outcome}, s.now), nil)
		}
	}
}

func (s *story) appends(events []Event, err error) {
	if err == nil {
		s.log = append(s.log, events...)
		s.roundTrip(given(s.log...))
	}
}

// holds are the promises, at any moment.
func (s *story) holds() {
	state := given(s.log...)
	require.LessOrEqual(s.T, s.captured, 1, "money is taken once")
	require.LessOrEqual(s.T, s.refunded, s.captured)
	require.Equal(s.T, s.held, s.order == "pending" || s.order == "confirmed")
	if s.order == "confirmed" && s.total > 0 {
		paid := s.captured-s.refunded == 1
		require.True(s.T, paid || s.claimed && s.refunded == 0, "what is confirmed is paid, or a person said so")
	}
	switch state.Status {
	case Completed:
		require.Equal(s.T, s.soldBack, s.order == "cancelled")
		require.Equal(s.T, !s.soldBack, s.order == "confirmed")
		require.Equal(s.T, s.soldBack && s.captured > 0, s.refunded > 0, "what a person took for captured may not have been")
		require.Equal(s.T, "completed", s.cart)
		verified := s.total == 0 || s.captured == 1 || state.Step(VerifyPayment).Status == StepIsSkipped
		require.True(s.T, verified, "what the provider denies is not called completed, unless a person says so")
	case Failed, Cancelled:
		require.Equal(s.T, s.captured, s.refunded)
		require.Equal(s.T, "cancelled", s.order)
		require.Equal(s.T, "open", s.cart)
		require.True(s.T, s.total == 0 || s.tombstone, "nothing late may win")
	case Running, RequiresAction, Compensating, NeedsAttention:
	}
}

// TestWhateverHappens drives a checkout with processes that freeze, die and overtake each other, rooms that answer
// anything, and answers that get lost. The promises hold at every moment; and once outcomes are definite, it ends.
func TestWhateverHappens(t *testing.T) {
	t.Parallel()
	for seed := range tellings() { // each tells a hundred: what is rare needs many
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, tell)
		})
	}
}

func tell(t *rapid.T) {
	total := rapid.SampledFrom([]int64{1000, 1000, 1000, 0}).Draw(t, "total")
	s := &story{rooms: &rooms{T: t, total: total, cart: "sealed"}, log: []Event{begun(total)}, now: noon}
	if total > 0 && rapid.Bool().Draw(t, "in doubt") { // which takes long to come by: its capture, and for too long
		s.order, s.held, s.wasPlaced, s.asked, s.capture = "pending", true, true, true, "asked"
		s.captured = rapid.IntRange(0, 1).Draw(t, "captured")
		s.log = append(s.log, did(PlaceOrder), stuckAt(ChargeMoney))
	}
	for range rapid.IntRange(0, 80).Draw(t, "moments") {
		d := &s.drivers[rapid.IntRange(0, len(s.drivers)-1).Draw(t, "driver")]
		moments := []string{"act", "act", "act", "act", "act", "act", "crash", "cancel", "sell back", "operate"}
		if given(s.log...).Status == NeedsAttention { // it would last
			moments = []string{"operate", "act"}
		}
		switch rapid.SampledFrom(moments).Draw(t, "moment") {
		case "act":
			s.act(d)
		case "crash":
			*d = driver{}
		case "cancel":
			s.cancel()
		case "sell back":
			s.sellsBack(given(s.log...).Status)
		case "operate":
			s.operate()
		}
		s.holds()
	}
	s.settled = true
	for i := range s.drivers { // those who are frozen now wake after all the others are through
		for n := 0; !given(s.log...).Status.Ended() || s.drivers[i].awake; n++ {
			require.Less(t, n, 100, "it does not end: %v", given(s.log...))
			s.act(&s.drivers[i])
			if !s.drivers[i].awake { // what only a person can end, a person ends
				s.appends(skip(given(s.log...), "", s.now))
			}
			s.holds()
		}
	}
}

func tellings() int {
	if testing.Short() {
		return 1
	}
	return 10
}
