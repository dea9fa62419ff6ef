package eventstore_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

// pair is two stores for the tests of chains, on one committer or on two databases.
type pair struct {
	carts, orders *eventstore.Store
	committers    []*eventstore.Committer
	pools         map[*eventstore.Store]*database.Pools
	before        []eventstore.Link // sent before every chain, as its part
}

// newPair returns two stores on one committer that runs until the test ends.
func newPair(t *testing.T, config eventstore.CommitterConfig) *pair {
	t.Helper()
	w := newWaiting(t, config)
	w.begin(t)
	return &pair{
		carts: w.carts, orders: w.orders, committers: []*eventstore.Committer{w.committer},
		pools: map[*eventstore.Store]*database.Pools{w.carts: w.pools, w.orders: w.pools},
	}
}

// newPairApart returns two stores on databases of their own.
func newPairApart(t *testing.T) *pair {
	t.Helper()
	carts, orders := newPair(t, eventstore.CommitterConfig{Workers: 1}), newPair(t, eventstore.CommitterConfig{Workers: 1})
	return &pair{
		carts: carts.carts, orders: orders.orders, committers: slices.Concat(carts.committers, orders.committers),
		pools: map[*eventstore.Store]*database.Pools{carts.carts: carts.pools[carts.carts], orders.orders: orders.pools[orders.orders]},
	}
}

// failingOnce returns a command that fails the transaction of a chain, and succeeds when it is sent alone.
func failingOnce(s *eventstore.Store) eventstore.Link {
	var failed atomic.Bool
	return eventstore.Link{Store: s, Command: eventstore.Command{Harmless: true, Decide: func(tx *eventstore.Tx) error {
		if failed.CompareAndSwap(false, true) {
			tx.Exec("select 1 / 0")
		}
		return nil
	}}}
}

// chain sends links and returns the results of those that were decided.
func (p *pair) chain(t *testing.T, links ...eventstore.Link) []eventstore.Result {
	t.Helper()
	if p.before == nil {
		return eventstore.Chain(t.Context(), links...)
	}
	results := eventstore.Chain(t.Context(), append([]eventstore.Link{failingOnce(links[0].Store)}, links...)...)
	require.NoError(t, results[0].Err)
	return results[1:]
}

// requireDone sends links and requires that each is done. It returns the receipts.
func (p *pair) requireDone(t *testing.T, links ...eventstore.Link) (receipts []eventstore.Receipt) {
	t.Helper()
	results := p.chain(t, links...)
	require.Len(t, results, len(links))
	for i, r := range results {
		require.NoError(t, r.Err, "command %d", i)
		receipts = append(receipts, r.Receipt)
	}
	return receipts
}

// commits returns the number of transactions since the start.
func (p *pair) commits() (n int) {
	for _, c := range p.committers {
		n += int(c.Counts().Batches)
	}
	return n
}

// count counts the rows of a table of a store.
func (p *pair) count(t *testing.T, s *eventstore.Store, table string) (n int) {
	t.Helper()
	require.NoError(t, p.pools[s].Query.QueryRow(t.Context(), "select count(*) from "+s.Schema()+"."+table).Scan(&n))
	return n
}

func (p *pair) things(t *testing.T, s *eventstore.Store, id uuid.UUID) []string {
	t.Helper()
	found, err := jars.Load(t.Context(), s, id)
	require.NoError(t, err)
	return found.State.Things
}

// link returns a command of a chain on one jar. It appends the events that decide returns.
func link(s *eventstore.Store, id uuid.UUID, decide func(tx *eventstore.Tx, j jar) ([]jarEvent, error)) eventstore.Link {
	return eventstore.Link{Store: s, Command: eventstore.Command{
		ID: uuid.New(), Streams: []eventstore.Ref{jars.Ref(id)},
		Decide: func(tx *eventstore.Tx) error {
			events, err := decide(tx, jars.Get(tx, id).State)
			jars.Append(tx, id, events...)
			return err
		},
	}}
}

// puts returns a command that puts a thing into a jar, unless it is closed.
func puts(s *eventstore.Store, id uuid.UUID, thing string) eventstore.Link {
	return link(s, id, func(_ *eventstore.Tx, j jar) ([]jarEvent, error) {
		if j.Closed {
			return nil, errClosed
		}
		return []jarEvent{put{thing}}, nil
	})
}

