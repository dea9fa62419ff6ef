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

// answerStock answers with the stock of a SKU as a command left it.
func (m *Module) answerStock(c echo.Context, receipt eventstore.Receipt) error {
	s, err := stocks.Result(c.Request().Context(), m.store, receipt)
	if err != nil {
		return err
	}
	web.Replayed(c, receipt.Replayed)
	web.ETag(c, s.Version)
	return c.JSON(http.StatusOK, stockViewOf(s.State))
}

func stockViewOf(s Stock) StockView {
	return StockView{SKU: s.SKU, OnHand: s.OnHand, Reserved: s.Reserved, Available: s.Available(), Short: s.Short}
}

// putStock counts a SKU.
//
//	@Summary		Count a SKU
//	@Description	From the first count on its stock is tracked. A count overwrites what others wrote: name the version in `If-Match`, or send an adjustment. A loss below what is reserved is an adjustment. For operators: scope `admin`.
//	@ID				putStock
//	@Tags			stock
//	@Security		BearerAuth
//	@Param			sku						path		string			true	"the SKU"
//	@Param			body					body		CountRequest	true	"how many there are"
//	@Param			If-Match				header		string			false	"only if the stock is at this version"
//	@Param			If-None-Match			header		string			false	"*: only if the stock is not tracked yet"
//	@Success		200						{object}	StockView
//	@Header			200						{string}	ETag	"its version, quoted"
//	@Failure	400,401,403,404,412	{object}	web.Problem
//	@Failure	409	{object}	web.Problem	"below_reserved"
//	@Failure		413,415,422				{object}	web.Problem
//	@Router			/v1/stock/{sku} [put]
func (m *Module) putStock(c echo.Context) error {
	r, err := web.Read[CountRequest](c, web.Needs{})
	if err != nil {
		return err
	}
	receipt, err := m.count(c.Request().Context(), senderOf(r.Write), r.SKU, *r.Body.OnHand)
	if err != nil {
		return err
	}
	return m.answerStock(c, receipt)
}

// showStock answers the stock of a SKU.
//
//	@Summary		Read the stock of a SKU
//	@Description	While the stock is short, `orders` lists the orders that hold it: at most 100, newest first. For operators: scope `admin`.
//	@ID				getStock
//	@Tags			stock
//	@Security		BearerAuth
//	@Param			sku				path		string	true	"the SKU"
//	@Param			If-None-Match	header		string	false	"the version at hand, quoted"
//	@Success		200				{object}	StockDetailView
//	@Header			200				{string}	ETag	"its version, quoted"
//	@Success		304
//	@Failure		401,403,404,422	{object}	web.Problem
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
	view := StockDetailView{StockView: stockViewOf(s.State), Orders: []HolderView{}, OrdersComplete: true}
	if s.State.Short > 0 {
		if view.Orders, view.OrdersComplete, err = m.holders(c.Request().Context(), s); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, view)
}

// postAdjustment adds to the stock of a SKU, or takes from it.
//
//	@Summary		Adjust the stock of a SKU
//	@Description	Adds `delta` to what is on hand, so that two systems do not overwrite each other. A loss may take more than is free: the missing units are `short`, nothing more is sold, and an order whose goods are missing is not fulfilled. For operators: scope `admin`.
//	@ID				adjustStock
//	@Tags			stock
//	@Security		BearerAuth
//	@Param			sku				path		string				true	"the SKU"
//	@Param			body			body		AdjustmentRequest	true	"how many more or fewer, and why"
//	@Param			Idempotency-Key	header		string				true	"1 to 255 visible ASCII characters"
//	@Param			If-Match		header		string				false	"only if the stock is at this version"
//	@Success		200				{object}	StockView
//	@Header			200				{string}	ETag	"its version, quoted"
//	@Failure		400,401,403,404,412	{object}	web.Problem
//	@Failure		409				{object}	web.Problem	"below_zero with on_hand, above_maximum"
//	@Failure		413,415,422		{object}	web.Problem
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
	receipt, err := m.adjust(c.Request().Context(), senderOf(r.Write), r.SKU, StockAdjusted{Delta: *r.Body.Delta, Reason: r.Body.Reason})
	if err != nil {
		return err
	}
	return m.answerStock(c, receipt)
}

// listStock lists the stock of all SKUs.
//
//	@Summary		List the stock of all SKUs, newest first
//	@Description	The SKU that was tracked last comes first. For operators: scope `admin`.
//	@ID				listStock
//	@Tags			stock
//	@Security		BearerAuth
//	@Param			short		query		bool	false	"only stock that is short"
//	@Param			limit		query		int		false	"1 to 100, 20"
//	@Param			cursor		query		string	false	"next_cursor of the page before"
//	@Success		200			{object}	web.Page[StockView]
//	@Failure		401,403,422	{object}	web.Problem
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
