package eventstore

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

const someone = "gen_random_uuid()"

// everyReading are the statements of readers, by their field in reading: arguments of their kind, and an index that the plan
// must use, most often that of what grows. With order, nothing is sorted.
var everyReading = map[string]planned{
	"position": {args: "'seen'", index: "subscriptions_pkey"},
	"start":    {args: "'seen'"},
	"move":     {args: "'seen', 1, 2", index: "subscriptions_pkey"},
	"lock":     {args: "'seen'", index: "subscriptions_pkey"},

	"parkedStreams": {args: join("'seen'", ids), index: "parked_open"},
	"park":          {args: join("'seen'", ids, ids, versions, "array[1, 1]::int4[]", texts, versions)},
	"due":           {args: "'seen'", index: "parked_due", order: true},
	"waiting":       {args: join("'seen'", someone, "60"), index: "events_stream_version_key", order: true},
	"failAgain":     {args: join(someone, "'no'", "1"), index: "parked_pkey"},
	"unpark":        {args: ids, index: "parked_pkey"},
	"nextHead":      {args: join("'seen'", someone), index: "parked_open", order: true},
	"isDiscarded":   {args: join("'seen'", someone, "1"), index: "parked_discarded"},
	"holes":         {args: "'seen@2', 'seen'", index: "parked_open"},

	"list":     {args: join("'seen'", someone, "100"), index: "events_stream_version_key"},
	"replay":   {args: someone, index: "parked_pkey"},
	"parkedOf": {args: someone, index: "parked_pkey"},
	"discard":  {args: join(someone, "'seen'", "'me'", "'why'"), index: "parked_pkey"},

	"generations":   {args: "'seen'", index: "subscriptions_pkey"},
	"rebuild":       {args: "'seen@2', 2"},
	"readOn":        {args: "500, 100", index: "events_pkey", order: true},
	"drop":          {args: "'seen@2'", index: "subscriptions_pkey"},
	"promote":       {args: "'seen', 500, 2", index: "subscriptions_pkey"},
	"dropParked":    {args: "'seen'", index: "parked_open"},
	"moveParked":    {args: "'seen@2', 'seen'", index: "parked_open"},
	"moveDiscarded": {args: "'seen@2', 'seen'", index: "parked_discarded"},
	"clearing":      {args: "'seen'"},
	"cleared":       {args: "'seen', 1", index: "subscriptions_pkey"},
	"subscriptions": {args: "array['seen']", index: "parked_open"},
}

// everySealing are the statements of seals.
var everySealing = map[string]planned{
	"seal":     {args: "2048, interval '1 second'", index: "events_pkey"},
	"before":   {args: "500", index: "seals_pkey", order: true},
	"page":     {args: "500, 100, 100000", index: "seals_pkey", order: true},
	"entries":  {args: "500, 600", index: "events_pkey", order: true},
	"unsealed": {args: "interval '1 minute'", index: "events_pkey", order: true},
	"progress": {index: "events_pkey"},
}

// TestReadingPlans explains the statements of readers as TestPlans does those of commands. A scan of a whole index is as
// bad as one of its table.
func TestReadingPlans(t *testing.T) {
	if testing.Short() {
		t.Skip("fills tables")
	}
	t.Parallel()
	pools, err := database.Open(t.Context(), pgtest.New(t), database.Options{})
	require.NoError(t, err)
	defer pools.Close()
	const countToo = "analyze cart.parked; " + count
	for _, stage := range []struct{ name, sql string }{
		{"Empty", ""},
		{"Small", few + fewParked + countToo},
		{"Grown", grow + "; " + growParked},
		{"Counted", countToo},
	} {
		for _, sql := range strings.Split(stage.sql, ";") {
			_, err := pools.Control.Exec(t.Context(), sql)
			require.NoError(t, err)
		}
		for name, sql := range all(sealStatementsOf("cart")) {
			p, ok := everySealing[name]
			require.True(t, ok, "statement %s has no plan test", name)
			t.Run(stage.name+"/"+name, func(t *testing.T) {
				for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
					plan := explain(t, pools.Query, "set local plan_cache_mode = "+mode, sql, p.args)
					p.check(t, plan, "")
					checkConds(t, plan, false)
				}
			})
		}
		for name, sql := range all(projectionStatementsOf("cart")) {
			p, ok := everyReading[name]
			require.True(t, ok, "statement %s has no plan test", name)
			t.Run(stage.name+"/"+name, func(t *testing.T) {
				for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
					plan := explain(t, pools.Query, "set local plan_cache_mode = "+mode, sql, p.args)
					p.check(t, plan, "")
					checkConds(t, plan, name == "list")
				}
			})
		}
	}
}

// checkConds sees that of what grows nothing is walked through, but for the first row, and the list of what is parked page by
// page.
func checkConds(t *testing.T, plan node, list bool) {
	t.Helper()
	text, _ := json.MarshalIndent(plan, "", " ")
	node{Plans: []node{plan}}.each(func(above node) { // the uppermost too
		for _, n := range above.Plans {
			grows := n.Relation == "events" || n.Relation == "parked" && !list
			if grows && above.Type != "Limit" && strings.Contains(n.Type, "Scan") {
				require.NotEmpty(t, n.Cond, "all of %s: %s", n.Relation, text)
			}
		}
	})
}

const fewParked = `alter table cart.parked set (autovacuum_enabled = off);
	insert into cart.parked (id, reader, stream, version, attempts, parked_at, next_at)
		values (gen_random_uuid(), 'seen', gen_random_uuid(), 1, 1, now(), now());`

// growParked parks a third of the grown log for each of three readers: most of it behind, some of it discarded.
const growParked = `insert into cart.parked (id, reader, stream, version, attempts, parked_at, next_at, discarded_at)
	select gen_random_uuid(), (array['seen', 'seen@2', 'other'])[n % 3 + 1], md5((n % 30000)::text)::uuid, n / 30000 + 1, 1, now(),
		case when n / 30000 = 0 then now() end, case when n / 30000 = 3 then now() end
	from generate_series(1, 119999) n`
