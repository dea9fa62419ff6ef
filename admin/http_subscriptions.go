package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// SubscriptionView is the progress of a projection, a reaction or the seals of a log.
type SubscriptionView struct {
	Module           string     `json:"module" enums:"cart,order,payment,saga,audit"`
	Name             string     `json:"name" example:"daily_sales"`
	Kind             string     `json:"kind" enums:"projection,reaction,rebuild,seals"`
	Position         int64      `json:"position"` // of the last handled event; 0 for a reaction
	Head             int64      `json:"head"`     // of the last event in the log
	Lag              int64      `json:"lag"`      // unhandled events
	OldestAgeSeconds float64    `json:"oldest_age_seconds"`
	Parked           int        `json:"parked"` // messages that failed, and those behind them
	Generation       int        `json:"generation"`
	UpdatedAt        *time.Time `json:"updated_at" extensions:"x-nullable"`
}

// Subscriptions is a list of subscriptions.
type Subscriptions struct {
	Data        []SubscriptionView `json:"data"`
	Unavailable []string           `json:"unavailable" enums:"cart,order,payment,saga,audit"` // modules whose database does not answer; their subscriptions are left out
}

func subscriptionViewOf(module string, s eventstore.Subscription) SubscriptionView {
	return SubscriptionView{
		Module: module, Name: s.Name, Kind: s.Kind, Position: s.Position, Head: s.Head, Lag: s.Lag, OldestAgeSeconds: s.OldestAge.Seconds(),
		Parked: s.Parked, Generation: s.Generation, UpdatedAt: web.OptionalTime(s.UpdatedAt),
	}
}

// listSubscriptions lists the progress of all projections and reactions.
//
//	@Summary		List the projections and reactions with their progress
//	@Description A rebuild of a projection is a subscription of its own until it takes the projection's place. `seals` is the sealing of a log. `unavailable` names the modules whose database does not answer within two seconds; they are left out.
//	@ID				listSubscriptions
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Success		200		{object}	Subscriptions
//	@Failure		401,403	{object}	web.Problem
//	@Failure		503		{object}	web.Problem	"unavailable, if no database answers"
//	@Router			/v1/admin/subscriptions [get]
func (m *Module) listSubscriptions(c echo.Context) error {
	all, err := m.subscriptions(c.Request().Context())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, all)
}

func (m *Module) subscriptions(ctx context.Context) (Subscriptions, error) {
	found, away, err := AskEach(ctx, m.Stores, counting(ctx, func(ctx context.Context, of Store) (views []SubscriptionView, err error) {
		all, err := of.Subscriptions(ctx)
		for _, s := range all {
			views = append(views, subscriptionViewOf(of.Name, s))
		}
		return views, err
	}))
	return Subscriptions{Data: append([]SubscriptionView{}, slices.Concat(found...)...), Unavailable: away}, err
}

// rebuildProjection starts to rebuild a projection.
//
//	@Summary		Rebuild a projection
//	@Description	The rebuild reads the whole log beside the live projection, and replaces it once it has caught up. See the subscription of kind `rebuild`.
//	@ID				rebuildProjection
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			name			path		string	true	"Projection, as in the list of subscriptions"
//	@Param			Idempotency-Key	header		string	false	"Repeating a request with the same key returns the original response"
//	@Success		202				{object}	SubscriptionView	"The rebuild, or the projection if the rebuild has ended"
//	@Failure		401,403			{object}	web.Problem
//	@Failure		404				{object}	web.Problem	"unknown_projection"
//	@Failure		409				{object}	web.Problem	"rebuild_running"
//	@Failure		422				{object}	web.Problem	"idempotency_key_reused"
//	@Router			/v1/admin/projections/{name}/rebuild [post]
func (m *Module) rebuildProjection(c echo.Context) error {
	name, _ := web.Param(c, "name") // broken escapes name nothing
	r, err := web.Read[struct{}](c, web.Needs{})
	if err != nil {
		return err
	}
	err = m.once(c, r.Write, func(ctx context.Context, s *eventstore.Store, once eventstore.IdempotencyKey) (bool, error) {
		return s.Rebuild(ctx, name, once)
	}, "started to rebuild a projection", "name", name)
	if err != nil {
		return err
	}
	view, err := m.progress(c.Request().Context(), name)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, view)
}

// progress returns the rebuild of a projection, or the projection if the rebuild has ended.
func (m *Module) progress(ctx context.Context, name string) (SubscriptionView, error) {
	all, err := m.subscriptions(ctx)
	if err != nil {
		return SubscriptionView{}, err
	}
	at := slices.IndexFunc(all.Data, func(v SubscriptionView) bool {
		return v.Kind == eventstore.KindRebuild && strings.HasPrefix(v.Name, name+"@")
	})
	if at < 0 {
		at = slices.IndexFunc(all.Data, func(v SubscriptionView) bool { return v.Name == name })
	}
	switch {
	case at >= 0:
		return all.Data[at], nil
	case len(all.Unavailable) > 0:
		return SubscriptionView{}, ErrAway(all.Unavailable)
	}
	return SubscriptionView{}, fmt.Errorf("the subscription of %s is gone", name)
}
