package saga

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// stream tells a client of every change of a checkout until it has ended. One in needs_attention has not: a person will say
// how it ends, and whoever looks at it sees that at once.
//
//	@Summary		Follow a checkout
//	@Description	Server-sent events. Each is named `checkout`, holds the checkout as GET shows it, and its `id` is the version that this is. The first is the checkout as it is now, then comes one for each change; of several in quick succession only the last may come. The stream closes when the checkout is `completed`, `failed` or `cancelled`, and stays open in `needs_attention`. A comment every 15 seconds shows that it lives. It also closes after an hour, and when the server stops: come back with `Last-Event-ID`, and hear what is newer. To come back to an end that is known already is 204, which tells browsers to stay away.
//	@ID				followCheckout
//	@Tags			checkouts
//	@Security		Bearer
//	@Produce		text/event-stream
//	@Param			id				path		string	true	"Checkout"	format(uuid)
//	@Param			Last-Event-ID	header		string	false	"The id of the last event that the client has: only what is newer is sent. What is no id of this checkout counts for none."
//	@Success		200				{string}	string	"Events, one for each change"
//	@Success		204				"It has ended, and the client knows"
//	@Failure		401				{object}	web.Problem
//	@Failure		404				{object}	web.Problem	"not_found"
//	@Failure		503				{object}	web.Problem	"unavailable, busy, newer_version, not_ready when the server stops"
//	@Router			/v1/checkouts/{id}/stream [get]
func (m *Module) stream(c echo.Context) error {
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	f := m.notifier.subscribe(id) // before it is read, so that no change falls in between
	opened, err := m.opens(c, f)
	if !opened {
		f.leave()
	}
	return err
}

// opens opens the stream of a follower, unless there is nothing to tell.
func (m *Module) opens(c echo.Context, f *subscriber) (opened bool, err error) {
	saga, err := m.visible(c.Request().Context(), web.CallerOf(c), f.id)
	if err != nil {
		return false, err
	}
	knows := lastEvent(c, saga)
	if knows == saga.Version && shown(saga.State).Ended() {
		return false, c.NoContent(http.StatusNoContent)
	}
	events, err := m.events(c, f.leave)
	if events == nil {
		return false, err
	}
	f.start(events, knows, m.asKnown(c.Request().Context(), saga))
	return true, nil
}

// lastEvent is the version that the client knows; 0 where it knows none that there is.
func lastEvent(c echo.Context, saga eventstore.Stream[State]) int64 {
	version, err := strconv.ParseInt(c.Request().Header.Get("Last-Event-ID"), 10, 64)
	if err != nil || version < 0 || version > saga.Version {
		return 0
	}
	return version
}