func closes(s *eventstore.Store, id uuid.UUID) eventstore.Link {
	return link(s, id, func(*eventstore.Tx, jar) ([]jarEvent, error) { return []jarEvent{closed{}}, nil })
}

// TestChain runs every rule of a chain in one transaction, on two databases, and one by one after the transaction failed.
func TestChain(t *testing.T) {
	t.Parallel()
	ways := map[string]func(t *testing.T) *pair{
		"Together": func(t *testing.T) *pair { return newPair(t, eventstore.CommitterConfig{Workers: 1}) },
		"Apart":    newPairApart,
		"Dissolved": func(t *testing.T) *pair {
			p := newPair(t, eventstore.CommitterConfig{Workers: 1})
			p.before = []eventstore.Link{failingOnce(p.carts)}
			return p
		},
	}
	rules := map[string]func(t *testing.T, p *pair){
		"InOrder":            chainInOrder,
		"StopsAtARefusal":    chainStopsAtARefusal,
		"StopsAtStop":        chainStops,
		"Repeated":           chainRepeated,
		"KeyReused":          chainKeyReused,
		"Earlier":            chainEarlier,
		"Harmless":           chainHarmless,
		"LinksStayAsTheyAre": chainLeavesItsLinks,
	}
	for way, open := range ways {
		for name, rule := range rules {
			t.Run(way+"/"+name, func(t *testing.T) {
				t.Parallel()
				rule(t, open(t))
			})
		}
	}
}

// chainInOrder: each command sees what the ones before it left, in both stores, and has its own receipt.
func chainInOrder(t *testing.T, p *pair) {
	cart, order := uuid.New(), uuid.New()
	var seen [][]string
	sees := func(s *eventstore.Store, id uuid.UUID, thing string) eventstore.Link {
		return link(s, id, func(_ *eventstore.Tx, j jar) ([]jarEvent, error) {
			seen = append(seen, j.Things)
			return []jarEvent{put{thing}}, nil
		})
	}
	links := []eventstore.Link{sees(p.carts, cart, "a"), sees(p.orders, order, "b"), sees(p.carts, cart, "c"), sees(p.orders, order, "d")}
	reads := eventstore.Link{Store: p.carts, Command: eventstore.Command{Reads: []eventstore.Ref{jars.Ref(cart)}, Decide: func(tx *eventstore.Tx) error {
		seen = append(seen, jars.Get(tx, cart).State.Things)
		return nil
	}}}
	before := p.commits()
	receipts := p.requireDone(t, append(links, reads)...)
	if p.before == nil && len(p.committers) == 1 {
		require.Equal(t, before+1, p.commits(), "one transaction")
	}
	if p.before != nil {
		seen = seen[len(seen)-5:] // after the transaction that failed
	}
	require.Equal(t, [][]string{nil, nil, {"a"}, {"b"}, {"a", "c"}}, seen)
	for i, id := range []uuid.UUID{cart, order, cart, order} {
		require.Equal(t, id, receipts[i].Stream)
		require.EqualValues(t, 1+i/2, receipts[i].Version)
		require.False(t, receipts[i].Replayed)
	}
	for i, s := range []*eventstore.Store{p.carts, p.orders} {
		events, err := s.ReadLog(t.Context(), 0, 10, eventstore.Filter{})
		require.NoError(t, err)
		require.Len(t, events, 2)
		for n, e := range events {
			require.EqualValues(t, n+1, e.Version)
			require.Equal(t, links[i+2*n].Command.ID, e.Meta.Causation, "each event belongs to its command")
		}
		require.Equal(t, 3-i, p.count(t, s, "receipts"))
	}
}

