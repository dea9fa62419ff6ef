package main

import (
	"context"
	"encoding/json"

	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/internal/pgtest"
	"shopping-cart/migrations"
	"shopping-cart/order"
	"shopping-cart/saga"
)

// TestRollingDeploy rolls a new version of the program out while shoppers check out: it migrates the database under the
// old one, both serve side by side, the old one goes, and comes back.
func TestRollingDeploy(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program")
	}
	f := &fleet{limit: patience}
	url := pgtest.New(t)
	for range 2 {
		f.replicas = append(f.replicas, newHost(t, []string{"DATABASE_URL=" + url, "PAYMENT_PROVIDER=simulator"}))
	}
	old, next := f.replicas[0], f.replicas[1]
	next.runs(tomorrow(t))
	old.start(t)
	shelf := []string{old.up(t).sells(t, 450), old.up(t).sells(t, 1999)}
	old.up(t).stocks(t, shelf[0], 500)
	early := old.up(t).shopper(t)
	asked := early.asksForAction(t, early.fills(t, shelf...), "sim_requires_action")
	readsEverything(t, old.up(t), early) // its statements are prepared

	goes := shoppers(t, f, shelf)
	f.awaitAnswers(t, 30)
	next.start(t)
	requireMigrated(t, old.up(t))
	readsEverything(t, old.up(t), early)
	f.awaitAnswers(t, 100)
	t.Run("TheyTakeTurnsOnAStream", func(t *testing.T) { takeTurns(t, old.up(t), next.up(t), shelf) })
	t.Run("WhatOnlyTheNewOneKnowsIsLeftToIt", func(t *testing.T) { leftToTheNewOne(t, f, shelf[1]) })

	late := next.up(t).shopper(t)
	askedLate := late.asksForAction(t, late.fills(t, shelf[1]), "sim_requires_action")
	old.stops(t)
	require.Equal(t, http.StatusOK, next.up(t).bank(t, *asked.PaymentID, "approve").StatusCode)
	shopper{next.up(t), early.token, early.id}.reaches(t, asked.ID, saga.Completed)
	f.awaitAnswers(t, 30)

	old.start(t) // on a schema that has seen the future
	next.stops(t)
	require.Equal(t, http.StatusOK, old.up(t).bank(t, *askedLate.PaymentID, "approve").StatusCode)
	shopper{old.up(t), late.token, late.id}.reaches(t, askedLate.ID, saga.Completed)
	f.awaitAnswers(t, 30)
	next.start(t)
	bought := goes()
	next.up(t).keepsPromises(t) // and all has come to its end
	for _, p := range bought {
		p.isKept(t, next.up(t))
	}
}

// addsToEveryTable is what a migration may do while the version before it is at work.
const addsToEveryTable = `-- +goose Up
do $$ declare name text; begin
	for name in select tablename from pg_tables where schemaname = current_schema() and tablename not like 'goose%' loop
		execute format('alter table %I add column of_tomorrow text', name);
	end loop;
end $$`

// indexesStreams is how a migration builds an index on a table that the version before writes to.
const indexesStreams = "create index concurrently streams_of_tomorrow on streams (of_tomorrow) where of_tomorrow is not null"

// tomorrow is a later version of this program, built: its states are of another fold, its events of one kind have a
// version that nobody knew, and it has migrations.
func tomorrow(t *testing.T) (program string) {
	t.Helper()
	dir := t.TempDir()
	overlay := map[string]string{}
	replace := func(file, old, new string) {
		pattern := regexp.MustCompile(old)
		if _, again := overlay[file]; !again {
			overlay[file] = file
		}
		text, err := os.ReadFile(overlay[file])
		require.NoError(t, err)
		require.Regexp(t, pattern, string(text), "tomorrow's %s", file)
		overlay[file] = filepath.Join(dir, strings.ReplaceAll(file, "/", "_"))
		require.NoError(t, os.WriteFile(overlay[file], pattern.ReplaceAll(text, []byte(new)), 0o600))
	}
	for _, file := range []string{"cart/state.go", "cart/product.go", "order/state.go", "payment/state.go", "saga/state.go"} {
		replace(file, `Fold: (\d+),`, "Fold: 1$1,")
	}
	replace("cart/state.go", `Upcasts: map\[string\]\[\]eventstore\.Upcast\{`, `Upcasts: map[string][]eventstore.Upcast{
		ItemsCleared{}.Kind(): {func(data []byte) ([]byte, error) { return data, nil }},`)
	migrates := func(schema, name, sql string) {
		file := filepath.Join(dir, schema+name)
		require.NoError(t, os.WriteFile(file, []byte(sql), 0o600))
		overlay[filepath.Join("migrations", schema, name)] = file
	}
	for _, schema := range migrations.Schemas {
		migrates(schema, "90001_tomorrow.sql", addsToEveryTable)
	}
	for _, schema := range migrations.StoreSchemas {
		migrates(schema, "90002_tomorrow.sql", indexesStreams)
	}
	absolute := map[string]string{}
	for file, by := range overlay {
		path, err := filepath.Abs(file)
		require.NoError(t, err)
		absolute[path] = by
	}
	text, err := json.Marshal(map[string]any{"Replace": absolute})
	require.NoError(t, err)
	list := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(list, text, 0o600))
	program = filepath.Join(dir, "shopping-cart")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-overlay", list, "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return program
}

