package order

import (
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// StockView is the stock of a SKU on the wire.
type StockView struct {
	SKU       string `json:"sku" example:"MUG-RED"`
	OnHand    int64  `json:"on_hand" example:"40"`
	Reserved  int64  `json:"reserved" example:"3"`
	Available int64  `json:"available" example:"37"`
	Short     int64  `json:"short" example:"0"` // reserved units that are missing after a recorded loss
}

// StockDetailView is the stock of one SKU with the orders that a shortage affects.
type StockDetailView struct {
	StockView
	Orders         []HolderView `json:"orders"`          // while it is short: the orders that hold the SKU, newest first
	OrdersComplete bool         `json:"orders_complete"` // false: more orders hold it than are listed
}

// HolderView is an order that holds units of a SKU.
type HolderView struct {
	ID       uuid.UUID `json:"id" format:"uuid"`
	Number   string    `json:"number" example:"1000002"`
	Quantity int64     `json:"quantity" example:"2"`
}

// AdjustmentRequest changes the units on hand of a SKU.
type AdjustmentRequest struct {
	Delta  *int64 `json:"delta" validate:"required,min=-9007199254740991,max=9007199254740991" example:"-2"`
	Reason string `json:"reason" validate:"required,visible,max=500" text:"lines" example:"Broken in the store room."`
}

// CountRequest sets the units on hand of a SKU, reserved ones included.
type CountRequest struct {
	OnHand *int64 `json:"on_hand" validate:"required,min=0,max=9007199254740991" example:"40"`
}

// answerStock executes a command on the stock of a SKU and answers with the stock after it.
func (m *Module) answerStock(c echo.Context, w web.Write, sku string, note eventstore.Note, decide func(Stock) ([]StockEvent, error)) error {
	receipt, err := m.handleStock(c.Request().Context(), w, sku, note, decide)
	if err != nil {
		return err
	}
	s, err := stocks.Result(c.Request().Context(), m.store, receipt)
	if err != nil {
		return err
	}
	web.Replayed(c, receipt.Replayed)
	web.ETag(c, s.Version)
	return c.JSON(http.StatusOK, stockViewOf(s))
}

func stockViewOf(stock eventstore.Stream[Stock]) StockView {
	s := stock.State
	return StockView{SKU: s.SKU, OnHand: s.OnHand, Reserved: s.Reserved, Available: s.Available(), Short: s.Short}
}

// putStock sets the units on hand of a SKU.
//
//	@Summary		Set the units on hand of a SKU
//	@Description	The first count starts the tracking of the stock. A count overwrites the changes of others: send the version in `If-Match`, or send an adjustment instead. Record a loss below the reserved units as an adjustment.
//	@ID				putStock
//	@Tags			stock
//	@Security		BearerAuth[stock:write]
//	@Param			sku						path		string			true	"SKU, percent-encoded"
//	@Param			body					body		CountRequest	true	"The units on hand"
//	@Param			If-Match				header		string			false	"Only if the stock has this version"
//	@Param			If-None-Match			header		string			false	"*: only if the stock is not tracked"
//	@Success		200						{object}	StockView
//	@Header			200						{string}	ETag	"The version, quoted"
//	@Failure	403,412	{object}	web.Problem
//	@Failure	409	{object}	web.Problem	"below_reserved"
//	@Router			/v1/stock/{sku} [put]
func (m *Module) putStock(c echo.Context) error {
	r, err := web.Read[CountRequest](c, web.Needs{})
	if err != nil {
		return err
	}
	return m.answerStock(c, r.Write, r.SKU, eventstore.Note{}, func(s Stock) ([]StockEvent, error) { return decideSetOnHand(s, r.SKU, *r.Body.OnHand) })
}

// showStock answers with the stock of a SKU.
//
//	@Summary		Read the stock of a SKU
//	@Description	While the stock is short, `orders` lists the orders that hold it: at most 100, newest first.
//	@ID				getStock
//	@Tags			stock
//	@Security		BearerAuth[stock:write, orders:read]
//	@Param			sku				path		string	true	"SKU, percent-encoded"
//	@Param			If-None-Match	header		string	false	"The version that the client has, quoted"
//	@Success		200				{object}	StockDetailView
//	@Header			200				{string}	ETag	"The version, quoted"
//	@Success		304
//	@Failure		403	{object}	web.Problem
//	@Router			/v1/stock/{sku} [get]
func (m *Module) showStock(c echo.Context) error {
	sku, err := web.SKU(c)
	if err != nil {
		return err
	}
	s, err := stocks.Load(c.Request().Context(), m.store, stockID(sku))
	if err != nil {
		return err
	}
	if !s.Exists() {
		return errStockUnknown
	}
	if web.NotModified(c, s.Version) {
		return c.NoContent(http.StatusNotModified)
	}
	view := StockDetailView{StockView: stockViewOf(s), Orders: []HolderView{}, OrdersComplete: true}
	if s.State.Short > 0 {
		if view.Orders, view.OrdersComplete, err = m.holders(c.Request().Context(), s); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, view)
}

// postAdjustment changes the units on hand of a SKU.
//
//	@Summary		Adjust the stock of a SKU
//	@Description	Adds `delta` to the units on hand, so that two systems do not overwrite each other. A loss may exceed the free units. The missing units are then `short`: no unit is sold, and an order whose goods are missing cannot be fulfilled.
//	@ID				adjustStock
//	@Tags			stock
//	@Security		BearerAuth[stock:write]
//	@Param			sku				path		string				true	"SKU, percent-encoded"
//	@Param			body			body		AdjustmentRequest	true	"The difference and its reason"
//	@Param			Idempotency-Key	header		string				true	"1 to 255 visible ASCII characters"
//	@Success		200				{object}	StockView
//	@Header			200				{string}	ETag	"The version, quoted"
//	@Failure		403,412	{object}	web.Problem
//	@Failure		409				{object}	web.Problem	"below_zero with on_hand, above_maximum"
//	@Router			/v1/stock/{sku}/adjustments [post]
func (m *Module) postAdjustment(c echo.Context) error {
	r, err := web.Read(c, web.Needs{Key: true}, func(r web.Request[AdjustmentRequest]) error {
		if *r.Body.Delta == 0 {
			return web.Refused("delta", "ne", "It must not be 0.")
		}
		return nil
	})
	if err != nil {
		return err
	}
	note := m.store.NewNote(r.Body.Reason)
	adjusted := StockAdjusted{Delta: *r.Body.Delta, Reason: note.Reference()}
	return m.answerStock(c, r.Write, r.SKU, note, func(s Stock) ([]StockEvent, error) { return decideAdjust(s, adjusted) })
}

// listStock lists the stock of all SKUs.
//
//	@Summary		List the stock of all SKUs, newest first
//	@Description	Starts with the SKU whose tracking began last.
//	@ID				listStock
//	@Tags			stock
//	@Security		BearerAuth[stock:write, orders:read]
//	@Param			short		query		bool	false	"Only stock that is short"
//	@Param			limit		query		int		false	"Page size: 1 to 100, 20 by default"
//	@Param			cursor		query		string	false	"next_cursor of the previous page"
//	@Success		200			{object}	web.Page[StockView]
//	@Failure		403	{object}	web.Problem
//	@Router			/v1/stock [get]
func (m *Module) listStock(c echo.Context) error {
	page, err := web.PageOf(c)
	if err != nil {
		return err
	}
	short := false
	if text := c.QueryParam("short"); text != "" {
		if short, err = strconv.ParseBool(text); err != nil {
			return web.Refused("short", "oneof", "It must be true or false.")
		}
	}
	found, err := m.stockPage(c.Request().Context(), short, page)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, found)
}
