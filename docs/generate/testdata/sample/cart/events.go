package cart

import (
	"sample/fault"
	"sample/money"

	"github.com/google/uuid"
)

// Opened says that a cart is there.
type Opened struct {
	CartID uuid.UUID    `json:"cart_id"`
	Total  money.Amount `json:"total"`
	Parts  []Part       `json:"parts,omitempty"` // what is in it
	Status Status       `json:"status"`
}

// Part is a piece.
type Part struct {
	Name string `json:"name"`
}

// added: a piece came.
type added struct{ Part }

func (Opened) Kind() string { return "cart.opened" }
func (added) Kind() string  { return "cart.added" }

var carts = aggregate{Upcasts: map[string][]upcast{
	Opened{}.Kind(): {fieldsAdded},
}}

const codeClosed = "cart_closed"

var (
	errClosed = fault.New(fault.Conflict, codeClosed, "This cart is <closed>.")
	errGone   = fault.New(fault.Conflict, "cart_gone", "It is "+"gone.")
)
