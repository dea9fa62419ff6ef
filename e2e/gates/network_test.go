package gates

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin/reconcile"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
)

var networkMinutes = flag.Float64("network-minutes", 0,
	"how long each of the tests of the network goes on, with every kind of trouble in turn; a few short ones when 0")

// wire is a stretch of it, between the program and what it talks to, that fails as a test says.
type wire struct{ *toxiproxy.Proxy }

// newWire leads to an address, from one of its own, until the test ends.
func newWire(t *testing.T, to string) wire {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n := wire{toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", to)}
	require.NoError(t, n.Start())
	t.Cleanup(n.Stop)
	return n
}

// toxic is one thing that goes wrong on the way, upstream (requests) or downstream (answers).
type toxic struct {
	Type       string           `json:"type"`
	Stream     string           `json:"stream"`
	Attributes map[string]int64 `json:"attributes"`
}

func (x toxic) String() string {
	text := x.Type + " " + x.Stream
	for _, name := range slices.Sorted(maps.Keys(x.Attributes)) {
		text += fmt.Sprintf(" %s=%d", name, x.Attributes[name])
	}
	return text
}

// ails lets all of them go wrong at once; none of them: it is cut.
func (w wire) ails(t *testing.T, all []toxic) {
	t.Helper()
	if len(all) == 0 {
		w.Stop()
	}
	for _, one := range all {
		text, err := json.Marshal(one)
		require.NoError(t, err)
		_, err = w.Toxics.AddToxicJson(strings.NewReader(string(text)))
		require.NoError(t, err)
	}
}

// heals carries everything again. What stood on a silent connection stays there until that is given up.
func (w wire) heals(t *testing.T) {
	t.Helper()
	for _, one := range w.Toxics.GetToxicArray() {
		if x := one.(*toxics.ToxicWrapper); x.Type == "silence" {
			x.Toxic.(*silence).over.Store(true)
		} else {
			require.NoError(t, w.Toxics.RemoveToxic(t.Context(), x.Name))
		}
	}
	harness.Until(t, "the address is free", func() bool { return w.Enabled || w.Start() == nil })
}

// clear lets go of what is still silent: both ends hear that those connections are gone.
func (w wire) clear(t *testing.T) { w.Toxics.ResetToxics(t.Context()) }

// silence is what a firewall does that lost its memory: what stood before carries nothing more, and nobody is told. While it
// lasts so does what is new; when it is over that goes through.
type silence struct{ over atomic.Bool }

// NewState is part of toxics.StatefulToxic: it says of a connection whether it is silent.
func (s *silence) NewState() any { return !s.over.Load() }

// Pipe is part of toxics.Toxic.
func (s *silence) Pipe(stub *toxics.ToxicStub) {
	if stub.State.(bool) {
		new(toxics.TimeoutToxic).Pipe(stub)
	} else {
		new(toxics.NoopToxic).Pipe(stub)
	}
}

// Cleanup is part of toxics.CleanupToxic.
func (s *silence) Cleanup(stub *toxics.ToxicStub) {
	if stub.State.(bool) {
		stub.Close()
	}
}

// crumbs passes data on in small pieces, with a delay in microseconds before each. toxiproxy's slicer does so too, and waits for ever if the other
// end is gone while the toxic is removed.
type crumbs struct {
	Size  int   `json:"size"`
	Delay int64 `json:"delay"`
}

// Pipe is part of toxics.Toxic.
func (c *crumbs) Pipe(stub *toxics.ToxicStub) {
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			if !c.pass(stub, chunk) {
				return
			}
		}
	}
}

// pass passes a chunk on. It reports false if it was interrupted; then the rest went on in one piece, or its end is gone.
func (c *crumbs) pass(stub *toxics.ToxicStub, chunk *stream.StreamChunk) bool {
	for rest := chunk.Data; len(rest) > 0; {
		piece := rest[:min(c.Size, len(rest))]
		select {
		case <-time.After(time.Duration(c.Delay) * time.Microsecond):
		case <-stub.Interrupt:
			_ = stub.WriteOutput(&stream.StreamChunk{Data: rest, Timestamp: chunk.Timestamp}, time.Second)
			return false
		}
		select {
		case stub.Output <- &stream.StreamChunk{Data: piece, Timestamp: chunk.Timestamp}:
			rest = rest[len(piece):]
		case <-stub.Interrupt:
			_ = stub.WriteOutput(&stream.StreamChunk{Data: rest, Timestamp: chunk.Timestamp}, time.Second)
			return false
		}
	}
	return true
}

