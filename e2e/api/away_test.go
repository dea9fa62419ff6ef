package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/platform/config"
)

// away is a program with a database for each module, one of which stands behind a line.
type away struct {
	*harness.Site
	module string
	line   *pgtest.Proxy
	done   harness.CheckoutView
	parked string // a message of orders, which waits for a person
}

// TestModuleAway: with a database for each module, operators see and do what does not need the one that is away, whether it
// refuses connections or takes them and says nothing.
func TestModuleAway(t *testing.T) {
	t.Parallel()
	for _, module := range []string{"cart", "order", "payment", "saga"} {
		t.Run(module, func(t *testing.T) {
			t.Parallel()
			a := withLine(t, module)
			for way, breaks := range map[string]func(){"Refuses": a.line.Cut, "SaysNothing": a.line.Blackhole} {
				breaks()
				t.Run(way, func(t *testing.T) {
					harness.Until(t, "the overview names it", func() bool { return slices.Equal(a.overview(t).Unavailable, []string{module}) })
					a.tellsTheRest(t)
					a.doesTheRest(t)
					a.showsTheRest(t)
				})
				a.line.Restore()
				harness.Until(t, "it is back", func() bool {
					v := a.overview(t)
					return len(v.Unavailable) == 0 && len(v.Lag) == 5 && string(v.Parked) == "1"
				})
			}
		})
	}
}

func withLine(t *testing.T, module string) *away {
	t.Helper()
	a := &away{module: module}
	a.Site = harness.OpenUnchecked(t, harness.DatabaseEach, func(t testing.TB, c *config.Config) {
		url := map[string]*string{
			"cart": &c.CartDatabaseURL, "order": &c.OrderDatabaseURL, "payment": &c.PaymentDatabaseURL, "saga": &c.SagaDatabaseURL,
		}[module]
		a.line = pgtest.NewProxy(t, *url)
		*url, c.ShutdownTimeout = a.line.URL(), time.Second
	})
	ada := a.Shopper(t)
	a.done = harness.As[harness.CheckoutView](t, ada.CheckOut(t, ada.Fill(t, a.AddProduct(t, 1999)), "sim_ok", harness.Waiting), http.StatusCreated)
	a.parked = parkedFor(t, a.Site, logs(t, a.Site, poison), 0).ID.String()
	return a
}

// overviewMembers are those that may be null.
type overviewMembers struct {
	Checkouts, Unfinished, Today, Parked json.RawMessage
	Lag                                  []struct{ Module string }
	Unavailable                          []string
}

func (a *away) overview(t *testing.T) overviewMembers {
	t.Helper()
	return harness.Get[overviewMembers](t, a.Site, "/v1/admin/overview", a.Admin)
}

// tellsTheRest: what the module alone knows is null or left out, never zero.
func (a *away) tellsTheRest(t *testing.T) {
	v := a.overview(t)
	null := func(raw json.RawMessage) bool { return string(raw) == "null" }
	require.Equal(t, a.module == "saga", null(v.Checkouts), "%s", v.Checkouts)
	require.Equal(t, a.module == "saga", null(v.Unfinished), "%s", v.Unfinished)
	require.Equal(t, a.module == "payment", null(v.Today), "%s", v.Today)
	require.True(t, null(v.Parked), "%s", v.Parked)
	modules := map[string]bool{}
	for _, l := range v.Lag {
		modules[l.Module] = true
	}
	others := map[string]bool{"cart": true, "order": true, "payment": true, "saga": true, "audit": true}
	delete(others, a.module)
	require.Equal(t, others, modules)

	type listed struct {
		Data        []struct{ ID, Module string }
		Unavailable []string
	}
	subscriptions := harness.Get[listed](t, a.Site, "/v1/admin/subscriptions", a.Admin)
	require.Equal(t, []string{a.module}, subscriptions.Unavailable)
	clear(modules)
	for _, one := range subscriptions.Data {
		modules[one.Module] = true
	}
	require.Equal(t, slices.Sorted(maps.Keys(others)), slices.Sorted(maps.Keys(modules)))

	parked := harness.Get[listed](t, a.Site, "/v1/admin/parked?limit=1", a.Admin)
	require.Equal(t, []string{a.module}, parked.Unavailable)
	if a.module == "order" {
		require.Empty(t, parked.Data)
	} else {
		require.Equal(t, a.parked, parked.Data[0].ID)
		require.Empty(t, harness.Get[listed](t, a.Site, "/v1/admin/parked?module=order", a.Admin).Unavailable, "the others are not asked")
	}
	a.isUnavailable(t, a.Send(t, http.MethodGet, "/v1/admin/parked?module="+a.module, a.Admin, nil))
	a.tellsTheRestOfTheTimeline(t)
	a.measuresTheRest(t)
	a.isUnavailable(t, a.Send(t, http.MethodGet, "/v1/admin/reconciliation", a.Admin, nil))
}

// measuresTheRest: metrics of the module are no numbers, and those of the others are.
func (a *away) measuresTheRest(t *testing.T) {
	text := string(a.Send(t, http.MethodGet, "/metrics", "", nil).Text)
	for module, store := range map[string]string{"cart": "cart", "order": "orders", "payment": "payment", "saga": "saga"} {
		is := require.NotContains
		if module == a.module {
			is = require.Contains
		}
		is(t, text, fmt.Sprintf(`shopping_cart_outbox_oldest_seconds{store=%q} NaN`, store))
		is(t, text, fmt.Sprintf(`shopping_cart_subscription_lag_events{kind="",store=%q,subscription=""} NaN`, store))
	}
}

