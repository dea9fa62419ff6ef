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

// ParkedView is a message that a reader or a reaction could not handle.
type ParkedView struct {
	ID       uuid.UUID `json:"id" format:"uuid"`
	Module   string    `json:"module" enums:"cart,order,payment,saga"`
	Reader   string    `json:"reader" example:"daily_sales"`
	Stream   uuid.UUID `json:"stream" format:"uuid"`
	Version  int64     `json:"version"` // of the stream
	Position int64     `json:"position"`
	Type     string    `json:"type" example:"order.confirmed"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`  // of the last attempt
	Behind   int       `json:"behind"` // later messages of the stream that wait for this one
	ParkedAt time.Time `json:"parked_at"`
	NextAt   time.Time `json:"next_at"` // when it is tried again by itself
}

// ParkedPage is a part of the list of what is parked.
type ParkedPage struct {
	web.Page[ParkedView]
	Unavailable []string `json:"unavailable" enums:"cart,order,payment,saga"` // modules whose database does not answer: theirs are left out
}

func parkedViewOf(module string, p eventstore.Parked) ParkedView {
	return ParkedView{
		ID: p.ID, Module: module, Reader: p.Subscription, Stream: p.Stream, Version: p.Version, Position: p.Position, Type: p.Type,
		Attempts: p.Attempts, Error: p.Error, Behind: p.Behind, ParkedAt: web.Time(p.ParkedAt), NextAt: web.Time(p.NextAt),
	}
}

// listParked lists what is parked, over all modules.
//
//	@Summary		List parked messages, newest first
//	@Description	What a reader or a reaction failed to handle, the first of each stream; the later ones of the stream wait behind it. Modules whose database does not answer within two seconds are named in `unavailable`, and left out. For operators: scope `admin`.
//	@ID				listParked
//	@Tags			operators
//	@Security		Bearer
//	@Param			module	query		string	false	"Only those of this module"	Enums(cart,order,payment,saga)
//	@Param			reader	query		string	false	"Only those of this reader or reaction"
//	@Param			limit	query		int		false	"At most this many"	minimum(1)	maximum(100)	default(20)
//	@Param			cursor	query		string	false	"next_cursor of the page before"
//	@Success		200		{object}	ParkedPage
//	@Failure		401,403	{object}	web.Problem
//	@Failure		422		{object}	web.Problem	"validation_failed, cursor_invalid, unknown_module"
//	@Failure		503		{object}	web.Problem	"unavailable, where no database that is asked answers"
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
	slices.SortFunc(views, func(a, b ParkedView) int { return bytes.Compare(b.ID[:], a.ID[:]) }) // their ids carry the time
	part := web.NewPage(views, page.Limit, func(v ParkedView) web.Cursor { return web.Cursor{At: v.ParkedAt, ID: v.ID} })
	return c.JSON(http.StatusOK, ParkedPage{part, away})
}

// replayParked has a parked message tried again.
//
//	@Summary		Try a parked message again
//	@Description	It is taken up at once, and what waits behind it after it, in order. When it fails again it stays parked. For operators: scope `admin`.
//	@ID				replayParked
//	@Tags			operators
//	@Security		Bearer
//	@Param			id				path	string	true	"Parked message"	format(uuid)
//	@Param			Idempotency-Key	header	string	false	"The same key again is answered, not done again"
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
	}, "a parked message is replayed", "id", r.ID)
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusAccepted)
}

type discardRequest struct {
	Reason string `json:"reason" validate:"required,visible,max=500" text:"lines" example:"A duplicate of order 1000002; the sums are right without it."`
}

// discardParked gives a parked message up.
//
//	@Summary		Give a parked message up
//	@Description	It is never handled; what waits behind it goes on. Who did it, when and why is kept for a while. For operators: scope `admin`.
//	@ID				discardParked
//	@Tags			operators
//	@Security		Bearer
//	@Param			id				path	string			true	"Parked message"	format(uuid)
//	@Param			body			body	discardRequest	true	"Why"
//	@Param			Idempotency-Key	header	string			false	"The same key again is answered, not done again"
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
	}, "a parked message is discarded", "id", r.ID, "reason", r.Body.Reason)
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusAccepted)
}

// once does what an operator asks for, in the store that has what it is about. The receipt under the request's key is
// committed with it there: the same again is answered, not done again, even when a crash came in between.
func (m *Module) once(
	c echo.Context, write web.Write, do func(ctx context.Context, s *eventstore.Store, once eventstore.IdempotencyKey) (replayed bool, err error),
	said string, attrs ...any,
) error {
	ctx, once := c.Request().Context(), saga.OnceOf(write)
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

// answered reports whether a request was answered before. Every module must say so: one that is away may hold the receipt, and
// the request would be done a second time.
func (m *Module) answered(ctx context.Context, once eventstore.IdempotencyKey) (bool, error) {
	found, away, err := AskEach(ctx, m.Stores, func(ctx context.Context, of Store) (bool, error) { return of.Processed(ctx, once) })
	answered := slices.Contains(found, true)
	if err == nil && !answered && len(away) > 0 {
		err = ErrAway(away)
	}
	return answered, err
}

// wherever asks the stores, one of which has what it is about, one after the other. One that is away may be that one: only
// when all say so there is no such thing.
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
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return do(ctx, s)
}