func init() {
	toxics.Register("silence", new(silence))
	toxics.Register("crumbs", new(crumbs))
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics have a log of their own
}

// trouble is a way in which a network fails.
type trouble struct {
	name string
	draw func(*rand.Rand) []toxic
}

func up(kind string, attributes map[string]int64) toxic { return toxic{kind, "upstream", attributes} }

func down(kind string, attributes map[string]int64) toxic {
	return toxic{kind, "downstream", attributes}
}

// some is an attribute between two values.
func some(luck *rand.Rand, name string, from, to int64) map[string]int64 {
	return map[string]int64{name: from + luck.Int64N(to-from)}
}

// troubles by what the other side notices: nothing but delay, an end, or nothing at all.
var troubles = [][]trouble{
	{
		{"slow", func(luck *rand.Rand) []toxic {
			return []toxic{
				up("latency", map[string]int64{"latency": 10 + luck.Int64N(100), "jitter": 10}),
				down("latency", map[string]int64{"latency": 10 + luck.Int64N(300), "jitter": 10 + luck.Int64N(200)}),
			}
		}},
		{"too slow", func(luck *rand.Rand) []toxic { return []toxic{down("latency", some(luck, "latency", 600, 1500))} }},
		{"narrow", func(luck *rand.Rand) []toxic {
			return []toxic{up("bandwidth", some(luck, "rate", 3, 60)), down("bandwidth", some(luck, "rate", 3, 60))}
		}},
		{"in crumbs", func(luck *rand.Rand) []toxic {
			return []toxic{down("crumbs", map[string]int64{"size": 1 + luck.Int64N(400), "delay": luck.Int64N(2000)})}
		}},
	},
	{
		{"requests reset", func(luck *rand.Rand) []toxic { return []toxic{up("reset_peer", some(luck, "timeout", 0, 200))} }},
		{"answers reset", func(luck *rand.Rand) []toxic { return []toxic{down("reset_peer", some(luck, "timeout", 0, 200))} }},
		{"requests cut short", func(luck *rand.Rand) []toxic { return []toxic{up("limit_data", some(luck, "bytes", 1, 9000))} }},
		{"answers cut short", func(luck *rand.Rand) []toxic { return []toxic{down("limit_data", some(luck, "bytes", 1, 3000))} }},
		{"closed late", func(luck *rand.Rand) []toxic {
			return []toxic{up("slow_close", some(luck, "delay", 100, 1500)), down("limit_data", some(luck, "bytes", 1, 3000))}
		}},
		{"cut", func(*rand.Rand) []toxic { return nil }},
	},
	{
		{"requests lost", func(*rand.Rand) []toxic { return []toxic{up("timeout", map[string]int64{"timeout": 0})} }},
		{"answers lost", func(*rand.Rand) []toxic { return []toxic{down("timeout", map[string]int64{"timeout": 0})} }},
		{"a black hole", func(*rand.Rand) []toxic {
			return []toxic{up("timeout", map[string]int64{"timeout": 0}), down("timeout", map[string]int64{"timeout": 0})}
		}},
		{"half open", func(*rand.Rand) []toxic { return []toxic{up("silence", nil), down("silence", nil)} }},
	},
}

// troublesInTurn deals troubles of each sort in turn, those of a sort in an order of chance.
func troublesInTurn(luck *rand.Rand) func(n int) trouble {
	order := make([][]int, len(troubles))
	for i, sort := range troubles {
		order[i] = luck.Perm(len(sort))
	}
	return func(n int) trouble {
		sort, at := n%len(troubles), n/len(troubles)
		return troubles[sort][order[sort][at%len(order[sort])]]
	}
}

// networkPlan says when, and for how long, a network fails.
type networkPlan struct {
	until        time.Duration // no trouble begins later
	few          int           // as many at most; 0: any number
	every, lasts [2]time.Duration
}

