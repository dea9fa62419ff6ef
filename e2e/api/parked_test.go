package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/order"
)

// TestReaders: what operators see of the readers of the logs, and what they do when one cannot go on.
func TestReaders(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated)
	requireSales(t, s, 500)
	t.Run("APoisonedEventIsParkedAndReplayed", func(t *testing.T) { replayed(t, s) })
	t.Run("OrDiscarded", func(t *testing.T) { discarded(t, s) })
	t.Run("WhatAReactionFailsAtToo", func(t *testing.T) { reactionParked(t, s) })
	t.Run("ARequestThatWasCutOffIsSentAgain", func(t *testing.T) { cutOff(t, s) })
	t.Run("ParkedOnesComeInPages", func(t *testing.T) { parkedInPages(t, s) })
	t.Run("ARefusedRequestChangesNothing", func(t *testing.T) { refusedToOperators(t, s) })
	t.Run("AProjectionIsRebuilt", func(t *testing.T) { rebuilt(t, s) })
	t.Run("AnUnknownKindStopsOneOrder", func(t *testing.T) { unknownKind(t, s, ada, sku) })
	t.Run("MetricsTell", func(t *testing.T) {
		text := string(s.Send(t, http.MethodGet, "/metrics", "", nil).Text)
		for _, name := range []string{"lag_events", "oldest_seconds", "parked_messages"} {
			require.Contains(t, text, `shopping_cart_subscription_`+name+`{kind="projection",store="orders",subscription="daily_sales"}`)
		}
	})
	for _, schema := range []string{"cart", "orders"} {
		s.Exec(t, schema, fmt.Sprintf("delete from %[1]s.events e where not exists (select from %[1]s.streams where id = e.stream)", schema))
	}
}

const (
	poison  = `{"currency":"GBP","total":"a lot"}`
	soldTen = `{"currency":"GBP","total":1000}`
)

// logs puts confirmations of an order that nobody knows into the log, as an attacker or another version might.
func logs(t *testing.T, s *harness.Site, data ...string) (stream uuid.UUID) {
	t.Helper()
	stream = uuid.New()
	sql := "select pg_advisory_xact_lock(hashtext('orders.position'));"
	for i, d := range data {
		sql += fmt.Sprintf(`insert into orders.events (position, stream, version, type, data, meta, at)
			values (nextval('orders.position'), '%s', %d, 'order.confirmed', '%s', '{}', now());`, stream, i+1, d)
	}
	s.Exec(t, "orders", sql)
	return stream
}

func parked(t *testing.T, s *harness.Site, query string) []admin.ParkedView {
	t.Helper()
	return harness.Get[harness.List[admin.ParkedView]](t, s, "/v1/admin/parked?"+query, s.Admin).Data
}

// parkedFor waits until an event of the stream is parked.
func parkedFor(t *testing.T, s *harness.Site, stream uuid.UUID, behind int) (p admin.ParkedView) {
	t.Helper()
	harness.Until(t, "it is parked", func() bool {
		all := parked(t, s, "module=order&reader=daily_sales&limit=100")
		at := slices.IndexFunc(all, func(p admin.ParkedView) bool { return p.Stream == stream && p.Behind == behind })
		if at >= 0 {
			p = all[at]
		}
		return at >= 0
	})
	return p
}

func subscription(t *testing.T, s *harness.Site, kind, name string) *admin.SubscriptionView {
	t.Helper()
	all := harness.Get[admin.Subscriptions](t, s, "/v1/admin/subscriptions", s.Admin).Data
	at := slices.IndexFunc(all, func(v admin.SubscriptionView) bool { return v.Kind == kind && strings.HasPrefix(v.Name, name) })
	if at < 0 {
		return nil
	}
	return &all[at]
}

func sales(t *testing.T, s *harness.Site) (total int64) {
	t.Helper()
	for _, day := range harness.Get[struct{ Data []order.SalesOfDay }](t, s, "/v1/admin/sales", s.Admin).Data {
		total += day.Total.Amount
	}
	return total
}

func requireSales(t *testing.T, s *harness.Site, total int64) {
	t.Helper()
	harness.Until(t, fmt.Sprintf("the sales are %d", total), func() bool { return sales(t, s) == total })
}

