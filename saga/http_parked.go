package saga

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

var errNotParked = fault.New(fault.NotFound, "not_found", "There is no such parked message. It may have been handled meanwhile.")

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

func parkedViewOf(module string, p eventstore.Parked) ParkedView {
	return ParkedView{
		ID: p.ID, Module: module, Reader: p.Reader, Stream: p.Stream, Version: p.Version, Position: p.Position, Type: p.Kind,
		Attempts: p.Attempts, Error: p.Error, Behind: p.Behind, ParkedAt: web.Time(p.ParkedAt), NextAt: web.Time(p.NextAt),
	}
}

// listParked lists what is parked, over all modules.
//
//	@Summary		List parked messages, newest first
//	@Description	What a reader or a reaction failed to handle, the first of each stream; the later ones of the stream wait behind it. For operators: scope `admin`.
//	@ID				listParked
//	@Tags			operators
//	@Security		Bearer
//	@Param			module	query		string	false	"Only those of this module"	Enums(cart,order,payment,saga)
//	@Param			reader	query		string	false	"Only those of this reader or reaction"
//	@Param			limit	query		int		false	"At most this many"	minimum(1)	maximum(100)	default(20)
//	@Param			cursor	query		string	false	"next_cursor of the page before"
//	@Success		200		{object}	web.Page[ParkedView]
//	@Failure		401,403	{object}	web.Problem
//	@Failure		422		{object}	web.Problem	"validation_failed, cursor_invalid, unknown_module"
//	@Router			/v1/admin/parked [get]
func (m *Module) listParked(c echo.Context) error {
	page, err := web.PageOf(c)
	if err != nil {
		return err
	}
	only := c.QueryParam("module")
	all := slices.DeleteFunc(m.modules(), func(of module) bool { return only != "" && of.name != only })
	if len(all) == 0 {
		return errNoModule
	}
	var views []ParkedView
	for _, of := range all {
		found, err := of.store.ListParked(c.Request().Context(), c.QueryParam("reader"), page.Cursor.ID, page.Limit+1)
		if err != nil {
			return err
		}
		for _, p := range found {
			views = append(views, parkedViewOf(of.name, p))
		}
	}
	slices.SortFunc(views, func(a, b ParkedView) int { return bytes.Compare(b.ID[:], a.ID[:]) }) // their ids carry the time
	return c.JSON(http.StatusOK, web.NewPage(views, page.Limit, func(v ParkedView) web.Cursor { return web.Cursor{At: v.ParkedAt, ID: v.ID} }))
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
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	if err := noBody(c); err != nil {
		return err
	}
	err = m.once(c, func(ctx context.Context, _ string) error {
		return m.wherever(ctx, func(s *eventstore.Store) (bool, error) { return s.ReplayParked(ctx, id) })
	}, "a parked message is replayed", "id", id)
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusAccepted)
}

type discardRequest struct {
	Reason string `json:"reason" validate:"required,max=500" example:"A duplicate of order 1000002; the sums are right without it."`
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
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	body, err := web.Body[discardRequest](c)
	if err != nil {
		return err
	}
	if strings.TrimSpace(body.Reason) == "" {
		return web.Refused("reason", "required", "It is required.")
	}
	err = m.once(c, func(ctx context.Context, actor string) error {
		return m.wherever(ctx, func(s *eventstore.Store) (bool, error) { return s.DiscardParked(ctx, id, actor, body.Reason) })
	}, "a parked message is discarded", "id", id, "reason", body.Reason)
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusAccepted)
}

// wherever does something to a parked message in the module that has it.
func (m *Module) wherever(ctx context.Context, do func(*eventstore.Store) (found bool, err error)) error {
	for _, of := range m.modules() {
		if found, err := do(of.store); found || err != nil {
			return err
		}
	}
	return errNotParked
}

var errFirstTime = fault.New(fault.Conflict, "first_time", "Nothing was done under this key yet.")

// once does what an operator asks for, and leaves a receipt under the key of the request: the same again is answered,
// not done again. What is done here does no harm twice, so its receipt may come after it.
func (m *Module) once(c echo.Context, do func(ctx context.Context, actor string) error, said string, attrs ...any) error {
	ctx := c.Request().Context()
	write, err := web.WriteOf(c)
	if err != nil {
		return err
	}
	receipt := func(refusal error) error {
		_, err := m.store.Do(ctx, eventstore.Command{
			ID: write.ID, Fingerprint: write.Fingerprint, Decide: func(*eventstore.Tx) error { return refusal },
		})
		return err
	}
	if write.Keyed {
		if err := receipt(errFirstTime); err == nil {
			web.Replayed(c)
			return nil
		} else if !errors.Is(err, errFirstTime) {
			return err
		}
	}
	if err := do(ctx, write.Actor); err != nil {
		return err
	}
	m.Log.InfoContext(ctx, said, append(attrs, "actor", write.Actor)...)
	if write.Keyed {
		if err := receipt(nil); err != nil {
			m.Log.WarnContext(ctx, "what was done has no receipt", "error", err)
		}
	}
	return nil
}

// noBody lets an empty body and an empty object pass.
func noBody(c echo.Context) error {
	raw, err := web.Raw(c)
	if err == nil && len(raw) > 0 {
		_, err = web.Body[struct{}](c)
	}
	return err
}
