package cart

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/auth"
	"shopping-cart/platform/database"
	"shopping-cart/platform/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// stocked is how many of each SKU can be sold.
type stocked map[string]int64

func (s stocked) Available(context.Context, []string) (map[string]int64, error) { return s, nil }

// testBundle is the module on a database of its own, behind its real routes. Of the SKU STOCKED seven are left; no
// other's stock is tracked.
type testBundle struct {
	*Module
	server *web.Server
	tokens *auth.Tokens
}

func setup(t *testing.T) *testBundle {
	t.Helper()
	return setupOn(t, pgtest.New(t), func(*Module) {})
}

// setupOn is setup on an existing database. before runs first and may subscribe.
func setupOn(t *testing.T, url string, before func(*Module)) *testBundle {
	t.Helper()
	pools, err := database.Open(t.Context(), url, database.Options{})
	require.NoError(t, err)
	t.Cleanup(pools.Close)
	tokens, err := auth.New(auth.Config{
		CustomerSecrets: []string{strings.Repeat("s", auth.MinSecret)}, OperatorSecret: strings.Repeat("a", auth.MinSecret), Audience: "test",
	})
	require.NoError(t, err)
	committer := eventstore.NewCommitter(pools.Write, eventstore.CommitterConfig{Begin: pools.Begin})
	m := New(Config{
		Database:    databaseOf(pools, committer),
		VerifyGuest: func(token string) (string, error) { return tokens.VerifyGuest(token, 30*24*time.Hour) },
		Stock:       stocked{"STOCKED": 7},
	})
	before(m)
	run(t, committer.Run)
	s := web.New(web.Config{Auth: callers{tokens}, Log: slog.New(slog.DiscardHandler)})
	m.Routes(s)
	return &testBundle{Module: m, server: s, tokens: tokens}
}

// callers reads tokens for the web server, as the program does.
type callers struct{ *auth.Tokens }

func (c callers) Authenticate(ctx context.Context, token string) (web.Caller, error) {
	claims, err := c.Verify(ctx, token)
	return web.Caller{Subject: claims.Subject, Scopes: claims.Scopes, Guest: claims.Guest}, err
}

func databaseOf(pools *database.Pools, c *eventstore.Committer) eventstore.Database {
	return eventstore.Database{
		Committer: c, Query: pools.Query, Control: pools.Control, Views: pools.Views, SingleProcess: true, Log: slog.New(slog.DiscardHandler),
	}
}

// run runs a loop until the test ends, and waits for it.
func run(t *testing.T, loop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- loop(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

// client is a caller with a token; the zero token is anonymous.
type client struct {
	*testBundle
	token string
}

func (b *testBundle) as(t *testing.T, subject string, scopes ...string) client {
	t.Helper()
	token, _, err := b.tokens.Mint(subject, scopes, time.Hour)
	require.NoError(t, err)
	return client{b, token}
}

func (b *testBundle) guest(t *testing.T) client {
	t.Helper()
	token, _, err := b.tokens.MintGuest("guest", time.Hour)
	require.NoError(t, err)
	return client{b, token}
}

func (b *testBundle) admin(t *testing.T) client { return b.as(t, "root", web.ScopeAdmin) }

// answered is a response.
type answered struct {
	status int
	header http.Header
	body   []byte
}

// send makes a request. body is JSON text or empty; headers come in pairs.
func (c client) send(t *testing.T, method, path, body string, headers ...string) answered {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader([]byte(body)))
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.server.ServeHTTP(w, r)
	return answered{w.Code, w.Header(), w.Body.Bytes()}
}

func (a answered) is(t *testing.T, status int) answered {
	t.Helper()
	require.Equal(t, status, a.status, string(a.body))
	return a
}

// refuses requires a problem with that status and code, and returns its members.
func (a answered) refuses(t *testing.T, status int, code string) map[string]any {
	t.Helper()
	require.Equal(t, status, a.status, string(a.body))
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
	problem := into[map[string]any](t, a)
	require.Equal(t, code, problem["code"], string(a.body))
	return problem
}

func into[T any](t *testing.T, a answered) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal(a.body, &v), string(a.body))
	return v
}

func (a answered) cart(t *testing.T) View {
	t.Helper()
	return into[View](t, a.is(t, http.StatusOK))
}

// sells adds products to the price book, at 100 minor units of GBP each.
func (b *testBundle) sells(t *testing.T, skus ...string) {
	t.Helper()
	for _, sku := range skus {
		b.prices(t, sku, `{"name":"The `+sku+`","price":{"amount":100,"currency":"GBP"}}`)
	}
}

func (b *testBundle) prices(t *testing.T, sku, body string) {
	t.Helper()
	a := b.admin(t).send(t, "PUT", "/v1/products/"+sku, body)
	require.Contains(t, []int{http.StatusOK, http.StatusCreated}, a.status, string(a.body))
}

// opens makes a cart and returns its path.
func (c client) opens(t *testing.T) (path string, id uuid.UUID) {
	t.Helper()
	a := c.send(t, "POST", "/v1/carts", `{"currency":"GBP"}`).is(t, http.StatusCreated)
	path = a.header.Get("Location")
	return path, uuid.MustParse(strings.TrimPrefix(path, "/v1/carts/"))
}

func (c client) adds(t *testing.T, path, sku string) View {
	t.Helper()
	return c.send(t, "POST", path+"/items", `{"sku":"`+sku+`","quantity":1}`).cart(t)
}

// seals checks out a cart at a version, as the checkout route does.
func (b *testBundle) seals(t *testing.T, caller string, id uuid.UUID, version int64) (CheckOutResult, error) {
	t.Helper()
	w := web.Write{ID: uuid.Must(uuid.NewV7()), IfMatch: &version, Actor: caller}
	return b.CheckOut(t.Context(), CheckOut{CartID: id, Caller: web.Caller{Subject: caller}, Write: w, PaymentMethod: "sim_ok"})
}

// holds appends events directly, without the rules, as an older version may have done.
func holds[S, E any](t *testing.T, b *testBundle, of *eventstore.Aggregate[S, E], id uuid.UUID, events ...E) {
	t.Helper()
	_, err := b.store.Do(t.Context(), eventstore.Command{
		ID: uuid.New(), Fingerprint: make([]byte, 16), Streams: []eventstore.Ref{of.Ref(id)},
		Decide: func(tx *eventstore.Tx) error {
			of.Append(tx, id, events...)
			return nil
		},
	})
	require.NoError(t, err)
}
