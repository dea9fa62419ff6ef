package admin

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// ParkedView is a message that a projection or a reaction failed to handle.
type ParkedView struct {
	ID       uuid.UUID `json:"id" format:"uuid"`
	Module   string    `json:"module" enums:"cart,order,payment,saga,audit"`
	Reader   string    `json:"reader" example:"daily_sales"`
	Stream   uuid.UUID `json:"stream" format:"uuid"`
	Version  int64     `json:"version"` // of the stream
	Position int64     `json:"position"`
	Type     string    `json:"type" example:"order.confirmed"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`  // of the last attempt
	Behind   int       `json:"behind"` // later messages of the stream that wait for this one
	ParkedAt time.Time `json:"parked_at"`
	NextAt   time.Time `json:"next_at"` // the next automatic attempt
}

// ParkedPage is a page of parked messages.
type ParkedPage struct {
	web.Page[ParkedView]
	Unavailable []string `json:"unavailable" enums:"cart,order,payment,saga,audit"` // modules whose database does not answer; their messages are left out
}

func parkedViewOf(module string, p eventstore.Parked) ParkedView {
	return ParkedView{
		ID: p.ID, Module: module, Reader: p.Subscription, Stream: p.Stream, Version: p.Version, Position: p.Position, Type: p.Type,
		Attempts: p.Attempts, Error: p.Error, Behind: p.Behind, ParkedAt: web.Time(p.ParkedAt), NextAt: web.Time(p.NextAt),
	}
}

// listParked lists the parked messages of all modules.
//
//	@Summary		List parked messages, newest first
//	@Description	The messages that a projection or a reaction failed to handle: the first of each stream. Later messages of the stream wait behind it. `unavailable` names the modules whose database does not answer within two seconds; they are left out.
//	@ID				listParked
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			module	query		string	false	"Only those of this module"	Enums(cart,order,payment,saga,audit)
//	@Param			reader	query		string	false	"Only those of this projection or reaction"
//	@Param			limit	query		int		false	"Maximum number"	minimum(1)	maximum(100)	default(20)
//	@Param			cursor	query		string	false	"next_cursor of the previous page"
//	@Success		200		{object}	ParkedPage
//	@Failure		401,403	{object}	web.Problem
//	@Failure		422		{object}	web.Problem	"validation_failed, cursor_invalid, unknown_module"
//	@Failure		503		{object}	web.Problem	"unavailable, if no database answers"
//	@Router			/v1/admin/parked [get]
func (m *Module) listParked(c echo.Context) error {
	page, err := web.PageOf(c)
	if err != nil {
		return err
	}
	only := c.QueryParam("module")
	all := slices.DeleteFunc(slices.Clone(m.Stores), func(of Store) bool { return only != "" && of.Name != only })
	if len(all) == 0 {
		return errNoModule
	}
	ctx := c.Request().Context()
	found, away, err := AskEach(ctx, all, counting(ctx, func(ctx context.Context, of Store) (views []ParkedView, err error) {
		all, err := of.ListParked(ctx, c.QueryParam("reader"), page.Cursor.ID, page.Limit+1)
		for _, p := range all {
			views = append(views, parkedViewOf(of.Name, p))
		}
		return views, err
	}))
	if err != nil {
		return err
	}
	views := slices.Concat(found...)
	slices.SortFunc(views, func(a, b ParkedView) int { return bytes.Compare(b.ID[:], a.ID[:]) }) // the ids contain the time
	part := web.NewPage(views, page.Limit, func(v ParkedView) web.Cursor { return web.Cursor{At: v.ParkedAt, ID: v.ID} })
	return c.JSON(http.StatusOK, ParkedPage{part, away})
}