func replayed(t *testing.T, s *harness.Site) {
	before := sales(t, s)
	stream, other := logs(t, s, poison, soldTen, soldTen), logs(t, s, soldTen)
	p := parkedFor(t, s, stream, 2)
	require.Equal(t, "order", p.Module)
	require.Equal(t, "daily_sales", p.Reader)
	require.Equal(t, "order.confirmed", p.Type)
	require.EqualValues(t, 1, p.Version)
	require.NotZero(t, p.Position)
	require.NotZero(t, p.Attempts)
	require.NotEmpty(t, p.Error)
	require.False(t, p.NextAt.Before(p.ParkedAt))
	require.NotEqual(t, stream, other)
	requireSales(t, s, before+1000) // the others go on
	harness.Until(t, "the reader has come to the end", func() bool { return subscription(t, s, "projection", "daily_sales").Lag == 0 })
	require.Equal(t, 3, subscription(t, s, "projection", "daily_sales").Parked)

	path, key := "/v1/admin/parked/"+p.ID.String()+"/replay", []string{"Idempotency-Key", uuid.NewString()}
	require.Equal(t, http.StatusAccepted, s.Send(t, http.MethodPost, path, s.Admin, nil, key...).StatusCode)
	harness.Until(t, "it was tried again", func() bool { return parkedFor(t, s, stream, 2).Attempts > p.Attempts })
	require.Equal(t, before+1000, sales(t, s))

	s.Exec(t, "orders", fmt.Sprintf("update orders.events set data = '%s' where stream = '%s' and version = 1", soldTen, stream))
	again := s.Send(t, http.MethodPost, path, s.Admin, nil, key...)
	require.Equal(t, http.StatusAccepted, again.StatusCode)
	require.Equal(t, "true", again.Header.Get("Idempotent-Replayed"))
	require.Equal(t, http.StatusAccepted, s.Send(t, http.MethodPost, path, s.Admin, nil).StatusCode)
	requireSales(t, s, before+4000)
	harness.Until(t, "nothing is parked", func() bool { return len(parked(t, s, "")) == 0 })
	harness.RequireProblem(t, s.Send(t, http.MethodPost, path, s.Admin, nil), http.StatusNotFound, "not_found")
}

func discarded(t *testing.T, s *harness.Site) {
	before := sales(t, s)
	p := parkedFor(t, s, logs(t, s, poison, soldTen), 1)
	path, key := "/v1/admin/parked/"+p.ID.String()+"/discard", []string{"Idempotency-Key", uuid.NewString()}
	for _, reason := range []string{"", " ", strings.Repeat("x", 501)} {
		refused := harness.RequireProblem(t, s.Send(t, http.MethodPost, path, s.Admin, map[string]any{"reason": reason}), http.StatusUnprocessableEntity, "validation_failed")
		require.Equal(t, "reason", refused.Errors[0].Field)
	}
	require.Len(t, parked(t, s, ""), 1)
	body := map[string]any{"reason": "Nobody knows that order."}
	for _, replayed := range []string{"", "true"} {
		a := s.Send(t, http.MethodPost, path, s.Admin, body, key...)
		require.Equal(t, http.StatusAccepted, a.StatusCode, string(a.Text))
		require.Equal(t, replayed, a.Header.Get("Idempotent-Replayed"))
	}
	harness.RequireProblem(t, s.Send(t, http.MethodPost, path, s.Admin, map[string]any{"reason": "Another."}, key...), http.StatusUnprocessableEntity, "idempotency_key_reused")
	requireSales(t, s, before+1000)
	harness.Until(t, "nothing is parked", func() bool { return len(parked(t, s, "")) == 0 })
	harness.RequireProblem(t, s.Send(t, http.MethodPost, path, s.Admin, body), http.StatusNotFound, "not_found")

	conn, err := pgx.Connect(t.Context(), s.URLs["orders"])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	var by, reason string
	require.NoError(t, conn.QueryRow(t.Context(), "select discarded_by, reason from orders.parked where id = $1", p.ID).Scan(&by, &reason))
	require.Equal(t, "operator", by)
	require.Equal(t, body["reason"], reason)
}

// reactionParked: a sealed cart that cannot be read starts no checkout, and is in the way of no other.
func reactionParked(t *testing.T, s *harness.Site) {
	stream := uuid.New()
	s.Exec(t, "cart", fmt.Sprintf(`select pg_advisory_xact_lock(hashtext('cart.position'));
		insert into cart.events (position, stream, version, type, data, meta, at)
			values (nextval('cart.position'), '%[1]s', 1, 'cart.checked_out', '{"attempt":"first"}', '{}', now());
		insert into cart.outbox (stream, version, due_at, failures) values ('%[1]s', 1, now(), 7)`, stream))
	var p admin.ParkedView
	harness.Until(t, "it is parked", func() bool {
		all := parked(t, s, "module=cart")
		if len(all) == 1 {
			p = all[0]
		}
		return len(all) == 1
	})
	require.Equal(t, []any{stream, "cart.checked_out", 0}, []any{p.Stream, p.Type, p.Behind})
	require.NotEmpty(t, p.Error)
	require.Equal(t, 1, subscription(t, s, "reaction", p.Reader).Parked)
	path := "/v1/admin/parked/" + p.ID.String()
	require.Equal(t, http.StatusAccepted, s.Send(t, http.MethodPost, path+"/replay", s.Admin, nil).StatusCode)
	harness.Until(t, "it was tried again", func() bool { return parked(t, s, "module=cart")[0].Attempts > p.Attempts })
	require.Equal(t, http.StatusAccepted, s.Send(t, http.MethodPost, path+"/discard", s.Admin, map[string]any{"reason": "No cart of ours."}).StatusCode)
	require.Empty(t, parked(t, s, ""))
}

