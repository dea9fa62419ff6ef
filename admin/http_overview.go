package admin

import (
	"cmp"
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// OverviewView is the state of the shop. Data of a module whose database does not answer is null, or left out of a list.
type OverviewView struct {
	At          time.Time        `json:"at"`
	Checkouts   *CheckoutsView   `json:"checkouts" extensions:"x-nullable"`                 // null if the sagas cannot be read
	Unfinished  []UnfinishedView `json:"unfinished" extensions:"x-nullable"`                // null if the sagas cannot be read
	Today       []RevenueView    `json:"today" extensions:"x-nullable"`                     // since midnight UTC, by currency; null if the payments cannot be read
	Lag         []LagView        `json:"lag"`                                               // of each module that answers
	Parked      *int             `json:"parked" extensions:"x-nullable"`                    // in all modules; null if one cannot be read
	Unavailable []string         `json:"unavailable" enums:"cart,order,payment,saga,audit"` // modules whose database does not answer
	Warnings    []string         `json:"warnings"`                                          // settings that are not fit for a shop with customers
}

// CheckoutsView counts the checkouts of the last hour by the minute in which they began. The percentiles are of the durations of completed
// checkouts, including the shopper's time at the bank.
type CheckoutsView struct {
	Minutes    []MinuteView `json:"minutes"` // oldest first; the last one has not ended
	P50Seconds float64      `json:"p50_seconds"`
	P95Seconds float64      `json:"p95_seconds"`
}

// MinuteView counts the checkouts that began in one minute.
type MinuteView struct {
	Minute         time.Time `json:"minute"`
	Completed      int       `json:"completed"`
	Failed         int       `json:"failed"`
	Cancelled      int       `json:"cancelled"`
	Running        int       `json:"running"` // or waiting, or compensating
	NeedsAttention int       `json:"needs_attention"`
	P50Seconds     float64   `json:"p50_seconds"`
	P95Seconds     float64   `json:"p95_seconds"`
}

// UnfinishedView counts the sagas of a type that have not ended.
type UnfinishedView struct {
	Type             string  `json:"type" enums:"checkout,cancellation,refund"`
	Running          int     `json:"running"`
	RequiresAction   int     `json:"requires_action"`
	Compensating     int     `json:"compensating"`
	NeedsAttention   int     `json:"needs_attention"`
	OldestAgeSeconds float64 `json:"oldest_age_seconds"`
}

// RevenueView holds the captured and the refunded amounts.
type RevenueView struct {
	Captured money.Amount `json:"captured"`
	Refunded money.Amount `json:"refunded"`
}

// LagView is the lag of the reactions and projections of a module.
type LagView struct {
	Module                  string  `json:"module" enums:"cart,order,payment,saga,audit"`
	Outbox                  int64   `json:"outbox"` // events that a reaction has not handled yet
	OutboxOldestAgeSeconds  float64 `json:"outbox_oldest_age_seconds"`
	Readers                 int64   `json:"readers"` // events that the slowest projection has not handled yet
	ReadersOldestAgeSeconds float64 `json:"readers_oldest_age_seconds"`
	Parked                  int     `json:"parked"`
}

// overview caches the last overview, or its error. Requests wait while it is built.
type overview struct {
	minutes minutes

	mu    sync.Mutex
	last  OverviewView
	err   error
	built time.Time
}

// showOverview shows the state of the shop.
//
//	@Summary		Read the state of the shop
//	@Description	The checkouts of the last hour by outcome with their durations, the unfinished sagas, the amounts captured and refunded today, and the lag of projections and reactions. Computed at most once a second. `unavailable` names the modules whose database does not answer within two seconds; their data is null, or left out.
//	@ID				getOverview
//	@Tags			operators
//	@Security		BearerAuth[orders:read, sagas:operate]
//	@Success		200		{object}	OverviewView
//	@Failure		401,403	{object}	web.Problem
//	@Failure		503		{object}	web.Problem	"unavailable, if no database answers"
//	@Router			/v1/admin/overview [get]
func (m *Module) showOverview(c echo.Context) error {
	view, err := m.overview(c.Request().Context())
	if err != nil {
		return err
	}
	view.Warnings = append([]string{}, m.Warnings...)
	return c.JSON(http.StatusOK, view)
}

// overview builds the overview for all requests that wait for it, also if the first of them ends.
func (m *Module) overview(ctx context.Context) (OverviewView, error) {
	o := &m.overviews
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.built) >= overviewFresh {
		o.last, o.err = m.buildOverview(context.WithoutCancel(ctx))
		o.built = time.Now()
	}
	return o.last, o.err
}

func (m *Module) buildOverview(ctx context.Context) (v OverviewView, err error) {
	v = OverviewView{At: web.Time(m.Sagas.Store().Now()), Lag: []LagView{}}
	shares, away, err := AskEach(ctx, m.Stores, counting(ctx, func(ctx context.Context, of Store) (share, error) { return m.share(ctx, of, v.At) }))
	parked := 0
	for _, s := range shares {
		v.Lag = append(v.Lag, s.lag)
		parked += s.lag.Parked
		v.Checkouts, v.Unfinished = cmp.Or(v.Checkouts, s.checkouts), append(v.Unfinished, s.unfinished...)
		if s.today != nil {
			v.Today = s.today
		}
	}
	if v.Unavailable = away; len(away) == 0 {
		v.Parked = &parked
	}
	return v, err
}

// share is the part of the overview that one module knows.
type share struct {
	lag        LagView
	checkouts  *CheckoutsView   // of saga alone
	unfinished []UnfinishedView // likewise
	today      []RevenueView    // of payment alone
}

func (m *Module) share(ctx context.Context, of Store, now time.Time) (s share, err error) {
	subscriptions, err := of.Subscriptions(ctx)
	if err != nil {
		return s, err
	}
	s.lag = lagOf(of.Name, subscriptions)
	switch of.Name {
	case "payment":
		captured, refunded, err := m.Payments.DailyTotals(ctx)
		s.today = revenueOf(captured, refunded)
		return s, err
	case "saga":
		checkouts, err := m.overviews.minutes.checkouts(ctx, now)
		if err != nil {
			return s, err
		}
		s.checkouts = &checkouts
		s.unfinished, err = m.unfinished(ctx)
		return s, err
	}
	return s, nil
}

func revenueOf(captured, refunded map[string]int64) []RevenueView {
	currencies := map[string]bool{}
	for _, of := range []map[string]int64{captured, refunded} {
		for currency := range of {
			currencies[currency] = true
		}
	}
	views := []RevenueView{}
	for _, currency := range slices.Sorted(maps.Keys(currencies)) {
		views = append(views, RevenueView{money.Of(captured[currency], currency), money.Of(refunded[currency], currency)})
	}
	return views
}

func lagOf(module string, subscriptions []eventstore.Subscription) LagView {
	v := LagView{Module: module}
	for _, s := range subscriptions {
		switch s.Kind {
		case eventstore.KindReaction:
			v.Outbox = max(v.Outbox, s.Lag)
			v.OutboxOldestAgeSeconds = max(v.OutboxOldestAgeSeconds, s.OldestAge.Seconds())
		case eventstore.KindProjection:
			v.Readers = max(v.Readers, s.Lag)
			v.ReadersOldestAgeSeconds = max(v.ReadersOldestAgeSeconds, s.OldestAge.Seconds())
		}
		v.Parked += s.Parked
	}
	return v
}
