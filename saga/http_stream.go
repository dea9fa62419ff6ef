package saga

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// stream sends a client every change of a checkout until it has ended.
//
//	@Summary		Follow a checkout
//	@Description	Server-sent events. Each event is named `checkout`, contains the checkout as GET does but for the `client_secret` of its next action, and has its version as `id`. The first event is the current state. Then each change follows; of several in quick succession only the last may be sent. The stream closes when the checkout is `completed`, `failed` or `cancelled`, and stays open in `needs_attention`. A comment every 15 seconds keeps the connection open. The stream also closes after an hour, and when the server stops: reconnect with `Last-Event-ID` to get newer events. The response is 204 if the client has the final state already; browsers then stop reconnecting.
//	@ID				followCheckout
//	@Tags			checkouts
//	@Security		Bearer
//	@x-operator-scopes ["orders:read"]
//	@Produce		text/event-stream
//	@Param			id				path		string	true	"Checkout"	format(uuid)
//	@Param			Last-Event-ID	header		string	false	"The id of the last event that the client has. Only newer events are sent. An id that is not of this checkout is ignored."
//	@Success		200				{string}	string	"Events"
//	@Success		204				"The client has the final state"
//	@Failure		401				{object}	web.Problem
//	@Failure		404				{object}	web.Problem	"not_found"
//	@Failure		429				{object}	web.Problem	"too_many_requests, too_many_streams"
//	@Failure		503				{object}	web.Problem	"unavailable, busy, newer_version, not_ready while the server stops"
//	@Router			/v1/checkouts/{id}/stream [get]
func (m *Module) stream(c echo.Context) error {
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	s := &checkoutStream{}
	m.notifier.streams.add(id, s) // before the read, so that no change is missed
	err = m.open(c, id, s)
	if s.events == nil {
		m.notifier.streams.remove(id, func(other *checkoutStream) bool { return other == s })
	}
	return err
}

// open opens the stream, unless there is nothing to show.
func (m *Module) open(c echo.Context, id uuid.UUID, s *checkoutStream) error {
	ctx := c.Request().Context()
	saga, err := m.visible(ctx, web.CallerOf(c), id)
	if err != nil {
		return err
	}
	known := lastEventID(c, saga)
	if known == saga.Version && shown(saga.State).Ended() {
		return c.NoContent(http.StatusNoContent)
	}
	events, err := m.server.Events(c, id.String())
	if events == nil {
		return err
	}
	s.start(events, known)
	s.update(m.withProgress(ctx, saga))
	return nil
}

// lastEventID returns the version that the client has; 0 if it names none.
func lastEventID(c echo.Context, saga eventstore.Stream[State]) int64 {
	version, err := strconv.ParseInt(c.Request().Header.Get("Last-Event-ID"), 10, 64)
	if err != nil || version < 0 || version > saga.Version {
		return 0
	}
	return version
}

// checkoutStream shows a checkout to one client: each version once, and none after a newer one.
type checkoutStream struct {
	mu     sync.Mutex
	events *web.Events              // nil until the stream is open
	sent   int64                    // the version that the client has
	newest eventstore.Stream[State] // its state is empty once it was sent
}

// start begins to write to a client that has a version; 0 if it has none.
func (s *checkoutStream) start(events *web.Events, known int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events, s.sent = events, known
}

// update renders and sends a checkout that is newer than the client's.
func (s *checkoutStream) update(saga eventstore.Stream[State]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if saga.Version > s.newest.Version {
		s.newest = saga
	}
	saga = s.newest
	if s.events == nil || saga.Version <= s.sent {
		return
	}
	s.sent, s.newest = saga.Version, eventstore.Stream[State]{Version: saga.Version}
	data, _ := json.Marshal(viewOf(saga)) // of plain fields
	s.events.Send(web.Event{Name: "checkout", ID: strconv.FormatInt(saga.Version, 10), Data: data})
	if shown(saga.State).Ended() {
		s.events.End()
	}
}

func (s *checkoutStream) isBehind(version int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent < version
}

func (s *checkoutStream) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.events == nil {
		return false
	}
	select {
	case <-s.events.Done():
		return true
	default:
		return false
	}
}
