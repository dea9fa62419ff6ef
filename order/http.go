package order

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/email"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// View is an order on the wire.
type View struct {
	ID              uuid.UUID        `json:"id" format:"uuid"`
	Number          string           `json:"number" example:"1000002"`
	CustomerID      string           `json:"customer_id"`
	CheckoutID      uuid.UUID        `json:"checkout_id" format:"uuid"`
	PaymentID       *uuid.UUID       `json:"payment_id" format:"uuid" extensions:"x-nullable"` // null when there was nothing to pay
	Status          Status           `json:"status" example:"confirmed"`
	Items           []ItemView       `json:"items"`
	Adjustments     []AdjustmentView `json:"adjustments"`
	Total           money.Amount     `json:"total"`
	Refunded        money.Amount     `json:"refunded"`
	Reason          *string          `json:"reason" example:"payment_declined" extensions:"x-nullable"`     // why it was cancelled; null for other orders
	Email           *string          `json:"email" extensions:"x-nullable"`                                 // null after erasure
	ShippingAddress json.RawMessage  `json:"shipping_address" swaggertype:"object" extensions:"x-nullable"` // null if none was given, and after erasure
	AddressOmitted  bool             `json:"shipping_address_omitted,omitempty"`                            // true if a stored address is not shown because it, or a number in it, exceeds the limits
	Version         int64            `json:"version" example:"2"`
	CreatedAt       time.Time        `json:"created_at"`
	UpdatedAt       time.Time        `json:"updated_at"`
}

// ItemView is a line of an order on the wire.
type ItemView struct {
	SKU       string       `json:"sku" example:"MUG-RED"`
	Name      string       `json:"name" example:"Red mug"`
	Quantity  int64        `json:"quantity" example:"2"`
	UnitPrice money.Amount `json:"unit_price"`
	LineTotal money.Amount `json:"line_total"`
}

// AdjustmentView is an adjustment of an order on the wire.
type AdjustmentView struct {
	Code   string       `json:"code" example:"shipping"`
	Label  string       `json:"label" example:"Standard delivery"`
	Amount money.Amount `json:"amount"`
}

func viewOf(o eventstore.Stream[State], contacts map[uuid.UUID]contact) View {
	s := o.State
	v := View{
		ID: o.ID, Number: s.Number, CustomerID: s.CustomerID, CheckoutID: s.CheckoutID,
		Status: s.Status, Total: money.Of(s.Total, s.Currency), Refunded: money.Of(s.Refunded, s.Currency),
		Version: o.Version, CreatedAt: web.Time(o.CreatedAt), UpdatedAt: web.Time(o.UpdatedAt),
		Items: web.Map(s.Lines, func(l Line) ItemView {
			return ItemView{
				SKU: l.SKU, Name: l.Name, Quantity: l.Quantity,
				UnitPrice: money.Of(l.UnitPrice, s.Currency), LineTotal: money.Of(l.UnitPrice*l.Quantity, s.Currency),
			}
		}),
		Adjustments: web.Map(s.Adjustments, func(a Adjustment) AdjustmentView {
			return AdjustmentView{Code: a.Code, Label: a.Label, Amount: money.Of(a.Amount, s.Currency)}
		}),
	}
	if s.Total > 0 {
		v.PaymentID = &s.PaymentID
	}
	if code := s.reasonCode(); code != "" {
		v.Reason = &code
	}
	if c, ok := contacts[s.ContactID]; ok {
		v.Email = &c.Email
		v.ShippingAddress, v.AddressOmitted = c.address()
	}
	return v
}

// listMine lists the orders of the caller.
//
//	@Summary		List my orders, newest first
//	@Description	Leaves out orders that were never confirmed, unless `include` asks for them. Their checkout is in progress, failed or was cancelled.
//	@ID				listOrders
//	@Tags			orders
//	@Security		BearerAuth
//	@Param			include			query		string	false	"unconfirmed: also list orders that were never confirmed"	Enums(unconfirmed)
//	@Param			refunded		query		string	false	"Only orders of which none, a part or all was refunded"			Enums(none, part, full)
//	@Param			created_after	query		string	false	"Only orders placed after this time"							format(date-time)
//	@Param			created_before	query		string	false	"Only orders placed before this time"							format(date-time)
//	@Param			limit			query		int		false	"Page size: 1 to 100, 20 by default"
//	@Param			cursor			query		string	false	"next_cursor of the previous page"
//	@Success		200				{object}	web.Page[View]
//	@Router			/v1/orders [get]
func (m *Module) listMine(c echo.Context) error {
	return m.answerList(c, func(q *query) error {
		q.customer, q.lacking = web.CallerOf(c).Subject, unconfirmed
		include, err := oneOf(c, "include", "unconfirmed")
		if include != "" {
			q.lacking = nothing
		}
		return err
	})
}

// show answers with an order.
//
//	@Summary	Read an order
//	@Description	The `ETag` is the version. `refunded` is the amount refunded so far.
//	@ID			getOrder
//	@Tags		orders
//	@Security	BearerAuth
//	@x-operator-scopes ["orders:read"]
//	@Param		id				path		string	true	"Order"	format(uuid)
//	@Param		If-None-Match	header		string	false	"The version that the client has, quoted"
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"The version, quoted"
//	@Success	304
//	@Router		/v1/orders/{id} [get]
func (m *Module) show(c echo.Context) error {
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	o, err := m.visibleTo(c.Request().Context(), web.CallerOf(c), id)
	if err != nil {
		return err
	}
	view, err := m.view(c.Request().Context(), o)
	if err != nil {
		return err
	}
	if web.NotModified(c, o.Version) && view.Email != nil { // the version does not cover an erasure of the contact: a cached copy may still hold it
		return c.NoContent(http.StatusNotModified)
	}
	return c.JSON(http.StatusOK, view)
}

