package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/platform/auth"
	"shopping-cart/platform/config"
	"shopping-cart/platform/pgtest"
	"shopping-cart/platform/web"
)

// The benchmarks run on a PostgreSQL of their own at its defaults: every commit is on disk before it is answered. How to
// run and read them: docs/BENCHMARKS.md.

// shop is the program on a durable server, with what a benchmark needs at hand.
type shop struct {
	p      *program
	url    string // of its database
	base   string // of its API
	token  string // a customer's
	caller web.Caller
	turn   atomic.Int64
	admin  string
}

func openShop(b *testing.B) *shop {
	b.Helper()
	settings := config.Config{
		HTTPAddr: "127.0.0.1:0", PaymentProvider: config.Simulator, Committers: 1, QueueSize: 4096,
		QueryConnections: 8, AuthSecret: strings.Repeat("s", 32), AuthAudience: "bench", SimulatorSecret: strings.Repeat("s", 32),
		SessionTTL: time.Hour, PaymentTimeout: 3 * time.Second, StepDeadline: time.Hour, ShutdownTimeout: 20 * time.Second,
		RequestTimeout: 35 * time.Second,
	}
	log := slog.New(slog.DiscardHandler)
	url := pgtest.Durable(b)
	urls := settings.DatabaseURLs(url)
	listener, err := net.Listen("tcp", settings.HTTPAddr)
	require.NoError(b, err)
	p, err := build(b.Context(), settings, urls, listener.Addr(), log)
	require.NoError(b, err)
	b.Cleanup(p.close)
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- p.serve(ctx, listener, settings.ShutdownTimeout) }()
	b.Cleanup(func() { cancel(); require.NoError(b, <-stopped) })

	s := &shop{p: p, url: url, base: "http://" + listener.Addr().String()}
	tokens, err := auth.New([]byte(settings.AuthSecret), settings.AuthAudience)
	require.NoError(b, err)
	s.token, _, err = tokens.Mint("ada", nil, time.Hour)
	require.NoError(b, err)
	s.admin, _, err = tokens.Mint("operator", []string{web.ScopeAdmin}, time.Hour)
	require.NoError(b, err)
	s.caller = web.Caller{Subject: "ada"}
	s.call(b, http.MethodPut, "/v1/products/sku-1", s.admin, nil, map[string]any{
		"name": "WHITE HANGING HEART T-LIGHT HOLDER", "price": map[string]any{"amount": 255, "currency": "GBP"}})
	return s
}

