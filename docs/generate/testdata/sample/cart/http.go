package cart

import (
	"time"

	"sample/money"
	"sample/web"

	"github.com/google/uuid"
)

type View struct {
	ID         uuid.UUID    `json:"id" format:"uuid"`
	Total      money.Amount `json:"total"`
	Lines      []Line       `json:"items"`
	Status     Status       `json:"status"`
	CheckoutID string       `json:"checkout_id,omitempty"`
	CreatedAt  time.Time    `json:"created_at"`
}

type Status string

const (
	StatusOpen   Status = "open"
	StatusMerged Status = "merged" // its lines went into another cart
	statusNone   Status = ""
)

type Line struct {
	SKU string `json:"sku" validate:"required"`
}

type itemRequest struct {
	SKU      string `json:"sku" validate:"required,sku"`
	Quantity int64  `json:"quantity" validate:"gte=1,lte=9999"`
}

// list shows my carts.
//
//	@Summary	My carts
//	@Tags		carts
//	@Security	BearerAuth[carts:price, orders:read]
//	@Param		limit	query		int	false	"1 to 100"
//	@Success	200		{object}	web.Page[View]
//	@Failure	422		{object}	web.Problem
//	@Router		/v1/carts [get]
func list() { _ = web.Page[View]{} }

// add adds to a line.
//
//	@Summary	Add an item
//	@Tags		carts
//	@Security	Bearer
//	@x-operator-scopes	["carts:price"]
//	@Param		id				path		string		true	"the cart"
//	@Param		idempotency-key	header		string		true	"key"
//	@Param		Prefer			header		string		false	"wait"
//	@Param		body			body		itemRequest	true	"what to add"
//	@Success	200				{object}	View
//	@Header		200				{string}	ETag	"the version"
//	@Failure	404
//	@Failure	409	{object}	web.Problem	"cart_closed"
//	@Router		/v1/carts/{id}/items [post]
func add() {}

// pay is for anyone.
//
//	@Summary	Approve
//	@Tags		simulator
//	@Success	204
//	@Router		/simulator/payments/{reference}/approve [post]
//	@Param		reference	path	string	true	"the payment"
func approve() {}

// feed is of a subject that has no place in our list.
//
//	@Summary	Feed
//	@Tags		zoo
//	@Success	204
//	@Router		/zoo [post]
func feed() {}
