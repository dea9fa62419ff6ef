package saga

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
)

// move is one thing that can happen next.
type move struct {
	what func() string
	calm int // how early it comes when all goes well; 0: it does not
	do   func(*state)
}

// How early a move comes when nothing goes wrong any more: what is under way first, then what is due, then what takes long.
const (
	never = iota
	underWay
	toHandle
	isDue
	takesLong
	comesLate
)

// moves are all things that can happen next, always in the same order.
func (x *exploration) moves(s *state) (all []move) {
	for i, d := range s.drivers {
		for j := range d.at.asks {
			all = x.answers(all, s, i, j)
		}
	}
	all = x.crashes(all, s)
	all = x.lands(all, s)
	all = x.deliveries(all, s)
	all = x.sweeps(all, s)
	all = x.people(all, s)
	return x.time(all, s)
}

// answers are the ways in which a question may be answered.
func (x *exploration) answers(all []move, s *state, i, j int) []move {
	d, q := s.drivers[i], s.drivers[i].at.asks[j]
	does := func(and string) func() string {
		return func() string { return fmt.Sprintf("[%c] %s%s", 'A'+i, q.key, and) }
	}
	if q.wish != nil {
		return x.bankAnswers(all, s, d, q, does)
	}
	all = append(all, move{does(""), underWay, func(n *state) { x.answer(n, d, q, x.serve(n, q)) }})
	if q.chain != nil && x.may(s, outage) {
		all = append(all, move{does(": the answer is lost"), never, func(n *state) {
			n.budget[mishaps]--
			x.serve(n, q)
			x.answer(n, d, q, failed(eventstore.ErrUnavailable))
		}}, move{does(": the database is away"), never, func(n *state) {
			n.budget[mishaps]--
			x.answer(n, d, q, failed(eventstore.ErrUnavailable))
		}})
	}
	return all
}

func (x *exploration) bankAnswers(all []move, s *state, d *actor, q *question, does func(string) func() string) []move {
	if s.clock-d.asked() >= day {
		return append(all, move{does(": it is given up"), underWay, func(n *state) { x.answer(n, d, q, failed(errNoAnswer)) }})
	}
	if q.wish.Operation == opLookUp {
		all = append(all, move{does(""), underWay, func(n *state) {
			report := n.bank.report(q.wish.Reference)
			x.answer(n, d, q, answer{report: report, sum: sumOf(encoded(report))})
		}})
	} else {
		for k, so := range x.decisions(s, *q.wish) {
			calm := underWay
			if k > 0 {
				calm = never
			}
			all = append(all, move{does(decided(so)), calm, func(n *state) {
				n.denied(*q.wish, so)
				b, said := n.bank.does(*q.wish, so)
				n.setBank(b)
				x.answer(n, d, q, answer{said: said, sum: sumOf(encoded(said))})
			}})
		}
	}
	if x.may(s, loss) {
		all = append(all, move{does(": no answer comes"), never, func(n *state) {
			n.budget[mishaps]--
			n.sends(d, q)
			x.answer(n, d, q, failed(errNoAnswer))
		}})
	}
	if x.may(s, refusal) {
		all = append(all, move{does(": the bank is not there"), never, func(n *state) {
			n.budget[mishaps]--
			x.answer(n, d, q, failed(&payment.Transient{Err: errNoAnswer}))
		}})
	}
	return all
}

func decided(so payment.Status) string {
	if so == "" {
		return ""
	}
	return ": " + strings.ReplaceAll(string(so), "_", " ")
}

func failed(err error) answer { return answer{err: err, sum: sumOf([]byte(err.Error()))} }

// decisions are how the bank may answer a call now. It refuses refunds for good no more often than the scene lets it.
func (x *exploration) decisions(s *state, w wish) []payment.Status {
	all := s.bank.decisions(w, x.tempers)
	if w.Operation == opRefund && s.budget[denials] == 0 {
		return all[:1]
	}
	return all
}

func (s *state) denied(w wish, so payment.Status) {
	if w.Operation == opRefund && so == payment.Refused {
		s.budget[denials]--
	}
}

// day is longer than any call is under way: neither the network nor a client that went to sleep delivers it then.
const day = 24 * time.Hour