// cutOff fails requests at their commit, by what they do or by their receipts: neither is left without the other, so the same
// request is taken again, once.
func cutOff(t *testing.T, s *harness.Site) {
	generation := subscription(t, s, "projection", "daily_sales").Generation
	s.Exec(t, "orders", "create function orders.cut() returns trigger language plpgsql as $$ begin raise 'cut off'; end $$")
	reason := map[string]any{"reason": "Nobody knows that order."}
	for _, request := range []struct {
		path string
		body any
		does string // a row of what it does
	}{
		{"parked/%s/replay", nil, "update on orders.parked deferrable initially deferred for each row when (new.attempts = old.attempts)"},
		{"parked/%s/discard", reason, "update on orders.parked deferrable initially deferred for each row when (new.discarded_at is not null)"},
		{"projections/daily_sales/rebuild", nil, "insert on orders.subscriptions deferrable initially deferred for each row"},
	} {
		for _, at := range []string{request.does, "insert on orders.receipts deferrable initially deferred for each row"} {
			p := parkedFor(t, s, logs(t, s, poison), 0)
			path := "/v1/admin/" + strings.ReplaceAll(request.path, "%s", p.ID.String())
			key := []string{"Idempotency-Key", uuid.NewString()}
			send := func() harness.Answer { return s.Send(t, http.MethodPost, path, s.Admin, request.body, key...) }
			s.Exec(t, "orders", "create constraint trigger cut after "+at+" execute function orders.cut()")
			require.Equal(t, http.StatusInternalServerError, send().StatusCode, "%s, %s", path, at)
			table, _, _ := strings.Cut(strings.SplitAfterN(at, " on ", 2)[1], " ")
			s.Exec(t, "orders", "drop trigger cut on "+table)
			require.Len(t, parked(t, s, ""), 1)
			require.Nil(t, subscription(t, s, "rebuild", "daily_sales"))
			for _, replayed := range []string{"", "true"} {
				a := send()
				require.Equal(t, http.StatusAccepted, a.StatusCode, "%s, %s: %s", path, at, a.Text)
				require.Equal(t, replayed, a.Header.Get("Idempotent-Replayed"), "%s, %s", path, at)
			}
			if strings.HasPrefix(request.path, "projections") {
				generation++
				harness.Until(t, "it is rebuilt", func() bool { return subscription(t, s, "projection", "daily_sales").Generation == generation })
			}
			discardsAll(t, s)
		}
	}
}

func discardsAll(t *testing.T, s *harness.Site) {
	t.Helper()
	for _, p := range parked(t, s, "limit=100") {
		path := "/v1/admin/parked/" + p.ID.String() + "/discard"
		require.Equal(t, http.StatusAccepted, s.Send(t, http.MethodPost, path, s.Admin, map[string]any{"reason": "Seen."}).StatusCode)
	}
	require.Empty(t, parked(t, s, ""))
}

func parkedInPages(t *testing.T, s *harness.Site) {
	const n = 5
	for range n {
		parkedFor(t, s, logs(t, s, poison), 0)
	}
	rows := all[admin.ParkedView](t, s, "/v1/admin/parked?limit=2")
	require.Len(t, rows, n)
	require.True(t, slices.IsSortedFunc(rows, func(a, b admin.ParkedView) int { return b.ParkedAt.Compare(a.ParkedAt) }), "newest first")
	require.Empty(t, parked(t, s, "module=cart"))
	require.Empty(t, parked(t, s, "reader=nobody"))
	require.Len(t, parked(t, s, "module=order&reader=daily_sales"), n)
	discardsAll(t, s)
	for _, query := range []string{"module=orders", "limit=0", "limit=101", "cursor=x"} {
		harness.As[harness.Problem](t, s.Send(t, http.MethodGet, "/v1/admin/parked?"+query, s.Admin, nil), http.StatusUnprocessableEntity)
	}
}

