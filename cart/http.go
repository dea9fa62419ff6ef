package cart

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// maxAdjustments is the body limit for a list of adjustments, in bytes. A hundred long labels exceed the limit of other bodies.
const maxAdjustments = 256 << 10

// Routes adds the routes of products and carts.
func (m *Module) Routes(s *web.Server) {
	s.Public.GET("/v1/products", m.listProducts, web.Query("q"), web.Paged, web.Limit(web.Searches))
	s.Public.GET("/v1/products/:sku", m.showProduct)
	s.Scoped(web.ScopeCatalogWrite).PUT("/v1/products/:sku", m.putProduct)

	c := s.Customer
	c.POST("/v1/carts", m.open)
	c.GET("/v1/carts", m.list, web.Paged)
	s.Owned(web.ScopeOrdersRead, web.ScopeCartsPrice).GET("/v1/carts/:id", m.show, web.Query("version"))
	s.Owned(web.ScopeOrdersRead).GET("/v1/carts/:id/events", m.history, web.Logged)
	c.DELETE("/v1/carts/:id", m.abandon)
	c.POST("/v1/carts/:id/items", m.addItem)
	c.DELETE("/v1/carts/:id/items", m.clearItems)
	c.PATCH("/v1/carts/:id/items/:sku", m.setQuantity)
	c.DELETE("/v1/carts/:id/items/:sku", m.removeItem)
	c.POST("/v1/carts/:id/reprice", m.reprice)
	c.POST("/v1/carts/:id/merge", m.merge)
	s.Scoped(web.ScopeCartsPrice).PUT("/v1/carts/:id/adjustments", m.setAdjustments, web.MaxBody(maxAdjustments))
}

// View is a cart on the wire.
type View struct {
	ID               uuid.UUID        `json:"id" format:"uuid"`
	CustomerID       string           `json:"customer_id"`
	Currency         string           `json:"currency" example:"GBP"`
	Status           Status           `json:"status" enums:"open,checking_out,checked_out,merged,abandoned"`
	Items            []ItemView       `json:"items"`
	Adjustments      []AdjustmentView `json:"adjustments"`
	AdjustmentsStale bool             `json:"adjustments_stale"` // the lines, prices or quantities have changed since they were set; set them again
	Total            money.Amount     `json:"total"`             // lines and adjustments, never below 0
	Version          int64            `json:"version" example:"7"`
	CheckoutID       *uuid.UUID       `json:"checkout_id" format:"uuid" extensions:"x-nullable"` // of the running or successful checkout
	CreatedAt        time.Time        `json:"created_at"`
	UpdatedAt        time.Time        `json:"updated_at"`
}

// ItemView is a line of a cart on the wire.
type ItemView struct {
	SKU       string       `json:"sku" example:"85123A"`
	Name      string       `json:"name" example:"White hanging heart"`
	Quantity  int64        `json:"quantity" example:"2"`
	UnitPrice money.Amount `json:"unit_price"`
	LineTotal money.Amount `json:"line_total"`
}

// AdjustmentView is an adjustment on the wire.
type AdjustmentView struct {
	Code   string       `json:"code" example:"shipping"`
	Label  string       `json:"label" example:"Royal Mail, second class"`
	Amount money.Amount `json:"amount"` // negative lowers the total
}

func viewOf(cart eventstore.Stream[State]) View {
	s := cart.State
	v := View{
		ID: cart.ID, CustomerID: s.CustomerID, Currency: s.Currency, Status: s.Status,
		AdjustmentsStale: s.adjustmentsStale(), Total: money.Of(s.Total(), s.Currency), Version: cart.Version,
		CreatedAt: web.Time(cart.CreatedAt), UpdatedAt: web.Time(cart.UpdatedAt),
		Items: web.Map(s.Lines, func(l Line) ItemView {
			return ItemView{
				SKU: l.SKU, Name: l.Name, Quantity: l.Quantity,
				UnitPrice: money.Of(l.UnitPrice, s.Currency), LineTotal: money.Of(l.Total(), s.Currency),
			}
		}),
		Adjustments: web.Map(s.Adjustments, func(a Adjustment) AdjustmentView {
			return AdjustmentView{Code: a.Code, Label: a.Label, Amount: money.Of(a.Amount, s.Currency)}
		}),
	}
	if s.CheckoutID != uuid.Nil {
		v.CheckoutID = &s.CheckoutID
	}
	return v
}