// chainStopsAtARefusal: the commands before the refusal are done. The refused command and the commands after it write nothing.
func chainStopsAtARefusal(t *testing.T, p *pair) {
	for _, s := range []*eventstore.Store{p.carts, p.orders} {
		eventstore.Subscribe(s, "never", func(context.Context, eventstore.Message[put]) error { return errors.New("keep the row") })
		_, err := p.pools[s].Control.Exec(t.Context(), "create table "+s.Schema()+".marks (mark text)")
		require.NoError(t, err)
	}
	marks := func(l eventstore.Link) eventstore.Link {
		decide := l.Command.Decide
		l.Command.Decide = func(tx *eventstore.Tx) error {
			tx.Exec("insert into " + l.Store.Schema() + ".marks values ('x')")
			return decide(tx)
		}
		return l
	}
	cart, order, never := uuid.New(), uuid.New(), uuid.New()
	refused := link(p.orders, order, func(*eventstore.Tx, jar) ([]jarEvent, error) { return []jarEvent{put{"refused"}}, errClosed })
	behind := puts(p.carts, never, "behind")
	decided := false
	decide := behind.Command.Decide
	behind.Command.Decide = func(tx *eventstore.Tx) error { decided = true; return decide(tx) }
	results := p.chain(t, marks(puts(p.carts, cart, "a")), marks(puts(p.orders, order, "b")), marks(refused), marks(behind), marks(puts(p.orders, order, "c")))
	require.Len(t, results, 3)
	require.NoError(t, results[0].Err)
	require.NoError(t, results[1].Err)
	require.ErrorIs(t, results[2].Err, errClosed)
	require.Zero(t, results[2].Receipt)
	require.False(t, decided)
	for s, id := range map[*eventstore.Store]uuid.UUID{p.carts: cart, p.orders: order} {
		require.Len(t, p.things(t, s, id), 1)
		for _, table := range []string{"events", "streams", "receipts", "outbox", "marks"} {
			require.Equal(t, 1, p.count(t, s, table), "%s.%s", s.Schema(), table)
		}
	}
}

// chainStops: a command that calls Stop is done and is the last.
func chainStops(t *testing.T, p *pair) {
	cart, order := uuid.New(), uuid.New()
	stops := link(p.orders, order, func(tx *eventstore.Tx, _ jar) ([]jarEvent, error) {
		tx.Stop()
		return []jarEvent{put{"b"}}, nil
	})
	results := p.chain(t, puts(p.carts, cart, "a"), stops, puts(p.carts, cart, "c"))
	require.Len(t, results, 2)
	require.NoError(t, results[0].Err)
	require.NoError(t, results[1].Err)
	require.EqualValues(t, 1, results[1].Receipt.Version)
	require.Equal(t, []string{"a"}, p.things(t, p.carts, cart))
	require.Equal(t, []string{"b"}, p.things(t, p.orders, order))
}

// chainRepeated: commands that were done return their receipts, and the chain continues behind them.
func chainRepeated(t *testing.T, p *pair) {
	cart, order := uuid.New(), uuid.New()
	links := []eventstore.Link{puts(p.carts, cart, "a"), puts(p.orders, order, "b"), puts(p.carts, cart, "c")}
	first := p.requireDone(t, links[:2]...)
	for i, r := range p.requireDone(t, links...) {
		require.Equal(t, i < 2, r.Replayed)
		if i < 2 {
			require.Equal(t, first[i].Version, r.Version)
			require.Equal(t, first[i].Stream, r.Stream)
		}
	}
	for _, r := range p.requireDone(t, links...) {
		require.True(t, r.Replayed)
	}
	twin := puts(p.orders, order, "d")
	receipts := p.requireDone(t, twin, puts(p.orders, order, "e"), twin)
	require.False(t, receipts[0].Replayed)
	require.True(t, receipts[2].Replayed, "the same command twice in one chain")
	require.EqualValues(t, 2, receipts[2].Version)
	require.Equal(t, []string{"a", "c"}, p.things(t, p.carts, cart))
	require.Equal(t, []string{"b", "d", "e"}, p.things(t, p.orders, order))
}

func chainKeyReused(t *testing.T, p *pair) {
	cart := uuid.New()
	first, other := puts(p.carts, cart, "a"), puts(p.carts, cart, "b")
	p.requireDone(t, first)
	other.Command.ID, other.Command.Fingerprint = first.Command.ID, []byte("other")
	results := p.chain(t, puts(p.orders, uuid.New(), "x"), other, puts(p.carts, cart, "c"))
	require.Len(t, results, 2)
	require.ErrorIs(t, results[1].Err, eventstore.ErrKeyReused)
	require.Equal(t, []string{"a"}, p.things(t, p.carts, cart))
}

