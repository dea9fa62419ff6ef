package cart

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// Product is the price book's entry for a SKU. The zero Product stands for an unknown SKU.
type Product struct {
	SKU    string       `json:"sku"`
	Name   string       `json:"name"`
	Price  money.Amount `json:"price"`
	Active bool         `json:"active"` // whether it can be bought
	Search string       `json:"search"` // SKU and name in lower case, for searches
}

// searchable converts text to lower case. SQL's lower depends on the collation of the database, and some collations know only
// ASCII.
func searchable(text string) string { return strings.ToLower(text) }

// putProduct sets the price book's entry for a SKU.
type putProduct struct {
	SKU    string
	Name   string
	Price  money.Amount
	Active *bool // nil: unchanged; true for a new product
}

// known reports whether the price book has the SKU.
func (p Product) known() bool { return p.SKU != "" }

func (p Product) sellable() bool { return p.known() && p.Active }

// priceBook holds products by SKU, as read for one decision. A missing SKU was not read. A SKU that was read and is unknown has
// the zero Product.
type priceBook map[string]Product

// products binds the streams of the price book to their types. The key of a product is its SKU.
var products = &eventstore.Aggregate[Product, ProductEvent]{
	Kind: "product", StateVersion: 1, Types: productEventTypes, Evolve: evolveProduct, Index: indexProduct,
}

func indexProduct(p Product, _ time.Time) eventstore.Index {
	i := eventstore.Index{Key: p.SKU, Status: "inactive"}
	if p.Active {
		i.Status = "active"
	}
	return i
}

func evolveProduct(p Product, e ProductEvent) Product {
	switch e := e.(type) {
	case ProductCreated:
		p.SKU, p.Name, p.Price, p.Active = e.SKU, e.Name, e.Price, e.Active
	case ProductChanged:
		p.Name, p.Price, p.Active = e.Name, e.Price, e.Active
	}
	p.Search = searchable(p.SKU + "\n" + p.Name)
	return p
}

// decideProduct returns no event when the price book already has the requested entry.
func decideProduct(p Product, c putProduct) ([]ProductEvent, error) {
	active := p.Active || !p.known()
	if c.Active != nil {
		active = *c.Active
	}
	if p.Price.Currency != c.Price.Currency {
		if err := web.EndedCurrency("price.currency", c.Price.Currency); err != nil {
			return nil, err
		}
	}
	switch {
	case !p.known() && !web.ValidSKU(c.SKU):
		return nil, web.ErrSKU
	case !p.known():
		return []ProductEvent{ProductCreated{SKU: c.SKU, Name: c.Name, Price: c.Price, Active: active}}, nil
	case p.Name == c.Name && p.Price == c.Price && p.Active == active:
		return nil, nil
	}
	return []ProductEvent{ProductChanged{Name: c.Name, Price: c.Price, Active: active}}, nil
}

// productSpace is the namespace of product ids. It never changes.
var productSpace = uuid.MustParse("6d0b6d7e-3a0c-4a53-8a3f-5b7c0a4e9c21")

// productID returns the stream id of a SKU.
func productID(sku string) uuid.UUID { return uuid.NewSHA1(productSpace, []byte(sku)) }

func productRefs(skus []string) []eventstore.Ref {
	return web.Map(skus, func(sku string) eventstore.Ref { return products.Ref(productID(sku)) })
}

// readPrices reads the products of skus inside a decision.
func readPrices(tx *eventstore.Tx, skus []string) priceBook {
	book := make(priceBook, len(skus))
	for _, sku := range skus {
		book[sku] = products.Get(tx, productID(sku)).State
	}
	return book
}