// call sends a request and decodes the answer.
func (s *shop) call(b *testing.B, method, path, token string, header map[string]string, body any) (answer struct {
	ID      uuid.UUID
	Version int64
	Status  string
}) {
	payload, err := json.Marshal(body)
	require.NoError(b, err)
	request, err := http.NewRequest(method, s.base+path, bytes.NewReader(payload))
	require.NoError(b, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	require.NoError(b, err)
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	require.NoError(b, err)
	require.Less(b, response.StatusCode, 300, "%s %s: %s", method, path, data)
	require.NoError(b, json.Unmarshal(data, &answer))
	return answer
}

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

// carts opens n carts with one line each.
func (s *shop) carts(b *testing.B, n int) []uuid.UUID {
	ids := make([]uuid.UUID, n)
	s.each(n, 64, func(i int) {
		ids[i] = s.call(b, http.MethodPost, "/v1/carts", s.token, nil, map[string]any{"currency": "GBP"}).ID
		s.addItem(b, ids[i])
	})
	return ids
}

func (s *shop) addItem(b *testing.B, id uuid.UUID) {
	s.call(b, http.MethodPost, "/v1/carts/"+id.String()+"/items", s.token, nil, map[string]any{"sku": "sku-1", "quantity": cart.MaxQuantity})
}

// setQuantity sets another quantity than before: a command that changes nothing would append nothing.
func (s *shop) setQuantity(b *testing.B, id uuid.UUID) {
	s.call(b, http.MethodPatch, "/v1/carts/"+id.String()+"/items/sku-1", s.token, nil, map[string]any{"quantity": 1 + s.turn.Add(1)%cart.MaxQuantity})
}

// each calls do n times from some callers at once.
func (*shop) each(n, callers int, do func(i int)) {
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(callers, n) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// measure times n calls from some callers at once, and counts beside the time what each of them cost.
func (s *shop) measure(b *testing.B, callers int, do func(i int)) {
	conn, err := pgx.Connect(b.Context(), s.url)
	require.NoError(b, err)
	defer conn.Close(b.Context())
	db := s.p.databases[s.url]
	before, walBefore := db.committer.Counts(), walOf(b, conn)
	b.ResetTimer()
	s.each(b.N, callers, do)
	b.StopTimer()
	after, walAfter := db.committer.Counts(), walOf(b, conn)
	per := func(n int64) float64 { return float64(n) / float64(b.N) }
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "per_s")
	b.ReportMetric(per(after.Batches-before.Batches), "commits/op")
	b.ReportMetric(per(after.Commands-before.Commands), "commands/op")
	b.ReportMetric(per(after.Events-before.Events), "appends/op")
	b.ReportMetric(per(walAfter-walBefore), "WAL-B/op")
}

func walOf(b *testing.B, conn *pgx.Conn) (bytes int64) {
	require.NoError(b, conn.QueryRow(b.Context(), "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::int8").Scan(&bytes))
	return bytes
}

var callers = []int{1, 8, 32, 128}

// BenchmarkCommand over HTTP; in process it stands in package cart.
func BenchmarkCommand(b *testing.B) {
	s := openShop(b)
	spread := s.carts(b, 2000)
	for _, n := range callers {
		b.Run(fmt.Sprintf("pgbench/callers=%d", n), func(b *testing.B) { s.pgbench(b, n, "command.sql") })
		b.Run(fmt.Sprintf("http/callers=%d", n), func(b *testing.B) {
			s.measure(b, n, func(i int) { s.setQuantity(b, spread[i%len(spread)]) })
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	s := openShop(b)
	ids := s.carts(b, 1000)
	for _, n := range []int{1, 32} {
		b.Run(fmt.Sprintf("process/callers=%d", n), func(b *testing.B) {
			s.measure(b, n, func(i int) {
				_, err := s.p.carts.Visible(context.Background(), s.caller, ids[i%len(ids)])
				require.NoError(b, err)
			})
		})
		b.Run(fmt.Sprintf("http/callers=%d", n), func(b *testing.B) {
			s.measure(b, n, func(i int) { s.read(b, "/v1/carts/"+ids[i%len(ids)].String()) })
		})
	}
}

func BenchmarkCheckout(b *testing.B) {
	s := openShop(b)
	for _, n := range callers {
		b.Run(fmt.Sprintf("pgbench/callers=%d", n), func(b *testing.B) { s.pgbench(b, n, "checkout.sql") })
		b.Run(fmt.Sprintf("process/callers=%d", n), func(b *testing.B) {
			ids := s.carts(b, b.N)
			s.measure(b, n, func(i int) { s.checkOut(b, ids[i]) })
		})
		b.Run(fmt.Sprintf("http/callers=%d", n), func(b *testing.B) {
			ids := s.carts(b, b.N)
			s.measure(b, n, func(i int) {
				answer := s.call(b, http.MethodPost, "/v1/carts/"+ids[i].String()+"/checkout", s.token,
					map[string]string{"If-Match": `"2"`, "Idempotency-Key": uuid.NewString(), "Prefer": "wait=30"},
					map[string]any{"payment_method": "sim_ok", "email": "ada@example.com"})
				require.Equal(b, "completed", answer.Status)
			})
		})
	}
}

func (s *shop) pgbench(b *testing.B, callers int, script string) {
	pgtest.Pgbench(b, s.url, callers, "testdata/bench/setup.sql", "testdata/bench/"+script)
}

// checkOut is a check-out without HTTP, from the shopper's order to the end of the saga.
func (s *shop) checkOut(b *testing.B, id uuid.UUID) {
	ctx, version := context.Background(), int64(2)
	contact := order.Contact{ID: uuid.Must(uuid.NewV7()), CustomerID: s.caller.Subject, Email: "ada@example.com"}
	require.NoError(b, s.p.orders.SaveContact(ctx, contact))
	sealed, err := s.p.carts.CheckOut(ctx, cart.CheckOut{
		CartID: id, Caller: s.caller, PaymentMethod: "sim_ok", ContactID: contact.ID,
		Write: web.Write{ID: uuid.New(), IfMatch: &version, Actor: s.caller.Subject, Correlation: uuid.New()},
	})
	require.NoError(b, err)
	done, err := s.p.sagas.Await(ctx, sealed.CheckoutID)
	require.NoError(b, err)
	require.EqualValues(b, "completed", done.Status)
}

func (s *shop) read(b *testing.B, path string) {
	request, err := http.NewRequest(http.MethodGet, s.base+path, nil)
	require.NoError(b, err)
	request.Header.Set("Authorization", "Bearer "+s.token)
	response, err := client.Do(request)
	require.NoError(b, err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(b, err)
	require.Equal(b, http.StatusOK, response.StatusCode)
}