// sends leaves a call on its way, though nobody waits for it any more.
func (s *state) sends(d *actor, q *question) {
	same := func(w underway) bool { return w.Key == q.wish.Key }
	if q.wish.Operation != opLookUp && !slices.ContainsFunc(s.wire, same) && s.clock-d.asked() < day {
		s.wire = append(slices.Clone(s.wire), underway{*q.wish, d.asked()})
	}
}

// leap is a state much later.
func (s *state) leap(to time.Duration) {
	s.clock = to
	s.wire = slices.DeleteFunc(slices.Clone(s.wire), func(w underway) bool { return to-w.sent >= day })
}

func (x *exploration) crashes(all []move, s *state) []move {
	if !x.may(s, crash) {
		return all
	}
	for i, d := range s.drivers {
		all = append(all, move{func() string { return fmt.Sprintf("[%c] crashes", 'A'+i) }, never, func(n *state) {
			n.budget[mishaps]--
			n.drivers = n.without(d)
			for _, q := range d.at.asks {
				if q.wish != nil {
					n.sends(d, q)
				}
			}
		}})
	}
	return all
}

// lands are calls that arrive at the bank when nobody expects them any more.
func (x *exploration) lands(all []move, s *state) []move {
	for _, w := range s.wire {
		for k, so := range x.decisions(s, w.wish) {
			calm := comesLate
			if k > 0 {
				calm = never
			}
			all = append(all, move{func() string { return "late, the bank hears: " + w.String() + decided(so) }, calm, func(n *state) {
				n.wire = slices.DeleteFunc(slices.Clone(n.wire), func(other underway) bool { return other.Key == w.Key })
				n.denied(w.wish, so)
				b, _ := n.bank.does(w.wish, so)
				n.setBank(b)
			}})
		}
	}
	return all
}

func (x *exploration) deliveries(all []move, s *state) []move {
	if len(s.drivers) >= x.atOnce {
		return all
	}
	waiting := s.waiting()
	for _, m := range waiting {
		all = append(all, move{says("a process handles ", m.title), toHandle, func(n *state) { x.begin(n, handling(m, m.saga)) }})
	}
	if x.may(s, repeat) {
		for _, m := range s.messages {
			if slices.Contains(waiting, m) {
				continue
			}
			all = append(all, move{says("once more, a process handles ", m.title), never, func(n *state) {
				n.budget[mishaps]--
				x.begin(n, handling(m, m.saga))
			}})
		}
	}
	return all
}

func says(parts ...string) func() string {
	return func() string { return strings.Join(parts, "") }
}

// sweeps are looks at what is due. Where a process is busy with it, that one must have been standing still for long.
func (x *exploration) sweeps(all []move, s *state) []move {
	if len(s.drivers) >= x.atOnce {
		return all
	}
	for _, id := range x.sagas(s) {
		switch {
		case !s.due(id):
		case !s.driven(id):
			all = append(all, move{says("a sweep finds ", x.program.called(id)), isDue, func(n *state) { x.begin(n, looking(id)) }})
		case x.may(s, freeze):
			all = append(all, move{says("a process stands still, and another finds ", x.program.called(id)), never, func(n *state) {
				n.budget[mishaps]--
				x.begin(n, looking(id))
			}})
		}
	}
	return all
}

// sagas are those that have begun, by id.
func (x *exploration) sagas(s *state) (ids []uuid.UUID) {
	for _, r := range s.rows {
		if r.row.Kind == sagas.Kind {
			ids = append(ids, r.id)
		}
	}
	return ids
}

