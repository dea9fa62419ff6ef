package gates

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
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
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
	f := &harness.Fleet{Limit: harness.Patience}
	url := pgtest.New(t)
	for range 2 {
		f.Replicas = append(f.Replicas, harness.NewHost(t, []string{"DATABASE_URL=" + url, "PAYMENT_PROVIDER=simulator"}))
	}
	old, next := f.Replicas[0], f.Replicas[1]
	next.Program = tomorrow(t)
	old.Start(t)
	shelf := []string{old.Up(t).AddProduct(t, 450), old.Up(t).AddProduct(t, 1999)}
	old.Up(t).SetStock(t, shelf[0], 500)
	early := old.Up(t).Shopper(t)
	asked := early.CheckOutAtBank(t, early.Fill(t, shelf...), "sim_requires_action")
	readsEverything(t, old.Up(t), early) // its statements are prepared

	goes := shoppers(t, f, shelf)
	f.AwaitAnswers(t, 30)
	next.Start(t)
	requireMigrated(t, old.Up(t))
	readsEverything(t, old.Up(t), early)
	f.AwaitAnswers(t, 100)
	t.Run("TheyTakeTurnsOnAStream", func(t *testing.T) { takeTurns(t, old.Up(t), next.Up(t), shelf) })
	t.Run("WhatOnlyTheNewOneKnowsIsLeftToIt", func(t *testing.T) { leftToTheNewOne(t, f, shelf[1]) })

	late := next.Up(t).Shopper(t)
	askedLate := late.CheckOutAtBank(t, late.Fill(t, shelf[1]), "sim_requires_action")
	old.Stop(t)
	require.Equal(t, http.StatusOK, next.Up(t).AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode)
	harness.Shopper{Site: next.Up(t), Token: early.Token, ID: early.ID}.AwaitStatus(t, asked.ID, saga.Completed)
	f.AwaitAnswers(t, 30)

	old.Start(t) // on a schema that has seen the future
	next.Stop(t)
	require.Equal(t, http.StatusOK, old.Up(t).AnswerAtBank(t, *askedLate.PaymentID, "approve").StatusCode)
	harness.Shopper{Site: old.Up(t), Token: late.Token, ID: late.ID}.AwaitStatus(t, askedLate.ID, saga.Completed)
	f.AwaitAnswers(t, 30)
	next.Start(t)
	bought := goes()
	next.Up(t).RequirePromises(t) // and all has come to its end
	for _, p := range bought {
		p.RequireKept(t, next.Up(t))
	}
}

