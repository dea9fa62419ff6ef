package admin

import (
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

var errNoStream = fault.New(fault.NotFound, "not_found", "There is no such stream in this module.")

// StreamView is a stream with a page of its events.
type StreamView struct {
	Module     string        `json:"module" enums:"cart,order,payment,saga,audit"`
	ID         string        `json:"id" format:"uuid"`
	Kind       string        `json:"kind" example:"order"`
	Version    int64         `json:"version"`
	CustomerID *string       `json:"customer_id" extensions:"x-nullable"`
	Status     *string       `json:"status" extensions:"x-nullable"`
	Key        *string       `json:"key" extensions:"x-nullable" example:"1000002"` // a natural key, such as an order's number
	Data       []VersionView `json:"data"`
	NextCursor *string       `json:"next_cursor" extensions:"x-nullable"`
}

// VersionView is an event of a stream with the state after it.
type VersionView struct {
	saga.EventView
	State json.RawMessage `json:"state" swaggertype:"object" extensions:"x-nullable"` // null if only another version of the program can read it
}

// showStream shows a stream with its state after each event.
//
//	@Summary		Read the events of a stream with the state after each, oldest first
//	@Description	Any cart, product, order, stock, payment or saga.
//	@ID				getStream
//	@Tags			operators
//	@Security		BearerAuth[events:read]
//	@Param			module	path		string	true	"Module"	Enums(cart,order,payment,saga,audit)
//	@Param			id		path		string	true	"Stream"		format(uuid)
//	@Param			after	query		int		false	"Only events after this version"	minimum(0)
//	@Param			limit	query		int		false	"Maximum number"			minimum(1)	maximum(100)	default(20)
//	@Param			cursor	query		string	false	"next_cursor of the previous page"
//	@Success		200		{object}	StreamView
//	@Failure		401,403	{object}	web.Problem
//	@Failure		404		{object}	web.Problem	"not_found"
//	@Failure		422		{object}	web.Problem	"validation_failed"
//	@Router			/v1/admin/streams/{module}/{id} [get]
func (m *Module) showStream(c echo.Context) error {
	ctx := c.Request().Context()
	of, known := m.store(c.Param("module"))
	if !known {
		return errNoStream
	}
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	page, err := web.AfterOf(c)
	if err != nil {
		return err
	}
	is, found, err := of.Describe(ctx, id)
	if err == nil && !found {
		err = errNoStream
	}
	if err != nil {
		return err
	}
	versions, err := of.History(ctx, id, page.After, page.Limit+1)
	if err != nil {
		return err
	}
	var documents []*json.RawMessage
	for i := range versions {
		documents = append(documents, &versions[i].Data, &versions[i].State)
	}
	if err := of.RevealIn(ctx, documents...); err != nil {
		return err
	}
	log := web.NewPage(versionsOf(versions), page.Limit, func(v VersionView) int64 { return v.Version })
	return c.JSON(http.StatusOK, StreamView{
		Module: of.Name, ID: id.String(), Kind: is.Kind, Version: is.Version, CustomerID: textOf(is.Customer), Status: textOf(is.Status),
		Key: textOf(is.Key), Data: log.Data, NextCursor: log.NextCursor,
	})
}

// PageBytes estimates the size of the version on a page.
func (v VersionView) PageBytes() int { return len(v.Data) + len(v.State) }

func versionsOf(versions []eventstore.Version) []VersionView {
	views := make([]VersionView, len(versions))
	for i, v := range versions {
		views[i] = VersionView{EventView: saga.EventViewOf(v.Recorded), State: v.State}
	}
	return views
}

func textOf(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