func refusedToOperators(t *testing.T, s *harness.Site) {
	ada := s.Shopper(t)
	for path, body := range map[string]any{
		"/v1/admin/parked/" + uuid.NewString() + "/replay":  nil,
		"/v1/admin/parked/" + uuid.NewString() + "/discard": map[string]any{"reason": "Why not."},
		"/v1/admin/projections/nothing/rebuild":             nil,
	} {
		harness.RequireProblem(t, s.Send(t, http.MethodPost, path, "", body), http.StatusUnauthorized, "unauthorized")
		harness.RequireProblem(t, s.Send(t, http.MethodPost, path, ada.Token, body), http.StatusForbidden, "forbidden")
		code := "not_found"
		if strings.Contains(path, "projections") {
			code = "unknown_projection"
		}
		harness.RequireProblem(t, s.Send(t, http.MethodPost, path, s.Admin, body), http.StatusNotFound, code)
		harness.RequireProblem(t, s.Send(t, http.MethodPost, path, s.Admin, `{"colour":"red"}`), http.StatusUnprocessableEntity, "unknown_field")
	}
	harness.RequireProblem(t, s.Send(t, http.MethodPost, "/v1/admin/parked/7/replay", s.Admin, nil), http.StatusNotFound, "not_found")
}

func rebuilt(t *testing.T, s *harness.Site) {
	before, generation := sales(t, s), subscription(t, s, "projection", "daily_sales").Generation
	busy, err := pgx.Connect(t.Context(), pgtest.Direct(t, s.URLs["orders"]))
	require.NoError(t, err)
	defer busy.Close(context.Background())
	_, err = busy.Exec(t.Context(), "begin; lock table orders.daily_sales in share mode") // who reads may, who writes waits
	require.NoError(t, err)
	const path = "/v1/admin/projections/daily_sales/rebuild"
	rebuilds := func(headers ...string) (a harness.Answer) {
		harness.Until(t, "it is answered", func() bool { // the live reader may try a parked event again, and hold its place while it waits for the table
			a = s.Send(t, http.MethodPost, path, s.Admin, nil, headers...)
			return a.StatusCode != http.StatusServiceUnavailable
		})
		return a
	}
	key := []string{"Idempotency-Key", uuid.NewString()}
	begun := harness.As[admin.SubscriptionView](t, rebuilds(key...), http.StatusAccepted)
	require.Equal(t, "rebuild", begun.Kind)
	require.Equal(t, "order", begun.Module)
	require.Equal(t, generation+1, begun.Generation)
	require.NotZero(t, begun.Lag)
	require.Equal(t, "true", rebuilds(key...).Header.Get("Idempotent-Replayed"))
	harness.RequireProblem(t, rebuilds(), http.StatusConflict, "rebuild_running")
	require.NotNil(t, subscription(t, s, "rebuild", "daily_sales"))
	require.Equal(t, before, sales(t, s), "the live one is still read")

	_, err = busy.Exec(t.Context(), "rollback")
	require.NoError(t, err)
	harness.Until(t, "it has taken the place of the live one", func() bool {
		return subscription(t, s, "projection", "daily_sales").Generation == generation+1 && subscription(t, s, "rebuild", "daily_sales") == nil
	})
	discardsAll(t, s) // what was discarded, it met again
	requireSales(t, s, before)
}

// unknownKind: an event that only a newer version of the program knows stops the order that it is of, and nothing else.
func unknownKind(t *testing.T, s *harness.Site, ada harness.Shopper, sku string) {
	before := sales(t, s)
	strange := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated).OrderID
	s.Exec(t, "orders", fmt.Sprintf(`select pg_advisory_xact_lock(hashtext('orders.position'));
		insert into orders.events (position, stream, version, type, data, meta, at)
			select nextval('orders.position'), id, version + 1, 'order.gilded', '{}', '{}', now() from orders.streams where id = '%[1]s';
		update orders.streams set version = version + 1, fold = 99 where id = '%[1]s'`, strange))
	path := "/v1/orders/" + strange.String()
	for _, a := range []harness.Answer{
		s.Send(t, http.MethodGet, path, ada.Token, nil),
		s.Send(t, http.MethodPost, path+"/fulfil", s.Admin, nil, "Idempotency-Key", uuid.NewString()),
	} {
		harness.RequireProblem(t, a, http.StatusServiceUnavailable, "newer_version")
		require.NotEmpty(t, a.Header.Get("Retry-After"))
	}
	next := harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, sku), "sim_ok", harness.Waiting), http.StatusCreated).OrderID
	mine := harness.Get[harness.List[harness.OrderView]](t, s, "/v1/orders", ada.Token).Data
	require.True(t, slices.ContainsFunc(mine, func(o harness.OrderView) bool { return o.ID == next }))
	require.False(t, slices.ContainsFunc(mine, func(o harness.OrderView) bool { return o.ID == strange }))
	requireSales(t, s, before+1000) // the reader does not care for it
	require.Empty(t, parked(t, s, ""))
	require.Contains(t, string(s.Send(t, http.MethodGet, "/v1/admin/events?module=order&stream="+strange.String(), s.Admin, nil).Text), "order.gilded")
}
