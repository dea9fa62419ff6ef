package cart

import (
	"strconv"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// CheckOut asks for a cart to be sealed for a checkout. The version that the shopper saw is Write.IfMatch.
type CheckOut struct {
	CartID        uuid.UUID
	Caller        web.Caller
	Write         web.Write
	PaymentMethod string
	ContactID     uuid.UUID
	Chargeable    func(total money.Amount) error // pure; refuses a total above zero that no payment method can pay. Nil: none is refused
}

// Sealed is the answer to CheckOut.
type Sealed struct {
	CheckoutID uuid.UUID
	ContactID  uuid.UUID // the one that it is sealed with
	Replayed   bool      // it was sealed before, by the same request
}

// Complete ends the checkout of a cart that has become an order.
type Complete struct{ CartID, CheckoutID, OrderID uuid.UUID }

// Reopen ends the checkout of a cart that failed, and says why.
type Reopen struct {
	CartID, CheckoutID uuid.UUID
	Code, Detail       string
}

// Command is how a checkout ends for the cart that it sealed: Complete or Reopen.
type Command interface {
	command
	cartID() uuid.UUID
}

func (c Complete) cartID() uuid.UUID { return c.CartID }
func (c Reopen) cartID() uuid.UUID   { return c.CartID }

// command is what a cart can be told.
//
//sumtype:decl
type command interface{ toCart() }

type (
	create struct {
		CustomerID string
		Currency   string
	}
	addItem struct {
		SKU      string
		Quantity int64
	}
	setQuantity struct {
		SKU      string
		Quantity int64
	}
	removeItem     struct{ SKU string }
	clearItems     struct{}
	reprice        struct{}
	setAdjustments struct{ Adjustments []adjustment }
	abandon        struct{}
	expire         struct{ Untouched, TTL time.Duration }
)

// adjustment is one that somebody asks for, in a currency that has yet to be compared with the cart's.
type adjustment struct {
	Code, Label string
	Amount      money.Amount
}

// merge is a command to two carts at once.
type merge struct{ TargetID, SourceID uuid.UUID }

func (create) toCart()         {}
func (addItem) toCart()        {}
func (setQuantity) toCart()    {}
func (removeItem) toCart()     {}
func (clearItems) toCart()     {}
func (reprice) toCart()        {}
func (setAdjustments) toCart() {}
func (CheckOut) toCart()       {}
func (Reopen) toCart()         {}
func (Complete) toCart()       {}
func (abandon) toCart()        {}
func (expire) toCart()         {}

// checkoutSpace is where the ids of a checkout, its order and its payment come from. It never changes.
var checkoutSpace = uuid.MustParse("6d0b6d7e-3a0c-4a53-8a3f-5b7c0a4e9c22")

// derivedID names what an attempt to check out a cart makes.
func derivedID(cart uuid.UUID, attempt int, what string) uuid.UUID {
	return uuid.NewSHA1(checkoutSpace, []byte(cart.String()+"/"+strconv.Itoa(attempt)+"/"+what))
}