// chainEarlier: a command sees the events of the commands before it in its chain, and no others.
func chainEarlier(t *testing.T, p *pair) {
	cart, order := uuid.New(), uuid.New()
	type found struct {
		thing string
		ok    bool
	}
	seen := map[string]found{}
	looks := func(s *eventstore.Store, id uuid.UUID, name string, things ...string) eventstore.Link {
		return link(s, id, func(tx *eventstore.Tx, _ jar) (events []jarEvent, err error) {
			for _, thing := range things {
				events = append(events, put{thing})
			}
			e, ok := eventstore.Earlier[put](tx)
			seen[name] = found{e.Thing, ok}
			return events, nil
		})
	}
	p.requireDone(t, puts(p.carts, uuid.New(), "of another chain"))
	first := looks(p.carts, cart, "first", "a", "b")
	p.requireDone(t, first, closes(p.orders, uuid.New()), looks(p.orders, order, "second"), looks(p.orders, order, "third", "c"), looks(p.carts, cart, "fourth"))
	require.Equal(t, map[string]found{"first": {}, "second": {"b", true}, "third": {"b", true}, "fourth": {"c", true}}, seen)
	clear(seen)
	p.requireDone(t, first, looks(p.orders, order, "second"), looks(p.carts, cart, "third", "d"), looks(p.orders, order, "fourth"))
	require.Equal(t, map[string]found{"second": {}, "third": {}, "fourth": {"d", true}}, seen, "the events of a repeated command are not known")
	p.requireDone(t, puts(p.orders, order, "e"), link(p.orders, order, func(tx *eventstore.Tx, _ jar) ([]jarEvent, error) {
		_, ok := eventstore.Earlier[closed](tx)
		require.False(t, ok, "another type")
		return nil, nil
	}))
}

// chainHarmless: a harmless command has no receipt. Repeated, it is decided again.
func chainHarmless(t *testing.T, p *pair) {
	cart, order := uuid.New(), uuid.New()
	once := func(s *eventstore.Store, id uuid.UUID) eventstore.Link {
		l := link(s, id, func(_ *eventstore.Tx, j jar) ([]jarEvent, error) {
			if len(j.Things) > 0 {
				return nil, nil
			}
			return []jarEvent{put{"once"}}, nil
		})
		l.Command.Harmless = true
		return l
	}
	links := []eventstore.Link{once(p.carts, cart), once(p.orders, order), puts(p.orders, uuid.New(), "b")}
	for n := range 3 {
		for i, r := range p.requireDone(t, links...) {
			require.Equal(t, n > 0 && i == 2, r.Replayed)
			require.EqualValues(t, 1, r.Version)
		}
	}
	for range 2 { // alone, so on the fast path
		receipts := p.requireDone(t, once(p.carts, cart))
		require.EqualValues(t, 1, receipts[0].Version)
		p.requireDone(t, once(p.carts, uuid.New()))
	}
	require.Equal(t, []string{"once"}, p.things(t, p.carts, cart))
	require.Equal(t, []string{"once"}, p.things(t, p.orders, order))
	require.Equal(t, 3, p.count(t, p.carts, "events"))
	require.Zero(t, p.count(t, p.carts, "receipts"))
	require.Equal(t, 1, p.count(t, p.orders, "receipts"))
}

// chainLeavesItsLinks: a caller may send the same links again. Commands without an id are new each time.
func chainLeavesItsLinks(t *testing.T, p *pair) {
	cart := uuid.New()
	links := []eventstore.Link{puts(p.carts, cart, "a"), puts(p.carts, cart, "b")}
	for i := range links {
		links[i].Command.ID = uuid.Nil
	}
	for range 2 {
		p.requireDone(t, links...)
	}
	require.Equal(t, []string{"a", "b", "a", "b"}, p.things(t, p.carts, cart))
}