// runs makes a host run another program than this test.
func (h *host) runs(program string) {
	command := h.command
	h.command = func() *exec.Cmd {
		cmd := command()
		cmd.Path, cmd.Args = program, []string{program}
		return cmd
	}
}

// stops takes a replica out of the round, and ends it in good order.
func (h *host) stops(t *testing.T) {
	t.Helper()
	h.set("")
	require.NoError(t, h.process.Process.Signal(syscall.SIGTERM))
	require.NoError(t, h.process.Wait(), "a program that is asked to stop stops well")
	h.process = nil
}

// shoppers check out at whatever replica takes them, until goes is called.
func shoppers(t *testing.T, f *fleet, shelf []string) (goes func() []purchase) {
	closing, closes := context.WithCancel(t.Context())
	var all sync.WaitGroup
	bought := make([][]purchase, 4)
	for i := range bought {
		all.Go(func() {
			for n := 0; closing.Err() == nil; n++ {
				p, err := buys(t.Context(), f, shelf, methods[(i+n)%len(methods)])
				if err != nil {
					t.Errorf("buyer %d: %v", i, err)
					return
				}
				bought[i] = append(bought[i], p)
			}
		})
	}
	return func() []purchase {
		closes()
		all.Wait()
		return slices.Concat(bought...)
	}
}

// readsEverything asks for every list and view once: no statement may mind that its tables have grown.
func readsEverything(t *testing.T, s *site, ada shopper) {
	t.Helper()
	me := shopper{s, ada.token, ada.id}
	for _, path := range []string{"/v1/products", "/v1/carts", "/v1/orders"} {
		get[list[json.RawMessage]](t, s, path, me.token)
	}
	for _, path := range []string{
		"/v1/admin/orders", "/v1/admin/sales", "/v1/admin/sagas", "/v1/admin/events?module=order", "/simulator/ledger",
	} {
		get[map[string]any](t, s, path, s.admin)
	}
}

func requireMigrated(t *testing.T, s *site) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.urls["cart"])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for _, schema := range migrations.Schemas {
		var whole bool
		require.NoError(t, conn.QueryRow(t.Context(), `select bool_and(exists (select from pg_attribute a
			where a.attrelid = format('%I.%I', schemaname, tablename)::regclass and attname = 'of_tomorrow'))
			from pg_tables where schemaname = $1 and tablename not like 'goose%'`, schema).Scan(&whole))
		require.True(t, whole, "the new version has migrated %s", schema)
	}
	var indexes int
	require.NoError(t, conn.QueryRow(t.Context(), `select count(*) from pg_index join pg_class c on c.oid = indexrelid
		where indisvalid and relname = 'streams_of_tomorrow'`).Scan(&indexes))
	require.Len(t, migrations.StoreSchemas, indexes, "the new version has built its indexes")
}

// takeTurns edits one cart at both versions and checks it out at one; the other sees the order through.
func takeTurns(t *testing.T, old, next *site, shelf []string) {
	for i, first := range []*site{old, next} {
		ada := first.shopper(t)
		c := ada.fills(t, shelf[1])
		for n := range 6 {
			at := []*site{next, old}[(i+n)%2]
			c = as[cartView](t, shopper{at, ada.token, ada.id}.adds(t, c, shelf[n%2], 1), http.StatusOK)
			require.EqualValues(t, 3+n, c.Version)
		}
		require.EqualValues(t, 4, c.Items[0].Quantity)
		require.EqualValues(t, 3, c.Items[1].Quantity)
		done := as[checkoutView](t, ada.checksOut(t, c, "sim_ok", waiting), http.StatusCreated)
		for _, at := range []*site{old, next} {
			require.Equal(t, order.StatusConfirmed, get[orderView](t, at, "/v1/orders/"+done.OrderID.String(), ada.token).Status)
		}
	}
}

// leftToTheNewOne: the old version refuses a cart that it does not understand, as something that another replica can
// serve, and nothing else.
func leftToTheNewOne(t *testing.T, f *fleet, sku string) {
	old, next := f.replicas[0].up(t), f.replicas[1].up(t)
	ada := next.shopper(t)
	cleared, other := ada.fills(t, sku), ada.fills(t, sku)
	path := "/v1/carts/" + cleared.ID.String()
	as[cartView](t, next.send(t, http.MethodDelete, path+"/items", ada.token, nil), http.StatusOK)

	atOld := shopper{old, ada.token, ada.id}
	for _, a := range []answer{
		old.send(t, http.MethodGet, path, ada.token, nil), atOld.adds(t, cleared, sku, 1), atOld.checksOut(t, cleared, "sim_ok", noWait),
	} {
		refuses(t, a, http.StatusServiceUnavailable, "newer_version")
		require.NotEmpty(t, a.Header.Get("Retry-After"))
	}
	require.Len(t, get[list[cartView]](t, old, "/v1/carts", ada.token).Data, 1, "the list goes on without it")
	as[cartView](t, atOld.adds(t, other, sku, 1), http.StatusOK)
	c, err := told[cartView](t.Context(), f, http.MethodPost, path+"/items", ada.token, map[string]any{"sku": sku, "quantity": 1})
	require.NoError(t, err)
	require.Len(t, c.Items, 1, "who asks again reaches the new one")
}