// replayParked retries a parked message.
//
//	@Summary		Retry a parked message
//	@Description	The message is retried at once, followed by the messages behind it in order. If it fails again it stays parked.
//	@ID				replayParked
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			id				path	string	true	"Parked message"	format(uuid)
//	@Param			Idempotency-Key	header	string	false	"Repeating a request with the same key returns the original response"
//	@Success		202
//	@Failure		401,403	{object}	web.Problem
//	@Failure		404		{object}	web.Problem	"not_found"
//	@Failure		422		{object}	web.Problem	"idempotency_key_reused"
//	@Router			/v1/admin/parked/{id}/replay [post]
func (m *Module) replayParked(c echo.Context) error {
	r, err := web.Read[struct{}](c, web.Needs{})
	if err != nil {
		return err
	}
	err = m.once(c, r.Write, func(ctx context.Context, s *eventstore.Store, once eventstore.IdempotencyKey) (bool, error) {
		return s.ReplayParked(ctx, r.ID, once)
	}, "replayed a parked message", "id", r.ID)
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusAccepted)
}

type discardRequest struct {
	Reason string `json:"reason" validate:"required,visible,max=500" text:"lines" example:"A duplicate of order 1000002; the sums are right without it."`
}

// discardParked discards a parked message.
//
//	@Summary		Discard a parked message
//	@Description	The message is never handled, and the messages behind it continue. The operator, the time and the reason are kept for a while.
//	@ID				discardParked
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate]
//	@Param			id				path	string			true	"Parked message"	format(uuid)
//	@Param			body			body	discardRequest	true	"The reason"
//	@Param			Idempotency-Key	header	string			false	"Repeating a request with the same key returns the original response"
//	@Success		202
//	@Failure		400		{object}	web.Problem	"malformed_json"
//	@Failure		401,403	{object}	web.Problem
//	@Failure		404		{object}	web.Problem	"not_found"
//	@Failure		413,415	{object}	web.Problem
//	@Failure		422		{object}	web.Problem	"validation_failed, unknown_field, idempotency_key_reused"
//	@Router			/v1/admin/parked/{id}/discard [post]
func (m *Module) discardParked(c echo.Context) error {
	r, err := web.Read[discardRequest](c, web.Needs{})
	if err != nil {
		return err
	}
	err = m.once(c, r.Write, func(ctx context.Context, s *eventstore.Store, once eventstore.IdempotencyKey) (bool, error) {
		return s.DiscardParked(ctx, r.ID, r.Write.Actor, r.Body.Reason, once)
	}, "discarded a parked message", "id", r.ID)
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusAccepted)
}

// once executes a request of an operator in the store that has its subject. That store commits the receipt for the request's key with it.
func (m *Module) once(
	c echo.Context, write web.Write, do func(ctx context.Context, s *eventstore.Store, once eventstore.IdempotencyKey) (replayed bool, err error),
	said string, attrs ...any,
) error {
	ctx, once := c.Request().Context(), saga.KeyOf(write)
	replayed, err := m.answered(ctx, once)
	if err == nil && !replayed {
		replayed, err = m.wherever(ctx, func(ctx context.Context, s *eventstore.Store) (bool, error) { return do(ctx, s, once) })
	}
	if err != nil {
		return err
	}
	web.Replayed(c, replayed)
	if !replayed {
		m.Log.InfoContext(ctx, said, append(attrs, "actor", write.Actor)...)
	}
	return nil
}

// answered reports whether a request was executed before. All modules must answer, since any of them may have the receipt.
func (m *Module) answered(ctx context.Context, once eventstore.IdempotencyKey) (bool, error) {
	found, away, err := AskEach(ctx, m.Stores, func(ctx context.Context, of Store) (bool, error) { return of.Processed(ctx, once) })
	answered := slices.Contains(found, true)
	if err == nil && !answered && len(away) > 0 {
		err = ErrAway(away)
	}
	return answered, err
}

// wherever tries one store after the other until one has the subject. The subject is not found only if all stores answer so.
func (m *Module) wherever(ctx context.Context, do func(context.Context, *eventstore.Store) (bool, error)) (replayed bool, err error) {
	var away []string
	for _, of := range m.Stores {
		replayed, err = doWithin(ctx, of.Store, do)
		f, refused := fault.As(err)
		switch {
		case isAway(ctx, err):
			away = append(away, of.Name)
		case !refused || f.Kind != fault.NotFound:
			return replayed, err
		}
	}
	if len(away) > 0 {
		err = ErrAway(away)
	}
	return false, err
}

func doWithin(ctx context.Context, s *eventstore.Store, do func(context.Context, *eventstore.Store) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return do(ctx, s)
}
