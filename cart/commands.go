package cart

import (
	"context"

	"strconv"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// CheckOut seals a cart for a checkout. Write.IfMatch holds the version that the shopper saw.
type CheckOut struct {
	CartID        uuid.UUID
	Caller        web.Caller
	Write         web.Write
	PaymentMethod string
	ContactID     uuid.UUID
	Payments      Payments // nil: no total is refused
	// SaveContact stores the contact. It runs once the cart would be sealed, and neither for a refused request nor for a repeated one. It may be nil.
	SaveContact func(context.Context) error
	// Then returns the commands that follow in one transaction, given the event by which the cart will be sealed, and SaveContact does not run. If
	// they cannot commit together, CheckOut goes on as if Then were nil.
	Then   func(context.Context, CheckedOut) []eventstore.Link
	source string // keyed hash of the caller's address
}

// Payments refuses payments before a checkout. It is pure but for its memory of refusals.
type Payments interface {
	// Chargeable refuses totals above zero that no payment method can pay.
	Chargeable(total money.Amount) error
	// Permits refuses a payment after too many declined ones of the customer or of the address, whose hash is source.
	Permits(customer, source string, guest bool) error
}

// CheckOutResult is the answer to CheckOut.
type CheckOutResult struct {
	CheckoutID uuid.UUID
	ContactID  uuid.UUID // the contact that the seal holds
	Replayed   bool      // an earlier attempt of the same request sealed the cart
	Then       []eventstore.Result
}

// Complete ends the checkout of a cart that has become an order.
type Complete struct{ CartID, CheckoutID, OrderID uuid.UUID }

// Reopen ends a failed checkout of a cart and gives the reason.
type Reopen struct {
	CartID, CheckoutID uuid.UUID
	Code, Detail       string
	FailedAt           time.Time // of its payment; zero if no payment method was tried
}

// Command ends the checkout that sealed a cart: Complete or Reopen.
type Command interface {
	command
	cartID() uuid.UUID
}

func (c Complete) cartID() uuid.UUID { return c.CartID }
func (c Reopen) cartID() uuid.UUID   { return c.CartID }

// command is implemented by all commands on one cart.
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

// adjustment is a requested adjustment. Its currency has not been compared with the cart's yet.
type adjustment struct {
	Code, Label string
	Amount      money.Amount
}

// merge moves the lines of one cart into another.
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

// checkoutSpace is the namespace of the ids of checkouts, orders and payments. It never changes.
var checkoutSpace = uuid.MustParse("6d0b6d7e-3a0c-4a53-8a3f-5b7c0a4e9c22")

// derivedID returns the id of the checkout, order or payment that an attempt creates.
func derivedID(cart uuid.UUID, attempt int, what string) uuid.UUID {
	return uuid.NewSHA1(checkoutSpace, []byte(cart.String()+"/"+strconv.Itoa(attempt)+"/"+what))
}
