package saga

import (
	"flag"
	"testing"

	"github.com/google/uuid"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
)

var (
	skuA = cart.Line{SKU: "A", Name: "A", Quantity: 1, UnitPrice: 700}
	skuB = cart.Line{SKU: "B", Name: "B", Quantity: 1, UnitPrice: 300}
)

// shelf puts goods into the price book and on the shelf.
func (x *exploration) shelf(s *state, l cart.Line, onHand int64) {
	p := x.program
	product, stock := uuid.NewSHA1(productSpace, []byte(l.SKU)), uuid.NewSHA1(stockSpace, []byte(l.SKU))
	p.names[product], p.names[stock] = "the product "+l.SKU, "the stock of "+l.SKU
	x.say(s, "cart", product, cart.ProductCreated{SKU: l.SKU, Name: l.Name, Price: price(l.UnitPrice), Active: true})
	x.say(s, "orders", stock, order.StockCounted{SKU: l.SKU, OnHand: onHand})
}

// The name spaces of products and stock, which never change.
var (
	productSpace = uuid.MustParse("6d0b6d7e-3a0c-4a53-8a3f-5b7c0a4e9c21")
	stockSpace   = uuid.MustParse("8d6f2f0c-6f0e-4f6b-8b7a-6a1f5c3f2d01")
)

var allowed = flag.Int("mishaps", 1, "x")

var mayFlag = flag.Int("may", int(anyMishap), "x")

func TestExplore(t *testing.T) {
	t.Run("Checkout", func(t *testing.T) {
		x := explore(t, func(x *exploration, s *state) {
			x.shelf(s, skuA, 1)
			x.shelf(s, skuB, 5)
			x.tempers = tempers{opAuthorize: {payment.Authorized, payment.Declined}, opCapture: {payment.Captured, payment.Refused}}
			x.sealed(s, "ann", 1, skuA, skuB)
			x.mishaps = mishap(*mayFlag)
			s.budget = budget{mishaps: int8(*allowed)}
		})
		x.run()
	})
}