// TestChainHandles: an event needs no row of the outbox and no call of its handler if a later command of its chain takes the place of its
// only subscription. Otherwise it has both.
func TestChainHandles(t *testing.T) {
	t.Parallel()
	const name = "follow"
	answers := func(s *eventstore.Store, id uuid.UUID, e jarEvent) eventstore.Link {
		l := link(s, id, func(*eventstore.Tx, jar) ([]jarEvent, error) { return []jarEvent{e}, nil })
		l.Handles = name
		return l
	}
	refuses := func(s *eventstore.Store, id uuid.UUID) eventstore.Link {
		l := link(s, id, func(*eventstore.Tx, jar) ([]jarEvent, error) { return nil, errClosed })
		l.Handles = name
		return l
	}
	stops := func(s *eventstore.Store) eventstore.Link {
		return eventstore.Link{Store: s, Command: eventstore.Command{Decide: func(tx *eventstore.Tx) error { tx.Stop(); return nil }}}
	}
	type links = []eventstore.Link
	for title, c := range map[string]struct {
		apart, dissolved, other bool
		links                   func(p *pair, a, b uuid.UUID) links
		unhandled               int
	}{
		"Handled": {links: func(p *pair, a, b uuid.UUID) links {
			return links{puts(p.carts, a, "a"), answers(p.orders, b, closed{})}
		}},
		"HandledByTheSameStore": {links: func(p *pair, a, b uuid.UUID) links {
			return links{puts(p.carts, a, "a"), puts(p.carts, a, "b"), answers(p.carts, b, closed{})}
		}},
		"NotItsOwnEvents": {unhandled: 1, links: func(p *pair, a, b uuid.UUID) links {
			return links{puts(p.carts, a, "a"), answers(p.carts, b, put{"own"})}
		}},
		"NotLaterEvents": {unhandled: 1, links: func(p *pair, a, b uuid.UUID) links {
			return links{puts(p.carts, a, "a"), answers(p.orders, b, closed{}), puts(p.carts, a, "b")}
		}},
		"ByAnotherSubscription": {unhandled: 1, links: func(p *pair, a, b uuid.UUID) links {
			l := answers(p.orders, b, closed{})
			l.Handles = "another"
			return links{puts(p.carts, a, "a"), l}
		}},
		"TwoSubscriptions": {unhandled: 1, other: true, links: func(p *pair, a, b uuid.UUID) links {
			return links{puts(p.carts, a, "a"), answers(p.orders, b, closed{})}
		}},
		"Refused": {unhandled: 1, links: func(p *pair, a, b uuid.UUID) links { return links{puts(p.carts, a, "a"), refuses(p.orders, b)} }},
		"StoppedBefore": {unhandled: 1, links: func(p *pair, a, b uuid.UUID) links {
			return links{puts(p.carts, a, "a"), stops(p.orders), answers(p.orders, b, closed{})}
		}},
		"RefusedBefore": {unhandled: 1, links: func(p *pair, a, b uuid.UUID) links {
			l := refuses(p.orders, b)
			l.Handles = ""
			return links{puts(p.carts, a, "a"), l, answers(p.orders, b, closed{})}
		}},
		"Apart": {unhandled: 1, apart: true, links: func(p *pair, a, b uuid.UUID) links {
			return links{puts(p.carts, a, "a"), answers(p.orders, b, closed{})}
		}},
		"Dissolved": {unhandled: 1, dissolved: true, links: func(p *pair, a, b uuid.UUID) links {
			return links{puts(p.carts, a, "a"), answers(p.orders, b, closed{})}
		}},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			var p *pair
			if c.apart {
				p = newPairApart(t)
			} else {
				p = newPair(t, eventstore.CommitterConfig{Workers: 1})
			}
			if c.dissolved {
				p.before = []eventstore.Link{failingOnce(p.carts)}
			}
			var calls atomic.Int64
			for _, subscription := range []string{name, "other"}[:1+count(c.other)] {
				eventstore.Subscribe(p.carts, subscription, func(context.Context, eventstore.Message[put]) error {
					if subscription == name {
						calls.Add(1)
					}
					return errors.New("keep the row")
				})
			}
			p.chain(t, c.links(p, uuid.New(), uuid.New())...)
			p.carts.AwaitHandlers()
			require.EqualValues(t, c.unhandled, calls.Load())
			require.Equal(t, c.unhandled, p.count(t, p.carts, "outbox"))
		})
	}
}

// TestChainHandledBefore: the events of a chain need no row either if the command that takes the place of their handler was done before.
func TestChainHandledBefore(t *testing.T) {
	t.Parallel()
	p := newPair(t, eventstore.CommitterConfig{Workers: 1})
	eventstore.Subscribe(p.carts, "follow", func(context.Context, eventstore.Message[put]) error { return errors.New("keep the row") })
	follows := closes(p.orders, uuid.New())
	follows.Handles = "follow"
	p.requireDone(t, follows)
	p.requireDone(t, puts(p.carts, uuid.New(), "a"), follows)
	p.carts.AwaitHandlers()
	require.Zero(t, p.count(t, p.carts, "outbox"))
}