// readOrder reads a request about the order that the path names.
func readOrder[T any](m *Module, c echo.Context) (o eventstore.Stream[State], r web.Request[T], err error) {
	r, err = web.Read[T](c, web.Needs{Key: true, Visible: func(id uuid.UUID) (err error) {
		o, err = m.visibleTo(c.Request().Context(), web.CallerOf(c), id)
		return err
	}})
	return o, r, err
}

// answerOrder answers with an order after a command.
func (m *Module) answerOrder(c echo.Context, status int, o eventstore.Stream[State], replayed bool) error {
	view, err := m.view(c.Request().Context(), o)
	if err != nil {
		return err
	}
	web.Replayed(c, replayed)
	web.ETag(c, o.Version)
	return c.JSON(status, view)
}

// visibleTo loads an order that the caller may see. A tombstone is no order.
func (m *Module) visibleTo(ctx context.Context, caller web.Caller, id uuid.UUID) (eventstore.Stream[State], error) {
	o, err := orders.Load(ctx, m.store, id)
	if err != nil {
		return o, err
	}
	if !o.State.placed() || o.State.CustomerID != caller.Subject && !caller.Operator() {
		return o, errNotFound
	}
	return o, nil
}

// postFulfil records the shipment of an order.
//
//	@Summary		Fulfil a confirmed order
//	@Description	Removes the goods from the stock. The request is refused if the whole amount was refunded or is being refunded.
//	@ID				fulfilOrder
//	@Tags			orders
//	@Security		BearerAuth[orders:fulfil]
//	@Param			id						path		string	true	"Order"	format(uuid)
//	@Param			Idempotency-Key			header		string	true	"1 to 255 visible ASCII characters"
//	@Success		200						{object}	View
//	@Header			200						{string}	ETag	"The version, quoted"
//	@Failure	403,412	{object}	web.Problem
//	@Failure	409	{object}	web.Problem	"not_confirmed, already_fulfilled, order_cancelled, order_cancelling, order_refunded; stock_short with lines"
//	@Router			/v1/orders/{id}/fulfil [post]
func (m *Module) postFulfil(c echo.Context) error {
	o, r, err := readOrder[struct{}](m, c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	receipt, err := m.fulfil(ctx, r.Write, o)
	if err != nil {
		return err
	}
	if o, err = orders.Result(ctx, m.store, receipt); err != nil {
		return err
	}
	return m.answerOrder(c, http.StatusOK, o, receipt.Replayed)
}

// listAll lists the orders of all customers.
//
//	@Summary		Find orders of all customers, newest first
//	@Description	Leaves out pending orders, unless `status` asks for them.
//	@ID				findOrders
//	@Tags			operators
//	@Security		BearerAuth[orders:read]
//	@Param			number		query		string	false	"Only the order with this number"
//	@Param			email		query		string	false	"Only orders placed with this address, in upper or lower case of any script"
//	@Param			status		query		string	false	"Only orders with this status"	Enums(pending, confirmed, cancelling, fulfilled, cancelled)
//	@Param			refunded		query		string	false	"Only orders of which none, a part or all was refunded"	Enums(none, part, full)
//	@Param			created_after	query		string	false	"Only orders placed after this time"					format(date-time)
//	@Param			created_before	query		string	false	"Only orders placed before this time"					format(date-time)
//	@Param			limit		query		int		false	"Page size: 1 to 100, 20 by default"
//	@Param			cursor		query		string	false	"next_cursor of the previous page"
//	@Success		200			{object}	web.Page[View]
//	@Failure		403	{object}	web.Problem
//	@Router			/v1/admin/orders [get]
func (m *Module) listAll(c echo.Context) error {
	return m.answerList(c, func(q *query) error { return q.readFilters(c) })
}

// answerList answers with a page of orders. read reads the parameters that the other list of orders does not have.
func (m *Module) answerList(c echo.Context, read func(*query) error) error {
	page, err := web.PageOf(c)
	if err != nil {
		return err
	}
	var q query
	if q.created, err = web.CreatedOf(c); err != nil {
		return err
	}
	if q.refunded, err = oneOf(c, "refunded", refundedNone, refundedPartly, refundedFully); err != nil {
		return err
	}
	if err := read(&q); err != nil {
		return err
	}
	found, err := m.list(c.Request().Context(), q, page)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, found)
}

// oneOf reads a parameter of the query that is empty or one of the values.
func oneOf[T ~string](c echo.Context, name string, values ...T) (T, error) {
	value := T(c.QueryParam(name))
	if value == "" || slices.Contains(values, value) {
		return value, nil
	}
	allowed := web.Map(values, func(v T) string { return string(v) })
	return value, web.Refused(name, "oneof", "It must be one of: "+strings.Join(allowed, ", ")+".")
}

// readFilters reads the parameters of an operator's search.
func (q *query) readFilters(c echo.Context) (err error) {
	q.lacking, q.number, q.email = pending, web.FilterOf(c, "number"), web.FilterOf(c, "email")
	if flaw := email.Flaw(q.email); q.email != "" && flaw != "" {
		return web.Refused("email", "email", flaw)
	}
	q.email = email.Fold(q.email)
	switch {
	case q.number == "":
	case strings.Trim(q.number, "0123456789") != "":
		return web.Refused("number", "number", "It must be the number of an order, with digits only.")
	case !validNumber(q.number):
		return web.Refused("number", "check_digit", "It is not an order number: its check digit is wrong. Check every digit.")
	}
	q.status, err = oneOf(c, "status", StatusPending, StatusConfirmed, StatusCancelling, StatusFulfilled, StatusCancelled)
	if q.status != statusNone {
		q.lacking = nothing
	}
	return err
}