// tellsTheRestOfTheTimeline: it leaves out the events of the module, on every page. The order must be read to know of the others.
func (a *away) tellsTheRestOfTheTimeline(t *testing.T) {
	path := "/v1/orders/" + a.done.OrderID.String() + "/timeline?limit=10"
	if a.module == "order" {
		harness.RequireProblem(t, a.Send(t, http.MethodGet, path, a.Admin, nil), http.StatusServiceUnavailable, "unavailable")
		return
	}
	modules := map[string]bool{}
	for cursor := ""; ; {
		page := harness.Get[struct {
			Data        []admin.TimelineEntry
			NextCursor  *string `json:"next_cursor"`
			Unavailable []string
		}](t, a.Site, path+cursor, a.Admin)
		require.Equal(t, []string{a.module}, page.Unavailable)
		for _, e := range page.Data {
			modules[e.Module] = true
		}
		if page.NextCursor == nil {
			break
		}
		cursor = "&cursor=" + *page.NextCursor
	}
	others := map[string]bool{"cart": true, "order": true, "payment": true, "saga": true}
	delete(others, a.module)
	require.Equal(t, others, modules)
}

// doesTheRest: an action about another module is done. With an idempotency key it is refused, since the module that is away may have answered it before.
func (a *away) doesTheRest(t *testing.T) {
	replay := "/v1/admin/parked/" + a.parked + "/replay"
	a.isUnavailable(t, a.Send(t, http.MethodPost, replay, a.Admin, nil, "Idempotency-Key", uuid.NewString()))
	a.isUnavailable(t, a.Send(t, http.MethodPost, "/v1/admin/parked/"+uuid.NewString()+"/replay", a.Admin, nil))
	harness.RequireProblem(t, a.Send(t, http.MethodPost, "/v1/admin/projections/nothing/rebuild", a.Admin, nil), http.StatusNotFound, "unknown_projection")
	if a.module == "order" {
		a.isUnavailable(t, a.Send(t, http.MethodPost, replay, a.Admin, nil))
		return
	}
	require.Equal(t, http.StatusAccepted, a.Send(t, http.MethodPost, replay, a.Admin, nil).StatusCode)
}

// showsTheRest: operators sign in, and every page of the console that is not about the module alone shows what can be had. Each says
// what it leaves out.
func (a *away) showsTheRest(t *testing.T) {
	o := a.Operator(t)
	in := o.SignIn(t, a.Admin, "/console")
	require.Equal(t, []any{http.StatusOK, "/console"}, []any{in.StatusCode, in.Request.URL.Path}, in.Text)
	order, checkout, payment := a.done.OrderID.String(), a.done.ID.String(), a.done.PaymentID.String()
	for path, page := range map[string]struct{ module, shows, elsewhere string }{ // what it is about alone; what it shows; and what it says unless a module is away
		"/console":                               {"", "Lag", map[string]string{"saga": "no saga waits for an operator", "payment": "nothing since 00:00 UTC"}[a.module]},
		"/console/sagas":                         {"", "Order number", "There are no sagas yet"},
		"/console/sagas/" + checkout:             {"saga", "Timeline", ""},
		"/console/streams":                       {"", "order number", ""},
		"/console/streams?q=" + uuid.NewString(): {"", "order number", "No stream or order has this id"},
		"/console/streams?q=" + payment:          {"payment", "payment.captured", ""},
		"/console/streams?q=1":                   {"", "order number", ""},
		"/console/streams/order/" + order:        {"order", "order.placed", ""},
		"/console/streams/saga/" + checkout:      {"saga", "saga.started", ""},
		"/console/orders/" + order:               {"order", "order.confirmed", ""},
		"/console/parked":                        {"", "Parked messages", "Nothing is parked"},
		"/console/webhooks":                      {"", "Webhooks received", map[string]string{"payment": "No webhook was received yet"}[a.module]},
		"/console/readers":                       {"", "Projections and reactions", ""},
		"/console/reconciliation":                {"", "Check everything", ""},
		"/console/reconciliation?look=1":         {"", "The database of " + a.module + " does not answer", "All invariants hold"},
	} {
		shown := o.Do(t, "GET", path, nil)
		require.Contains(t, shown.Text, "The "+map[string]string{"cart": "carts", "order": "orders", "payment": "payments", "saga": "sagas"}[a.module]+
			" database does not answer. Its data is missing here.", path)
		require.Contains(t, shown.Text, `aria-label="Console"`, path)
		if page.elsewhere != "" {
			require.NotContains(t, shown.Text, page.elsewhere, path)
		}
		if page.module != a.module {
			require.Equal(t, http.StatusOK, shown.StatusCode, "%s: %s", path, shown.Text)
			require.Contains(t, shown.Text, page.shows, path)
		}
	}
}

// isUnavailable checks that a refusal names the module.
func (a *away) isUnavailable(t *testing.T, refused harness.Answer) {
	t.Helper()
	harness.RequireProblem(t, refused, http.StatusServiceUnavailable, "unavailable")
	var named struct{ Unavailable []string }
	require.NoError(t, refused.Decode(&named))
	require.Equal(t, []string{a.module}, named.Unavailable, string(refused.Text))
}