// EventView is an event of a cart on the wire. Amounts in data are minor units of the cart's currency.
type EventView struct {
	Version    int64           `json:"version" example:"2"`
	Type       string          `json:"type" example:"cart.item_added"`
	Data       json.RawMessage `json:"data" swaggertype:"object"`
	OccurredAt time.Time       `json:"occurred_at"`
	Actor      string          `json:"actor"` // the subject of the token, or saga
}

// PageBytes returns the approximate size of the event on a page.
func (v EventView) PageBytes() int { return len(v.Data) }

func eventViewOf(e eventstore.Recorded) EventView {
	return EventView{Version: e.Version, Type: e.Type, Data: e.Data, OccurredAt: web.Time(e.At), Actor: e.Meta.Actor}
}

// ProductView is a product on the wire.
type ProductView struct {
	SKU       string       `json:"sku" example:"85123A"`
	Name      string       `json:"name" example:"White hanging heart"`
	Price     money.Amount `json:"price"`
	Active    bool         `json:"active"`                            // whether it can be bought
	Available *int64       `json:"available" extensions:"x-nullable"` // null: its stock is not tracked
}

// beside returns the stock, which the product's version does not cover. The ETag contains it.
func (v ProductView) beside() []int64 {
	if v.Available == nil {
		return nil
	}
	return []int64{*v.Available}
}

func productViewOf(p Product, available map[string]int64) ProductView {
	v := ProductView{SKU: p.SKU, Name: p.Name, Price: p.Price, Active: p.Active}
	if n, tracked := available[p.SKU]; tracked {
		v.Available = &n
	}
	return v
}

// openRequest is the body of POST /v1/carts.
type openRequest struct {
	Currency string `json:"currency" validate:"required,currency" example:"GBP"`
}

// itemRequest is the body of POST /v1/carts/{id}/items.
type itemRequest struct {
	SKU      string `json:"sku" text:"own" validate:"required,sku" example:"85123A"`
	Quantity *int64 `json:"quantity" validate:"required,min=1,max=9999" example:"2"`
}

// quantityRequest is the body of PATCH /v1/carts/{id}/items/{sku}.
type quantityRequest struct {
	Quantity *int64 `json:"quantity" validate:"required,min=1,max=9999" example:"3"`
}

// mergeRequest is the body of POST /v1/carts/{id}/merge.
type mergeRequest struct {
	SourceCartID uuid.UUID `json:"source_cart_id" validate:"required" format:"uuid"`
	SourceToken  string    `json:"source_token" text:"own" validate:"required"`
}

// adjustmentsRequest is the body of PUT /v1/carts/{id}/adjustments.
type adjustmentsRequest struct {
	Adjustments []adjustmentRequest `json:"adjustments" validate:"required,max=100,dive"`
}

type adjustmentRequest struct {
	Code   string       `json:"code" validate:"required,visible,max=64" example:"shipping"`
	Label  string       `json:"label" validate:"required,visible,max=255" example:"Royal Mail, second class"`
	Amount moneyRequest `json:"amount" validate:"required"`
}

// productRequest is the body of PUT /v1/products/{sku}.
type productRequest struct {
	Name   string       `json:"name" text:"own" validate:"required,visible,max=255" example:"White hanging heart"`
	Price  moneyRequest `json:"price" validate:"required"`
	Active *bool        `json:"active,omitempty" example:"true"` // omitted: unchanged; true for a new product
}

// moneyRequest is an amount in a request. An omitted amount is refused, not taken as 0.
type moneyRequest struct {
	Amount   *int64 `json:"amount" validate:"required" example:"1999"`
	Currency string `json:"currency" validate:"required,currency" example:"GBP"`
}

// checked returns the amount, or a fault if it is beyond ±money.Max.
func (r moneyRequest) checked(field string) (money.Amount, error) {
	switch {
	case *r.Amount > money.Max:
		return money.Amount{}, errAmountTooLarge.At(field + ".amount")
	case *r.Amount < -money.Max:
		return money.Amount{}, errAmountTooLarge.Detailf("The amount is less than -%d minor units.", int64(money.Max)).At(field + ".amount")
	}
	return money.Of(*r.Amount, r.Currency), nil
}

func (r productRequest) command(sku string) (putProduct, error) {
	if *r.Price.Amount < 0 {
		return putProduct{}, web.Refused("price.amount", "min", "It must be at least 0.")
	}
	price, err := r.Price.checked("price")
	return putProduct{SKU: sku, Name: r.Name, Price: price, Active: r.Active}, err
}
