package saga

import (
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

// OverviewView is how the shop is doing.
type OverviewView struct {
	At         time.Time        `json:"at"`
	Checkouts  CheckoutsView    `json:"checkouts"`
	Unfinished []UnfinishedView `json:"unfinished"`
	Today      []TakingsView    `json:"today"` // since midnight UTC, a currency each
	Lag        []LagView        `json:"lag"`   // of each module
	Parked     int              `json:"parked"`
}

// CheckoutsView are the checkouts of the last hour, by the minute that they began in, and how long those took that completed, with
// what the shopper took at their bank.
type CheckoutsView struct {
	Minutes    []MinuteView `json:"minutes"` // oldest first; the last one is under way
	P50Seconds float64      `json:"p50_seconds"`
	P95Seconds float64      `json:"p95_seconds"`
}

// MinuteView is what became of the checkouts that began in a minute.
type MinuteView struct {
	Minute         time.Time `json:"minute"`
	Completed      int       `json:"completed"`
	Failed         int       `json:"failed"`
	Cancelled      int       `json:"cancelled"`
	Running        int       `json:"running"` // or waiting, or being undone
	NeedsAttention int       `json:"needs_attention"`
	P50Seconds     float64   `json:"p50_seconds"`
	P95Seconds     float64   `json:"p95_seconds"`
}

// UnfinishedView are the sagas of a type that have not ended.
type UnfinishedView struct {
	Type             string  `json:"type" enums:"checkout,cancellation,refund"`
	Running          int     `json:"running"`
	RequiresAction   int     `json:"requires_action"`
	Compensating     int     `json:"compensating"`
	NeedsAttention   int     `json:"needs_attention"`
	OldestAgeSeconds float64 `json:"oldest_age_seconds"`
}

// TakingsView is what was captured and given back.
type TakingsView struct {
	Captured money.Amount `json:"captured"`
	Refunded money.Amount `json:"refunded"`
}

// LagView is how far what follows a module's events is behind.
type LagView struct {
	Module                  string  `json:"module" enums:"cart,order,payment,saga"`
	Outbox                  int64   `json:"outbox"` // events that a reaction has still to see
	OutboxOldestAgeSeconds  float64 `json:"outbox_oldest_age_seconds"`
	Readers                 int64   `json:"readers"` // events that the slowest reader of the log has still to see
	ReadersOldestAgeSeconds float64 `json:"readers_oldest_age_seconds"`
	Parked                  int     `json:"parked"`
}

// overview is the last one that was made. Whoever asks while it is made waits for it.
type overview struct {
	minutes minutes

	mu   sync.Mutex
	last OverviewView
	made time.Time
}

// showOverview shows how the shop is doing.
//
//	@Summary		See how the shop is doing
//	@Description	The checkouts of the last hour by outcome and how long they took, what has not ended, what was captured and given back today, how far readers and reactions are behind. Made at most once a second, however many ask. For operators: scope `admin`.
//	@ID				getOverview
//	@Tags			operators
//	@Security		Bearer
//	@Success		200		{object}	OverviewView
//	@Failure		401,403	{object}	web.Problem
//	@Router			/v1/admin/overview [get]
func (m *Module) showOverview(c echo.Context) error {
	view, err := m.overview(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, view)
}

func (m *Module) overview(ctx context.Context) (OverviewView, error) {
	o := &m.seen
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.made) < overviewFresh {
		return o.last, nil
	}
	view, err := m.survey(ctx, &o.minutes)
	if err == nil {
		o.last, o.made = view, time.Now()
	}
	return view, err
}

func (m *Module) survey(ctx context.Context, counted *minutes) (v OverviewView, err error) {
	now, err := m.store.Clock(ctx)
	if err != nil {
		return v, err
	}
	v.At = web.Time(now)
	if v.Checkouts, err = counted.checkouts(ctx, now); err != nil {
		return v, err
	}
	if v.Unfinished, err = m.unfinished(ctx); err != nil {
		return v, err
	}
	captured, refunded, err := m.Rooms.Takings(ctx)
	if err != nil {
		return v, err
	}
	v.Today = takingsOf(captured, refunded)
	subscriptions, err := m.subscriptions(ctx)
	if err != nil {
		return v, err
	}
	v.Lag = lagOf(m.modules(), subscriptions)
	for _, l := range v.Lag {
		v.Parked += l.Parked
	}
	return v, nil
}

func takingsOf(captured, refunded map[string]int64) []TakingsView {
	currencies := map[string]bool{}
	for _, of := range []map[string]int64{captured, refunded} {
		for currency := range of {
			currencies[currency] = true
		}
	}
	views := []TakingsView{}
	for _, currency := range slices.Sorted(maps.Keys(currencies)) {
		views = append(views, TakingsView{money.Of(captured[currency], currency), money.Of(refunded[currency], currency)})
	}
	return views
}

func lagOf(all []module, subscriptions []SubscriptionView) []LagView {
	views := []LagView{}
	for _, of := range all {
		v := LagView{Module: of.name}
		for _, s := range subscriptions {
			switch {
			case s.Module != of.name:
				continue
			case s.Kind == eventstore.KindReaction:
				v.Outbox = max(v.Outbox, s.Lag)
				v.OutboxOldestAgeSeconds = max(v.OutboxOldestAgeSeconds, s.OldestAgeSeconds)
			case s.Kind == eventstore.KindProjection:
				v.Readers = max(v.Readers, s.Lag)
				v.ReadersOldestAgeSeconds = max(v.ReadersOldestAgeSeconds, s.OldestAgeSeconds)
			}
			v.Parked += s.Parked
		}
		views = append(views, v)
	}
	return views
}