func planTroubles() networkPlan {
	if *networkMinutes > 0 {
		length := time.Duration(*networkMinutes * float64(time.Minute))
		return networkPlan{length, 0, [2]time.Duration{time.Second, 3 * time.Second}, [2]time.Duration{time.Second / 2, 9 * time.Second}}
	}
	short := [2]time.Duration{200 * time.Millisecond, 900 * time.Millisecond}
	return networkPlan{time.Minute, 3, short, short}
}

// spell is a time of trouble, as it was.
type spell struct {
	name      string
	toxics    []toxic
	victims   []int
	lasted    time.Duration
	recovered []time.Duration // per replica, from when the network is well again to its first write
}

// TestNetwork lets the network between three replicas and Postgres fail, in every way and one after the other, under buyers who
// check out: at one replica, while the others go on, or at all of them. Nothing that was acknowledged is lost, every
// request is answered, every refusal says 503 and when to come again, and every replica serves again by itself.
//
//	go test ./e2e/gates -run TestNetwork -timeout 30m -network-minutes 5 -v
func TestNetwork(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts three replicas")
	}
	luck, plan, url := rand.New(rand.NewPCG(harness.SeedOf(t), 0)), planTroubles(), pgtest.New(t)
	to := pgtest.OverTCP(t, url)
	f, wires := &harness.Fleet{Limit: harness.Patience}, []wire{}
	for range 3 {
		n := newWire(t, to)
		wires = append(wires, n)
		one := harness.NewFleet(t, 1, url, "DATABASE_URL="+pgtest.At(t, url, n.Listen), "PAYMENT_TIMEOUT=500ms", "REQUEST_TIMEOUT=5s")
		f.Replicas = append(f.Replicas, one.Replicas...)
	}
	t.Cleanup(func() { // or who is asked to stop waits for answers
		for _, n := range wires {
			n.Toxics.ResetToxics(t.Context())
		}
	})
	shelf := []string{f.Up(t).AddProduct(t, 450), f.Up(t).AddProduct(t, 1999)}
	f.Up(t).SetStock(t, shelf[0], 60) // some go away empty-handed
	c := startLoad(t, f, 8, shelf, append([]string{"sim_requires_action"}, harness.Methods...))
	var spells []spell
	deal := troublesInTurn(luck)
	for began := time.Now(); time.Since(began) < plan.until && (plan.few == 0 || len(spells) < plan.few); {
		kind := deal(len(spells))
		s := spell{name: kind.name, toxics: kind.draw(luck), victims: luck.Perm(3)[:1+2*luck.IntN(2)], lasted: between(luck, plan.lasts)}
		c.runFor(t, between(luck, plan.every))
		for _, i := range s.victims {
			wires[i].ails(t, s.toxics)
		}
		c.runFor(t, s.lasted)
		for _, i := range s.victims {
			wires[i].heals(t)
		}
		s.recovered = recovers(t, f)
		for _, i := range s.victims {
			wires[i].clear(t)
		}
		t.Log(s)
		spells = append(spells, s)
	}
	f.AwaitAnswers(t, 50)
	bought := c.finish(t)
	s := f.Up(t)
	s.RequirePromises(t)
	b, err := harness.ReadBooks(t.Context(), databasesOf(t, f))
	require.NoError(t, err)
	require.Empty(t, acknowledgedLoss(b, bought))
	require.Zero(t, c.refusals["no answer"], "somebody was left alone")
	found := harness.Auditor(t, s, func(m *reconcile.Module) { m.MinAge = time.Nanosecond }).Reconcile(t, "GET")
	require.Empty(t, found.Data)
	require.GreaterOrEqual(t, found.Checked.Checkouts, len(bought))
	t.Logf("%d spells, %d checkouts, refused on the way: %v", len(spells), len(bought), c.refusals)
}

func (s spell) String() string {
	text := fmt.Sprintf("%-18s at %v for %5d ms, goes on after", s.name, s.victims, s.lasted.Milliseconds())
	for _, r := range s.recovered {
		text += fmt.Sprintf(" %5d", r.Milliseconds())
	}
	return text + fmt.Sprintf(" ms %v", s.toxics)
}
