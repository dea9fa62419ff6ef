package eventstore

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/database"
)

const (
	ids      = "array[gen_random_uuid(), gen_random_uuid()]"
	versions = "array[1, 2]::int8[]"
	texts    = "array['{}', '{}']"
	jsons    = "array['{}', '{}']::json[]"
	shorts   = "array[1, 1]::int2[]"
)

// planned is a statement of the store: arguments of its kind, and where it runs.
type planned struct {
	batch bool   // on the write pool; else on the query pool
	args  string // SQL
	index string // one that the plan must use
	order bool   // as the index gives it: nothing is sorted
}

// every statement, by its field in statements.
var every = map[string]planned{
	"lock":        {batch: true, args: ids, index: "streams_pkey"},
	"receipts":    {batch: true, args: ids, index: "receipts_pkey"},
	"locked":      {args: ids, index: "streams_pkey"},
	"insert":      {batch: true, args: join(ids, versions, texts, shorts, jsons, texts, texts, texts, versions, "now()")},
	"update":      {batch: true, args: join(ids, versions, shorts, jsons, texts, texts, texts, versions, "now()"), index: "streams_pkey"},
	"putReceipts": {batch: true, args: join(ids, "array['a', 'b']::bytea[]", ids, versions, shorts, "now()")},
	"putOutbox":   {batch: true, args: join(ids, versions, "now()")},
	"dropOutbox":  {batch: true, args: join(ids, versions), index: "outbox_pkey"},
	"putEvents":   {batch: true, args: join(ids, versions, texts, jsons, jsons, "now()")},
	"fastRead":    {batch: true, args: join(ids, "gen_random_uuid()"), index: "streams_pkey"},
	"fastInsert": {batch: true, args: join("gen_random_uuid()", "'jar'", "1", "1::int2", "'{}'", "''", "''", "''", "0", "now()",
		"gen_random_uuid()", "''", "0::int2", versions, versions, texts, texts, texts)},
	"fastUpdate": {batch: true, args: join("gen_random_uuid()", "1", "2", "1::int2", "'{}'", "''", "''", "''", "0", "now()",
		"gen_random_uuid()", "''", "0::int2", versions, versions, texts, texts, texts), index: "streams_pkey"},

	"read":        {args: ids, index: "streams_pkey"},
	"readWithin":  {args: join(ids, "1000000"), index: "streams_pkey"},
	"readOne":     {args: "gen_random_uuid()", index: "streams_pkey"},
	"stream":      {args: "gen_random_uuid(), 0, 1000000, 100", index: "events_stream_version_key", order: true},
	"history":     {args: join(ids, versions), index: "events_stream_version_key"},
	"log":         {args: "500, 100", index: "events_pkey", order: true},
	"logOfStream": {args: "500, 100, gen_random_uuid(), 'jar.put'", index: "events_stream_version_key", order: true},
	"logOfType":   {args: "500, 100, 'jar.put'", index: "events_pkey", order: true},
	"messages":    {args: join(ids, versions), index: "events_stream_version_key"},
}

func join(args ...string) string { return strings.Join(args, ", ") }

// TestPlans explains every statement in the sessions that run it: while the tables are empty, while they are small
// and counted, when they have grown and nobody has counted again, and when somebody has. A plan is kept, so each must be right for all three.
func TestPlans(t *testing.T) {
	if testing.Short() {
		t.Skip("fills tables")
	}
	t.Parallel()
	pools, err := database.Open(t.Context(), pgtest.New(t), database.Options{})
	require.NoError(t, err)
	defer pools.Close()
	stages := []struct{ name, sql string }{
		{"Empty", ""},
		{"Small", few + count},
		{"Grown", grow},
		{"Counted", count},
	}
	for _, stage := range stages {
		for _, sql := range strings.Split(stage.sql, ";") {
			_, err := pools.Control.Exec(t.Context(), sql)
			require.NoError(t, err)
		}
		for name, sql := range all(statementsOf("cart")) {
			p, ok := every[name]
			require.True(t, ok, "statement %s has no plan test", name)
			t.Run(stage.name+"/"+name, func(t *testing.T) {
				if p.batch {
					p.check(t, explain(t, pools.Write, pools.Begin, sql, p.args), name)
					return
				}
				// Reads may be planned for their arguments, or for any.
				for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
					p.check(t, explain(t, pools.Query, "set local plan_cache_mode = "+mode, sql, p.args), name)
				}
			})
		}
	}
}

