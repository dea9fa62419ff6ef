package gates

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
)

var outageMinutes = flag.Float64("outage-minutes", 0, "how long TestOutages takes Postgres away, every 5–40 s for 0–2 s; two short ones when 0")

// outagePlan says when and for how long Postgres goes.
type outagePlan struct {
	until       time.Duration // no outage begins later
	few         int           // as many at most; 0: any number
	every, away [2]time.Duration
	recovery    time.Duration // what every replica must be back within; 0 leaves that to the long form, which has the machine for itself
}

func planOutages() outagePlan {
	if *outageMinutes > 0 {
		length := time.Duration(*outageMinutes * float64(time.Minute))
		return outagePlan{length, 0, [2]time.Duration{5 * time.Second, 40 * time.Second}, [2]time.Duration{0, 2 * time.Second}, 10 * time.Second}
	}
	return outagePlan{time.Minute, 2, [2]time.Duration{time.Second, 3 * time.Second}, [2]time.Duration{0, time.Second}, 0}
}

func between(luck *rand.Rand, limits [2]time.Duration) time.Duration {
	return limits[0] + time.Duration(luck.Int64N(int64(limits[1]-limits[0])))
}

// outage is one of them, as it was.
type outage struct {
	crashed   bool // or else stopped in good order
	away      time.Duration
	recovered []time.Duration // per replica: from when Postgres accepts connections to its first write
	dialed    int             // connections that Postgres saw until the next outage
}

func (o outage) String() string {
	how := "stopped"
	if o.crashed {
		how = "crashed"
	}
	text := fmt.Sprintf("%s, away %5d ms, writes again after", how, o.away.Milliseconds())
	for _, r := range o.recovered {
		text += fmt.Sprintf(" %4d", r.Milliseconds())
	}
	return text + fmt.Sprintf(" ms, %d connections", o.dialed)
}

// TestOutages takes Postgres away, by a crash or in good order, and gives it back, again and again, from under three
// replicas at which buyers check out. Nothing that was acknowledged is lost, every refusal says 503 and when to come
// again, and every replica serves again by itself.
//
//	go test ./e2e/gates -run TestOutages -timeout 20m -outage-minutes 10 -v
func TestOutages(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a Postgres and three replicas")
	}
	luck, plan := rand.New(rand.NewPCG(harness.SeedOf(t), 0)), planOutages()
	postgres := pgtest.NewServer(t)
	f := harness.NewFleet(t, 3, postgres.URL(), "PAYMENT_TIMEOUT=500ms")
	shelf := []string{f.Up(t).AddProduct(t, 450), f.Up(t).AddProduct(t, 1999)}
	f.Up(t).SetStock(t, shelf[0], 40) // some go away empty-handed
	c := startLoad(t, f, 8, shelf, append([]string{"sim_requires_action"}, harness.Methods...))
	var outages []outage
	for began := time.Now(); time.Since(began) < plan.until && (plan.few == 0 || len(outages) < plan.few); {
		c.runFor(t, between(luck, plan.every))
		before := postgres.Connections()
		o := outage{crashed: luck.IntN(3) > 0, away: between(luck, plan.away)}
		if o.crashed {
			postgres.Crash()
		} else {
			postgres.Stop()
		}
		c.runFor(t, o.away)
		postgres.Start()
		o.recovered = recovers(t, f)
		if len(outages) > 0 {
			outages[len(outages)-1].dialed = before - outages[len(outages)-1].dialed
		}
		o.dialed = before
		outages = append(outages, o)
	}
	f.AwaitAnswers(t, 100)
	outages[len(outages)-1].dialed = postgres.Connections() - outages[len(outages)-1].dialed
	bought := c.finish(t)
	f.Up(t).RequirePromises(t)
	b, err := harness.ReadBooks(t.Context(), databasesOf(t, f))
	require.NoError(t, err)
	require.Empty(t, acknowledgedLoss(b, bought))
	report(t, outages, plan, c)
}

// recovers writes through each replica as soon as that is possible, and says how long it took.
func recovers(t *testing.T, f *harness.Fleet) []time.Duration {
	t.Helper()
	began, took := time.Now(), make([]time.Duration, len(f.Replicas))
	ctx, cancel := context.WithTimeout(t.Context(), harness.Patience)
	defer cancel()
	var all sync.WaitGroup
	for i, h := range f.Replicas {
		token, key := harness.Mint(t, harness.Settings(), "prober"), uuid.NewString()
		all.Go(func() {
			for ctx.Err() == nil && took[i] == 0 {
				one, cancel := context.WithTimeout(ctx, time.Second)
				base := h.Base()
				a, err := (&harness.Site{Base: base}).Ask(one, http.MethodPost, "/v1/carts", token, map[string]any{"currency": "GBP"}, "Idempotency-Key", key)
				cancel()
				if err == nil && a.StatusCode == http.StatusCreated {
					took[i] = time.Since(began)
					return
				}
				pause(ctx, 10*time.Millisecond)
			}
		})
	}
	all.Wait()
	require.NoError(t, ctx.Err(), "a replica does not recover: %v", took)
	return took
}

// databasesOf opens the one database that all replicas share, once per schema.
func databasesOf(t *testing.T, f *harness.Fleet) map[string]harness.Querier {
	t.Helper()
	in := map[string]harness.Querier{}
	for schema, url := range f.Up(t).URLs {
		conn, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		in[schema] = conn
	}
	return in
}

func report(t *testing.T, outages []outage, plan outagePlan, c *load) {
	t.Helper()
	var lines strings.Builder
	slowest := time.Duration(0)
	for _, o := range outages {
		fmt.Fprintln(&lines, o)
		for _, r := range o.recovered {
			slowest = max(slowest, r)
		}
	}
	t.Logf("%d outages, %d checkouts, refused on the way: %v\n%sthe slowest recovery took %s", len(outages), len(c.bought), c.refusals, lines.String(), slowest)
	if plan.recovery > 0 {
		require.LessOrEqual(t, slowest, plan.recovery)
	}
}
