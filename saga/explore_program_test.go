package saga

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"hash/maphash"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/eventstore/memory"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// program is the whole program, wired as main does, on streams in memory.
type program struct {
	carts    *cart.Module
	orders   *order.Module
	payments *payment.Module
	sagas    *Module
	web      *web.Server
	draining chan struct{} // nobody waits

	now     *replay // what runs just now
	names   map[uuid.UUID]string
	points  map[sum]*point // of drivers that were run before
	replays int
}

const doubtful = time.Hour // how long a payment may stay in doubt

func newProgram() *program {
	p := &program{names: map[uuid.UUID]string{}, points: map[sum]*point{}, draining: make(chan struct{})}
	close(p.draining)
	c, log := memory.Committer(p), slog.New(slog.DiscardHandler)
	p.carts = cart.New(cart.Config{Committer: c, Log: log})
	p.orders = order.New(order.Config{
		Committer: c, Log: log, DrawNumbers: func(context.Context) ([]int64, error) { return []int64{1}, nil },
		CheckoutEnded: func(ctx context.Context, id uuid.UUID) (bool, error) { return p.sagas.CheckoutEnded(ctx, id) },
	})
	p.payments = payment.New(payment.Config{Committer: c, Log: log, Providers: []payment.Provider{wire{p}}})
	p.sagas = New(Config{
		Committer: c, Log: log, Patience: doubtful,
		Stores: map[string]*eventstore.Store{"cart": p.carts.Store(), "order": p.orders.Store(), "payment": p.payments.Store()},
		Rooms: Rooms{
			CheckOut: p.carts.CheckOut, CartVisible: p.carts.Visible, Cart: p.carts.Handle, Order: p.orders.Handle,
			Charge: p.payments.Charge, UndoPayment: p.payments.Undo, CancelPayment: p.payments.Cancel, OrderPaid: p.orders.Paid,
			RequestRefund: p.payments.RequestRefund, Refund: p.payments.Refund, RefundsUnderWay: p.payments.RefundsUnderWay,
			SettlePayment: p.payments.Settle, VerifyPayment: p.payments.Verify,
		},
	})
	p.web = web.New(web.Config{Auth: names{}, Log: log})
	p.orders.Routes(p.web)
	p.sagas.Routes(p.web)
	return p
}

// store is that of a schema.
func (p *program) store(schema string) *eventstore.Store {
	for _, s := range []*eventstore.Store{p.carts.Store(), p.orders.Store(), p.payments.Store(), p.sagas.Store()} {
		if s.Schema() == schema {
			return s
		}
	}
	panic("no store " + schema)
}

// called is a stream's name in stories.
func (p *program) called(id uuid.UUID) string {
	if name, ok := p.names[id]; ok {
		return name
	}
	return id.String()[:8]
}

func (p *program) named(reference string) string { return p.called(uuid.MustParse(reference)) }

// request is a driver that does what a client asks for over HTTP.
func request(saga uuid.UUID, as, method, path, body string) *spec {
	name := as + ": " + method + " " + path + " " + body
	return &spec{name: name, saga: saga, briefly: true, start: func(ctx context.Context, p *program) error {
		r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+as)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", strings.ReplaceAll(path, "/", "-")+"-"+uuid.NewSHA1(commandSpace, []byte(body)).String()[:8])
		p.web.ServeHTTP(httptest.NewRecorder(), r)
		return nil
	}}
}

// looking is a driver that looks at a saga, since it is due or something happened.
func looking(saga uuid.UUID) *spec {
	return &spec{name: "look at " + saga.String(), saga: saga, start: func(_ context.Context, p *program) error {
		p.sagas.runner.begin(saga, round{woken: true})
		return nil
	}}
}

// handling is a driver that handles a message.
func handling(m *message, saga uuid.UUID) *spec {
	return &spec{name: "handle " + m.id, saga: saga, message: m.id, start: func(ctx context.Context, p *program) error {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		return memory.Deliver(ctx, p.store(m.schema), m.Recorded)
	}}
}

// sum is a hash that is wide enough to be taken for what it sums up.
type sum [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func sumOf(parts ...[]byte) sum {
	all := bytes.Join(parts, []byte{0})
	return sum{maphash.Bytes(seeds[0], all), maphash.Bytes(seeds[1], all)}
}

// and adds what stands in no order.
func (s sum) and(other sum) sum { return sum{s[0] + other[0], s[1] + other[1]} }

func (s sum) bytes() []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, s[0]), s[1])
}

func encoded(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

// sumOfRow takes states that differ by luck alone for one: pauses between two attempts are drawn.
func sumOfRow(id uuid.UUID, row memory.Row) sum {
	state := row.State
	if s, ok := state.(State); ok {
		s.Steps = append([]Step{}, s.Steps...)
		for i := range s.Steps {
			s.Steps[i].DueAt = s.Steps[i].DueAt.Truncate(grain)
		}
		state = s
	}
	return sumOf(id[:], encoded(state), []byte{byte(row.Version)})
}

// grain is longer than any pause between two attempts here, and a part of all other times.
const grain = 5 * time.Minute

// eventually is a helper of the exploration: a checkout that is about to begin.
type shopping struct {
	cart, checkout, order, payment uuid.UUID
	total                          int64
}

// sealed lets a shopper fill a cart and check it out, by the program itself.
func (x *exploration) sealed(s *state, customer string, n byte, lines ...cart.Line) shopping {
	t, p := x.t, x.program
	sh := shopping{cart: uuid.UUID{0: 0xca, 15: n}}
	for _, l := range lines {
		sh.total += l.Total()
	}
	x.say(s, "cart", sh.cart, cart.Created{CustomerID: customer, Currency: "GBP"})
	for _, l := range lines {
		x.say(s, "cart", sh.cart, cart.ItemAdded{Line: l})
	}
	d := &actor{sum: sumOf([]byte(customer)), spec: &spec{name: "check out", start: func(ctx context.Context, p *program) error {
		_, err := p.carts.CheckOut(ctx, cart.CheckOut{
			CartID: sh.cart, Caller: web.Caller{Subject: customer}, PaymentMethod: "card",
			Write: web.Write{ID: uuid.UUID{0: 0xcc, 15: n}, Actor: customer},
		})
		return err
	}}}
	s.drivers = append(s.drivers, d)
	x.settle(s)
	for len(s.drivers) > 0 {
		x.step(s, x.moves(s)[0])
	}
	var sealed cart.CheckedOut
	m := s.messages[len(s.messages)-1]
	require.NoError(t, json.Unmarshal(m.Data, &sealed))
	sh.checkout, sh.order, sh.payment = sealed.CheckoutID, sealed.OrderID, sealed.PaymentID
	suffix := ""
	if n > 1 {
		suffix = " " + customer
	}
	for id, name := range map[uuid.UUID]string{sh.cart: "the cart", sh.checkout: "the saga", sh.order: "the order", sh.payment: "the payment"} {
		p.names[id] = name + suffix
	}
	x.shoppings = append(x.shoppings, sh)
	return sh
}

func (x *exploration) say(s *state, schema string, stream uuid.UUID, e eventstore.Event) {
	x.commit(s, x.program.store(schema), memory.Say(x.program.store(schema), stream, e))
}

var _ http.Handler = (*web.Server)(nil)

var price = func(amount int64) money.Amount { return money.Of(amount, "GBP") }
