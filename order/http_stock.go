package order

import (
	"net/http"

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
}

// CountRequest says how many units of a SKU there are, those reserved included.
type CountRequest struct {
	OnHand *int64 `json:"on_hand" validate:"required,min=0,max=9007199254740991" example:"40"`
}

func answerStock(c echo.Context, s eventstore.Stream[Stock]) error {
	web.ETag(c, s.Version)
	return c.JSON(http.StatusOK, StockView{
		SKU: s.State.SKU, OnHand: s.State.OnHand, Reserved: s.State.Reserved, Available: s.State.Available(),
	})
}

// putStock counts a SKU.
//
//	@Summary		Count a SKU
//	@Description	From the first count on its stock is tracked. For operators: scope `admin`.
//	@ID				putStock
//	@Tags			stock
//	@Security		BearerAuth
//	@Param			sku						path		string			true	"the SKU"
//	@Param			body					body		CountRequest	true	"how many there are"
//	@Success		200						{object}	StockView
//	@Header			200						{string}	ETag	"its version, quoted"
//	@Failure	400,401,403,404,412	{object}	web.Problem
//	@Failure	409	{object}	web.Problem	"below_reserved"
//	@Failure		413,415,422				{object}	web.Problem
//	@Router			/v1/stock/{sku} [put]
func (m *Module) putStock(c echo.Context) error {
	sku, err := web.SKU(c)
	if err != nil {
		return err
	}
	body, err := web.Body[CountRequest](c)
	if err != nil {
		return err
	}
	write, err := web.WriteOf(c)
	if err != nil {
		return err
	}
	receipt, err := m.count(c.Request().Context(), senderOf(write), sku, *body.OnHand)
	if err != nil {
		return err
	}
	s, err := stocks.Result(c.Request().Context(), m.store, receipt)
	if err != nil {
		return err
	}
	if receipt.Replayed {
		web.Replayed(c)
	}
	return answerStock(c, s)
}

// showStock answers the stock of a SKU.
//
//	@Summary		Read the stock of a SKU
//	@Description	For operators: scope `admin`.
//	@ID				getStock
//	@Tags			stock
//	@Security		BearerAuth
//	@Param			sku				path		string	true	"the SKU"
//	@Success		200				{object}	StockView
//	@Header			200				{string}	ETag	"its version, quoted"
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
	return answerStock(c, s)
}