// people are what shoppers, banks and operators do.
func (x *exploration) people(all []move, s *state) []move {
	for _, sh := range x.shoppings {
		saga, begun := s.saga(sh.checkout)
		path := "/v1/checkouts/" + sh.checkout.String()
		if begun && !saga.Status.Ended() {
			all = x.wants(all, s, cancels, sh.customer+" cancels", request(sh.checkout, sh.customer, "POST", path+"/cancel", ""))
			all = x.wants(all, s, compensates, "an operator compensates "+x.program.called(sh.checkout),
				request(sh.checkout, "root", "POST", "/v1/admin/sagas/"+sh.checkout.String()+"/compensate", `{"reason":"x"}`))
			all = x.wants(all, s, edits, sh.customer+" edits the cart", editing(sh))
		}
		if o, ok := s.find(sh.order).State.(order.State); ok && o.CustomerID != "" && o.Status != order.StatusPending {
			path := "/v1/orders/" + sh.order.String()
			all = x.wants(all, s, returns, "the order is cancelled", request(uuid.Nil, sh.customer, "POST", path+"/cancel", `{"reason":"x"}`))
			all = x.wants(all, s, fulfilments, "the order is sent", request(uuid.Nil, "root", "POST", path+"/fulfil", ""))
			all = x.wants(all, s, refundings, "a part is refunded", request(uuid.Nil, "root", "POST", path+"/refunds",
				`{"amount":{"amount":300,"currency":"GBP"},"reason":"`+strconv.Itoa(int(s.budget[refundings]))+`"}`))
		}
		all = x.atTheBank(all, s, sh)
		all = x.elsewhere(all, s, sh)
	}
	all = x.wants(all, s, counts, "an operator counts none of A", request(uuid.Nil, "root", "PUT", "/v1/stock/A", `{"on_hand":0}`))
	return x.operators(all, s)
}

// wants is a wish that somebody may have, as often as the scene lets them.
func (x *exploration) wants(all []move, s *state, kind int, what string, act *spec) []move {
	if s.budget[kind] == 0 || len(s.drivers) >= x.atOnce {
		return all
	}
	return append(all, move{says(what), never, func(n *state) {
		n.budget[kind]--
		x.begin(n, act)
	}})
}

// atTheBank: a shopper approves or denies; a webhook says that there is news, whether there is or not.
func (x *exploration) atTheBank(all []move, s *state, sh shopping) []move {
	reference := sh.payment.String()
	if s.bank.find(reference, payment.ActionRequired) >= 0 {
		all = append(all, move{says("the shopper approves at the bank"), never, func(n *state) {
			n.setBank(n.bank.turns(reference, payment.ActionRequired, payment.Authorized))
		}}, move{says("the shopper denies at the bank"), never, func(n *state) {
			n.setBank(n.bank.turns(reference, payment.ActionRequired, payment.Declined))
		}})
	}
	if st, ok := s.find(sh.payment).State.(payment.State); ok && st.Provider != "" && s.budget[webhooks] > 0 {
		all = append(all, move{says("a webhook wakes ", x.program.called(sh.payment)), never, func(n *state) {
			n.budget[webhooks]--
			x.say(n, "payment", sh.payment, payment.Notified{CheckoutID: st.CheckoutID, WebhookID: "w", Type: "news"})
		}})
	}
	return all
}

// elsewhere: somebody refunds a payment in the provider's dashboard, or a dispute about it is lost. The provider's webhook comes, sooner or
// later.
func (x *exploration) elsewhere(all []move, s *state, sh shopping) []move {
	reference := sh.payment.String()
	captured, back, _, _ := s.bank.sums(reference)
	gives := func(what string, kind payment.ElsewhereKind, amount int64) {
		if s.budget[elsewheres] > 0 && amount <= captured-back {
			all = append(all, move{says(what), never, func(n *state) {
				n.budget[elsewheres]--
				n.setBank(n.bank.gives(reference, kind, amount))
			}})
		}
	}
	if back < captured {
		gives("a part is refunded in the dashboard", payment.ElsewhereRefund, 300)
		gives("all is refunded in the dashboard", payment.ElsewhereRefund, captured-back)
		gives("a dispute is lost", payment.ElsewhereDispute, captured-back)
	}
	if made := s.bank.Elsewhere[reference]; s.bank.Told < len(made) {
		all = append(all, move{says("the bank tells of ", made[s.bank.Told].ID), isDue, func(n *state) {
			told := *n.bank
			told.Told++
			n.setBank(&told)
			st := n.find(sh.payment).State.(payment.State)
			x.say(n, "payment", sh.payment, payment.Notified{CheckoutID: st.CheckoutID, WebhookID: made[n.bank.Told-1].ID, Type: "payment.refunded"})
		}})
	}
	return all
}