// addsToEveryTable is what a migration may do while the version before it is at work.
const addsToEveryTable = `do $$ declare name text; begin
	for name in select tablename from pg_tables where schemaname = current_schema() and tablename not like '%migrations' loop
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
		replace(file, `StateVersion: (\d+),`, "StateVersion: 1$1,")
	}
	replace("cart/state.go", `Upcasts: map\[string\]\[\]eventstore\.Upcaster\{`, `Upcasts: map[string][]eventstore.Upcaster{
		"cart.items_cleared": {func(data []byte) ([]byte, error) { return data, nil }},`)
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

// shoppers check out at whatever replica takes them, until goes is called.
func shoppers(t *testing.T, f *harness.Fleet, shelf []string) (goes func() []harness.Purchase) {
	closing, closes := context.WithCancel(t.Context())
	var all sync.WaitGroup
	bought := make([][]harness.Purchase, 4)
	for i := range bought {
		all.Go(func() {
			for n := 0; closing.Err() == nil; n++ {
				p, err := harness.Buy(t.Context(), f, shelf, harness.Methods[(i+n)%len(harness.Methods)])
				if err != nil {
					t.Errorf("buyer %d: %v", i, err)
					return
				}
				bought[i] = append(bought[i], p)
			}
		})
	}
	return func() []harness.Purchase {
		closes()
		all.Wait()
		return slices.Concat(bought...)
	}
}

// readsEverything asks for every list and view once: no statement may mind that its tables have grown.
func readsEverything(t *testing.T, s *harness.Site, ada harness.Shopper) {
	t.Helper()
	me := harness.Shopper{Site: s, Token: ada.Token, ID: ada.ID}
	for _, path := range []string{"/v1/products", "/v1/carts", "/v1/orders"} {
		harness.Get[harness.List[json.RawMessage]](t, s, path, me.Token)
	}
	for _, path := range []string{
		"/v1/admin/orders", "/v1/admin/sales", "/v1/admin/sagas", "/v1/admin/events?module=order", "/simulator/ledger",
	} {
		harness.Get[map[string]any](t, s, path, s.Admin)
	}
}

func requireMigrated(t *testing.T, s *harness.Site) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URLs["cart"])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for _, schema := range migrations.Schemas {
		var whole bool
		require.NoError(t, conn.QueryRow(t.Context(), `select bool_and(exists (select from pg_attribute a
			where a.attrelid = format('%I.%I', schemaname, tablename)::regclass and attname = 'of_tomorrow'))
			from pg_tables where schemaname = $1 and tablename not like '%migrations'`, schema).Scan(&whole))
		require.True(t, whole, "the new version has migrated %s", schema)
	}
	var indexes int
	require.NoError(t, conn.QueryRow(t.Context(), `select count(*) from pg_index join pg_class c on c.oid = indexrelid
		where indisvalid and relname = 'streams_of_tomorrow'`).Scan(&indexes))
	require.Len(t, migrations.StoreSchemas, indexes, "the new version has built its indexes")
}

// takeTurns edits one cart at both versions and checks it out at one; the other sees the order through.
func takeTurns(t *testing.T, old, next *harness.Site, shelf []string) {
	for i, first := range []*harness.Site{old, next} {
		ada := first.Shopper(t)
		c := ada.Fill(t, shelf[1])
		for n := range 6 {
			at := []*harness.Site{next, old}[(i+n)%2]
			c = harness.As[harness.CartView](t, harness.Shopper{Site: at, Token: ada.Token, ID: ada.ID}.Add(t, c, shelf[n%2], 1), http.StatusOK)
			require.EqualValues(t, 3+n, c.Version)
		}
		require.EqualValues(t, 4, c.Items[0].Quantity)
		require.EqualValues(t, 3, c.Items[1].Quantity)
		done := harness.As[harness.CheckoutView](t, ada.CheckOut(t, c, "sim_ok", harness.Waiting), http.StatusCreated)
		for _, at := range []*harness.Site{old, next} {
			require.Equal(t, order.StatusConfirmed, harness.Get[harness.OrderView](t, at, "/v1/orders/"+done.OrderID.String(), ada.Token).Status)
		}
	}
}

// leftToTheNewOne: the old version refuses a cart that it does not understand, as something that another replica can
// serve, and nothing else.
func leftToTheNewOne(t *testing.T, f *harness.Fleet, sku string) {
	old, next := f.Replicas[0].Up(t), f.Replicas[1].Up(t)
	ada := next.Shopper(t)
	cleared, other := ada.Fill(t, sku), ada.Fill(t, sku)
	path := "/v1/carts/" + cleared.ID.String()
	harness.As[harness.CartView](t, next.Send(t, http.MethodDelete, path+"/items", ada.Token, nil), http.StatusOK)

	atOld := harness.Shopper{Site: old, Token: ada.Token, ID: ada.ID}
	for _, a := range []harness.Answer{
		old.Send(t, http.MethodGet, path, ada.Token, nil), atOld.Add(t, cleared, sku, 1), atOld.CheckOut(t, cleared, "sim_ok", harness.NoWait),
	} {
		harness.RequireProblem(t, a, http.StatusServiceUnavailable, "newer_version")
		require.NotEmpty(t, a.Header.Get("Retry-After"))
	}
	require.Len(t, harness.Get[harness.List[harness.CartView]](t, old, "/v1/carts", ada.Token).Data, 1, "the list goes on without it")
	harness.As[harness.CartView](t, atOld.Add(t, other, sku, 1), http.StatusOK)
	c, err := harness.RetryAs[harness.CartView](t.Context(), f, http.MethodPost, path+"/items", ada.Token, map[string]any{"sku": sku, "quantity": 1})
	require.NoError(t, err)
	require.Len(t, c.Items, 1, "who asks again reaches the new one")
}
