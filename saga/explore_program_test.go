package saga

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"hash/maphash"
	"log/slog"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
)

// program is the whole program, wired as main does, on streams in memory.
type program struct {
	carts    *cart.Module
	orders   *order.Module
	payments *restarted
	sagas    *Module
	web      *web.Server
	draining chan struct{} // nobody waits
	apart    bool          // each module has a database of its own

	now     *replay // what runs just now
	names   map[uuid.UUID]string
	points  map[sum]*point // of drivers that were run before
	replays int
}

const doubtful = time.Hour // how long a payment may stay in doubt

func newProgram() *program {
	p := &program{names: map[uuid.UUID]string{}, points: map[sum]*point{}, draining: make(chan struct{})}
	close(p.draining)
	db := p.database()
	p.carts = cart.New(cart.Config{Database: db})
	p.payments = &restarted{Module: p.newPayments()}
	p.payments.store = p.payments.Module.Store()
	p.orders = order.New(order.Config{Database: db, DrawNumber: func() int64 { return 1 }, Payments: noRefunds{}})
	p.sagas = New(Config{
		Database: db, StepDeadline: doubtful,
		Modules: Modules{Carts: p.carts, Orders: p.orders, Payments: p.payments},
	})
	p.web = web.New(web.Config{Auth: names{}, Log: db.Log})
	p.orders.Routes(p.web)
	p.sagas.Routes(p.web)
	return p
}

// noRefunds are payments of which nothing was given back, whenever an order asks.
type noRefunds struct{}

func (noRefunds) Refunding(context.Context, uuid.UUID) (int64, error) { return 0, nil }

// restarted are payments that begin anew with each replay, on the store that sagas have subscribed to.
type restarted struct {
	*payment.Module
	store *eventstore.Store
}

func (r *restarted) Store() *eventstore.Store { return r.store }

// newPayments is the payments of a process that has just begun: what stands before a provider counts calls, and remembers when.
func (p *program) newPayments() *payment.Module {
	return payment.New(payment.Config{Database: p.database(), Providers: []payment.Provider{wire{p}}})
}

func (p *program) database() eventstore.Database {
	return eventstore.Database{Committer: eventstore.NewCommitterOn(p), Log: slog.New(slog.DiscardHandler)}
}

// store is that of a schema, with its subscribers.
func (p *program) store(schema string) *eventstore.Store {
	switch schema {
	case p.carts.Store().Schema():
		return p.carts.Store()
	case p.orders.Store().Schema():
		return p.orders.Store()
	case p.sagas.Store().Schema():
		return p.sagas.Store()
	}
	return p.payments.Store()
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
		p.sagas.runner.begin(saga, pass{woken: true})
		return nil
	}}
}

// handling is a driver that handles a message.
func handling(m *message, saga uuid.UUID) *spec {
	return &spec{name: "handle " + m.id, saga: saga, message: m.id, start: func(ctx context.Context, p *program) error {
		ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
		defer cancel()
		return p.store(m.schema).Handle(ctx, m.Recorded)
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
func sumOfRow(id uuid.UUID, row eventstore.Row) sum {
	state := row.State
	if s, ok := state.(State); ok {
		s.Steps = append([]Step{}, s.Steps...)
		for i := range s.Steps {
			s.Steps[i].DueAt = s.Steps[i].DueAt.Truncate(grain)
		}
		state = s
	}
	return sumOf(id[:], encoded(state), number(row.Version))
}

// grain is longer than any pause between two attempts here, and a part of all other times.
const grain = 5 * time.Minute