func editing(sh shopping) *spec {
	return &spec{name: "edit", briefly: true, start: func(ctx context.Context, p *program) error {
		_, err := p.carts.SetQuantity(ctx, web.Caller{Subject: sh.customer}, web.Write{ID: uuid.UUID{0: 0xed}, Actor: sh.customer}, sh.cart, "A", 7)
		return err
	}}
}

// operators act on what needs a person. The one who comes when nothing else happens any more is patient.
func (x *exploration) operators(all []move, s *state) []move {
	for _, id := range x.sagas(s) {
		st, _ := s.saga(id)
		if st.Status != NeedsAttention {
			continue
		}
		path, name := "/v1/admin/sagas/"+id.String(), x.program.called(id)
		all = x.wants(all, s, settlements, "an operator settles "+name+": captured", request(id, "root", "POST", path+"/settle", `{"outcome":"captured","reason":"x"}`))
		all = x.wants(all, s, settlements, "an operator settles "+name+": not captured", request(id, "root", "POST", path+"/settle", `{"outcome":"not_captured","reason":"x"}`))
		all = x.wants(all, s, settlements, "an operator settles "+name+": refunded", request(id, "root", "POST", path+"/settle", `{"outcome":"refunded","reason":"x"}`))
		version := s.find(id).Version
		retry := request(id, "root", "POST", path+"/retry", fmt.Sprintf(`{"reason":"%d"}`, version))
		all = x.wants(all, s, patiences, "an operator retries "+name, retry)
		if s.quiet(x) {
			act, what := retry, "an operator retries "
			if _, err := requestCompensation(st, "", st.At); err == nil && !s.captured(st) { // the payment would refuse it: only a retry helps
				act, what = request(id, "root", "POST", path+"/compensate", fmt.Sprintf(`{"reason":"%d"}`, version)), "an operator compensates "
			} else if _, err := skip(st, "", st.At); err == nil {
				act, what = request(id, "root", "POST", path+"/skip", fmt.Sprintf(`{"reason":"%d"}`, version)), "an operator skips a step of "
			}
			all = append(all, move{says(what, name), takesLong, func(n *state) { x.begin(n, act) }})
		}
	}
	return all
}

// captured reports whether the payment of a checkout knows that it was.
func (s *state) captured(of State) bool {
	p, ok := s.find(of.Checkout.PaymentID).State.(payment.State)
	return ok && p.Captured > 0
}

// quiet: nothing happens any more by itself, but for what time brings.
func (s *state) quiet(x *exploration) bool {
	return len(s.drivers) == 0 && len(s.waiting()) == 0 && s.bank.Told == s.bank.made() && !slices.ContainsFunc(x.sagas(s), s.due)
}

// leapsTo are moments at which something else has come to its end: the shopper's time at the bank, an operator's patience, the
// provider's memory of keys.
var leapsTo = []time.Duration{25 * time.Minute, 125 * time.Minute, 24*time.Hour + 5*time.Minute, 48*time.Hour + 5*time.Minute, 72*time.Hour + 5*time.Minute,
	96*time.Hour + 5*time.Minute, 120*time.Hour + 5*time.Minute, 144*time.Hour + 5*time.Minute}

func (x *exploration) time(all []move, s *state) []move {
	later := func(to time.Duration, calm int, left int8) move {
		return move{func() string { return "it is " + to.String() + " later than at first" }, calm, func(n *state) {
			n.leap(to)
			n.budget[mishaps] = left
		}}
	}
	if x.may(s, leap) {
		for _, to := range leapsTo[:3] {
			if to > s.clock {
				all = append(all, later(to, never, s.budget[mishaps]-1))
			}
		}
	}
	if !s.quiet(x) {
		return all
	}
	for _, id := range x.sagas(s) {
		if st, _ := s.saga(id); !wakeAt(st).IsZero() {
			if i := slices.IndexFunc(leapsTo, func(to time.Duration) bool { return to > s.clock }); i >= 0 {
				return append(all, later(leapsTo[i], takesLong, s.budget[mishaps]))
			}
		}
	}
	return all
}

// begin lets a driver loose.
func (x *exploration) begin(s *state, sp *spec) {
	d := &actor{spec: sp, born: s.clock, sum: sumOf([]byte(sp.name), number(s.clock))}
	s.drivers = append(slices.Clone(s.drivers), d)
}