// TestChainThatFailsInTheDatabase: the commands before the one that the database refuses commit. That one fails alone.
func TestChainThatFailsInTheDatabase(t *testing.T) {
	t.Parallel()
	keyed := jarsOf(1)
	keyed.Index = func(j jar, _ time.Time) eventstore.Index { return eventstore.Index{Key: j.Things[0]} }
	b := setupOn(t, pgtest.New(t), keyed)
	keys := func(thing string, sql ...string) eventstore.Link {
		id := uuid.New()
		return eventstore.Link{Store: b.store, Command: eventstore.Command{
			ID: uuid.New(), Streams: []eventstore.Ref{keyed.Ref(id)}, Decide: func(tx *eventstore.Tx) error {
				keyed.Append(tx, id, put{thing})
				for _, s := range sql {
					tx.Exec(s)
				}
				return nil
			},
		}}
	}
	require.NoError(t, eventstore.Chain(t.Context(), keys("taken"))[0].Err)
	for text, bad := range map[string]eventstore.Link{"streams_key": keys("taken"), "division by zero": keys("free", "select 1 / 0")} {
		results := eventstore.Chain(t.Context(), keys(text+" before"), bad, keys(text+" behind"))
		require.Len(t, results, 2, text)
		require.NoError(t, results[0].Err)
		require.ErrorContains(t, results[1].Err, text)
		require.NotErrorIs(t, results[1].Err, eventstore.ErrUnavailable)
	}
	require.Equal(t, 3, b.count(t, "select count(*) from cart.events"))
	require.Equal(t, 3, b.count(t, "select count(*) from cart.receipts"))
	require.Zero(t, b.count(t, "select count(*) from cart.events where data->>'thing' like '%behind'"))
}

// TestChainHarmsNoNeighbour: a chain that fails the transaction of a batch leaves the other chains of the batch together.
func TestChainHarmsNoNeighbour(t *testing.T) {
	t.Parallel()
	w := newWaiting(t, eventstore.CommitterConfig{Workers: 1})
	bad := puts(w.orders, uuid.New(), "b")
	bad.Command.Decide = func(tx *eventstore.Tx) error { tx.Exec("select 1 / 0"); return nil }
	answers := make(chan []eventstore.Result, 3)
	sends := func(links ...eventstore.Link) {
		before := w.committer.Waiting()
		go func() { answers <- eventstore.Chain(context.Background(), links...) }()
		require.Eventually(t, func() bool { return w.committer.Waiting() == before+1 }, patience, idle, "a chain waits as one")
	}
	sends(puts(w.carts, uuid.New(), "a"), puts(w.orders, uuid.New(), "a"))
	sends(puts(w.carts, uuid.New(), "a"), bad)
	sends(puts(w.carts, uuid.New(), "a"), puts(w.orders, uuid.New(), "a"))
	w.begin(t)
	failed := 0
	for range 3 {
		results := <-answers
		require.Len(t, results, 2)
		require.NoError(t, results[0].Err)
		if results[1].Err != nil {
			require.ErrorContains(t, results[1].Err, "division by zero")
			failed++
		}
	}
	require.Equal(t, 1, failed)
	require.EqualValues(t, 3, w.committer.Counts().Batches, "two chains and the first command of the third")
}

// TestChainBehindALock: if another session holds the lock of one command, the commands before it commit, and it waits.
func TestChainBehindALock(t *testing.T) {
	t.Parallel()
	w := newWaiting(t, eventstore.CommitterConfig{Workers: 1, Locked: time.Hour})
	w.begin(t)
	held := uuid.New()
	require.NoError(t, <-w.put(w.orders, held, "first"))
	release := w.lock(t, "select from orders.streams where id = '"+held.String()+"' for update")
	var chains []chan []eventstore.Result
	for _, when := range []string{"the lock was not known", "a command waits for it"} {
		answer, free := make(chan []eventstore.Result, 1), uuid.New()
		chains = append(chains, answer)
		go func() {
			answer <- eventstore.Chain(context.Background(), puts(w.carts, free, "a"), puts(w.orders, held, "b"), puts(w.carts, free, "c"))
		}()
		require.Eventually(t, func() bool {
			found, err := jars.Load(t.Context(), w.carts, free)
			return err == nil && found.Version == 1
		}, patience, idle, when)
		require.NoError(t, <-w.put(w.carts, free, "beside"))
		require.Empty(t, answer, "it waits: %s", when)
	}
	release()
	for _, answer := range chains {
		results := <-answer
		require.Len(t, results, 3)
		for _, r := range results {
			require.NoError(t, r.Err)
		}
		require.EqualValues(t, 1, results[0].Receipt.Version)
		require.EqualValues(t, 3, results[2].Receipt.Version, "behind the command beside it")
	}
	found, err := jars.Load(t.Context(), w.orders, held)
	require.NoError(t, err)
	require.Equal(t, []string{"first", "b", "b"}, found.State.Things)
}