// few are rows that fit on a page: a scan is the shortest way to find one, and the trap. Nobody else counts them.
const few = `alter table cart.streams set (autovacuum_enabled = off);
	alter table cart.events set (autovacuum_enabled = off);
	alter table cart.receipts set (autovacuum_enabled = off);
	alter table cart.outbox set (autovacuum_enabled = off);
	insert into cart.streams (id, version, kind, fold, state, created_at, updated_at) values (gen_random_uuid(), 1, 'jar', 1, '{}', now(), now());
	insert into cart.events (position, stream, version, type, data, meta, at) values (-1, gen_random_uuid(), 1, 'jar.put', '{}', '{}', now());
	insert into cart.receipts (id, stream, version, status, at) values (gen_random_uuid(), gen_random_uuid(), 1, 0, now());
	insert into cart.outbox (stream, version, due_at) values (gen_random_uuid(), 1, now());
	insert into cart.subscriptions (name, position) values ('sales', 0);`

const count = "analyze cart.streams, cart.events, cart.receipts, cart.outbox, cart.subscriptions"

// grow makes the tables large.
const grow = `insert into cart.streams (id, version, kind, fold, state, created_at, updated_at)
		select md5(n::text)::uuid, 4, 'jar', 1, '{}', now(), now() from generate_series(1, 100000) n;
	insert into cart.events (position, stream, version, type, data, meta, at)
		select n, md5((n % 30000)::text)::uuid, n / 30000 + 1, 'jar.put', '{}', '{}', now() from generate_series(1, 120000) n;
	insert into cart.receipts (id, stream, version, status, at)
		select md5(n::text)::uuid, md5(n::text)::uuid, 1, 0, now() from generate_series(1, 100000) n;
	insert into cart.outbox (stream, version, due_at)
		select md5(n::text)::uuid, 1, now() - interval '1 minute' from generate_series(1, 100000) n`

// all are the statements of a struct, by field.
func all(s any) map[string]string {
	named, v := map[string]string{}, reflect.ValueOf(s)
	for i := range v.NumField() {
		named[v.Type().Field(i).Name] = v.Field(i).String()
	}
	return named
}

// node is a part of a plan.
type node struct {
	Type     string `json:"Node Type"`
	Relation string `json:"Relation Name"`
	Index    string `json:"Index Name"`
	Cond     string `json:"Index Cond"`
	Plans    []node
}

func (n node) each(visit func(node)) {
	visit(n)
	for _, p := range n.Plans {
		p.each(visit)
	}
}

func (p planned) check(t *testing.T, plan node, name string) {
	t.Helper()
	text, _ := json.MarshalIndent(plan, "", " ")
	var indexes []string
	plan.each(func(n node) {
		require.False(t, n.Type == "Seq Scan", "a scan of %s: %s", n.Relation, text)
		require.False(t, p.order && strings.Contains(n.Type, "Sort"), "sorted: %s", text)
		indexes = append(indexes, n.Index)
	})
	if p.index != "" {
		require.Contains(t, indexes, p.index, string(text))
	}
	if name == "lock" { // the sort lies below the locking, or batches lock in any order
		require.Equal(t, "LockRows", plan.Type, string(text))
	}
}

// explain is the plan of a prepared statement, in a transaction that begins as those do that run it.
func explain(t *testing.T, pool *pgxpool.Pool, begin, sql, args string) (plan node) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
		if args != "" {
			args = "(" + args + ")"
		}
		var text []byte
		for _, before := range []string{begin, "prepare planned as " + sql} {
			if _, err := tx.Exec(t.Context(), before); err != nil {
				return fmt.Errorf("%s: %w", before, err)
			}
		}
		err := tx.QueryRow(t.Context(), "explain (format json) execute planned"+args, pgx.QueryExecModeSimpleProtocol).Scan(&text)
		if err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
		_, err = tx.Exec(context.WithoutCancel(t.Context()), "deallocate planned")
		var plans []struct{ Plan node }
		require.NoError(t, json.Unmarshal(text, &plans))
		plan = plans[0].Plan
		return err
	}))
	return plan
}