// answer gives a driver what it waits for.
func (x *exploration) answer(s *state, d *actor, q *question, a answer) {
	s.replace(d, &actor{
		spec: d.spec, born: d.born, got: &heard{d.got, q.key, a, s.clock}, at: d.at,
		sum: sumOf(d.sum.bytes(), []byte(q.key), a.sum.bytes(), number(s.clock)),
	})
}

// serve answers a question to a store.
func (x *exploration) serve(s *state, q *question) answer {
	switch {
	case q.load != nil:
		return answer{row: s.find(*q.load), sum: s.sumOf(*q.load)}
	case q.once != nil:
		yes := s.receipt(q.once.ID) != nil
		return answer{yes: yes, sum: sumOf(fmt.Append(nil, yes))}
	}
	return x.commit(s, q.chain)
}

// commit decides a chain and writes what it comes to.
func (x *exploration) commit(s *state, chain []eventstore.Link) (a answer) {
	for i := range chain { // the stores of the program that runs now stand for those of any
		chain[i].Store = x.program.store(chain[i].Store.Schema())
	}
	decisions := eventstore.DecideOn(s.find, chain, s.receipt, s.now())
	for i, d := range decisions {
		cmd := chain[i].Command
		if d.Err == nil {
			s.put(d.Changed)
			if cmd.ID != uuid.Nil && !cmd.Harmless && s.receipt(cmd.ID) == nil {
				s.receipts = append(slices.Clone(s.receipts), receipt{cmd.ID, sumOf([]byte("receipt"), cmd.ID[:]), d.Receipt})
			}
			x.happened = append(x.happened, d.Events...)
			x.send(s, chain[i].Store, d)
		}
		x.tell(&a, s, chain[i], d)
	}
	return a
}

// send puts the events that have a handler into the outbox.
func (x *exploration) send(s *state, store *eventstore.Store, d eventstore.Decision) {
	for i, e := range d.Events {
		if !d.Unread[i] {
			continue
		}
		e.Meta.EventID = uuid.NewSHA1(e.Stream, strconv.AppendInt(nil, e.Version, 10))
		id := fmt.Sprintf("%s/%s/%d", e.Type, e.Stream, e.Version)
		if e.Type == eventstore.TypeOf(payment.RefundedElsewhere{}) { // of another amount, another one
			id += string(e.Data)
		}
		s.messages = append(slices.Clone(s.messages), &message{
			Recorded: e, schema: store.Schema(), id: id, saga: concerned(e), title: e.Type + " of " + x.program.called(e.Stream),
			sums: [2]sum{sumOf([]byte(id)), sumOf([]byte("once"), []byte(id))},
		})
	}
}

// tell adds the result of a command to an answer. A saga does not ask what became of the carts and orders: so it is not told, and remembers less.
func (x *exploration) tell(a *answer, s *state, l eventstore.Link, d eventstore.Decision) {
	if schema := l.Store.Schema(); d.Err == nil && l.Command.Meta.Actor == "saga" && (schema == "cart" || schema == "orders") {
		d.Receipt = eventstore.Receipt{}
	}
	a.results = append(a.results, d.Result)
	told := sumOf(fmt.Append(nil, d.Err))
	if d.Err == nil && d.Receipt.Stream != uuid.Nil {
		told = sumOf(s.sumOf(d.Receipt.Stream).bytes(), fmt.Append(nil, d.Receipt.Version, d.Receipt.Replayed))
	}
	a.sum = sumOf(a.sum.bytes(), told.bytes())
}

// concerned is the saga that a message is about.
func concerned(e eventstore.Recorded) uuid.UUID {
	var about struct {
		Checkout     uuid.UUID `json:"checkout_id"`
		Cancellation uuid.UUID `json:"cancellation_id"`
		ID           uuid.UUID `json:"id"`
	}
	_ = json.Unmarshal(e.Data, &about) // of those without, it is none
	switch e.Type {
	case eventstore.TypeOf(payment.RefundOrdered{}):
		return about.ID
	case eventstore.TypeOf(order.CancellationRequested{}):
		return about.Cancellation
	}
	return about.Checkout
}
