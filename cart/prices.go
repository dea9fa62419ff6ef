package cart

import (
	"fmt"
	"strings"

	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// PriceMismatch is a line whose product has another price or currency, in the details of price_changed and currency_mismatch.
type PriceMismatch struct {
	SKU string       `json:"sku"`
	Was money.Amount `json:"was"`
	Now money.Amount `json:"now"`
}

// differences are the lines of a cart whose product has changed since it was added.
type differences struct {
	unsold  []string        // SKUs that are not sold at the moment
	foreign []PriceMismatch // sold in another currency than the cart's
	moved   []PriceMismatch // sold at another price
}

func (s State) differences(prices priceBook) (d differences, err error) {
	for _, l := range s.Lines {
		p, read := prices[l.SKU]
		line := PriceMismatch{SKU: l.SKU, Was: money.Of(l.UnitPrice, s.Currency), Now: p.Price}
		switch {
		case !read:
			return differences{}, errStaleProducts
		case !p.sellable():
			d.unsold = append(d.unsold, l.SKU)
		case p.Price.Currency != s.Currency:
			d.foreign = append(d.foreign, line)
		case line.Now != line.Was:
			d.moved = append(d.moved, line)
		}
	}
	return d, nil
}

// checkPrices refuses a cart with a product that is not sold, is sold in another currency or has another price. Each refusal names the
// remedy: remove lines or reprice the cart.
func (s State) checkPrices(prices priceBook) error {
	d, err := s.differences(prices)
	switch {
	case err != nil:
		return err
	case len(d.unsold) > 0:
		return errProductInactive.Detailf("%s not sold at the moment. %s", areNamed(d.unsold), removeThem(d.unsold)).With("skus", d.unsold)
	case len(d.foreign) > 0:
		return errForeign(d.foreign, s.Currency)
	case len(d.moved) > 0:
		return errPriceChanged.With("lines", d.moved)
	}
	return nil
}

// errForeign names the lines with products that are now sold in another currency than the cart's.
func errForeign(lines []PriceMismatch, currency string) error {
	skus := web.Map(lines, func(l PriceMismatch) string { return l.SKU })
	return errCurrencyMismatch.Detailf("%s no longer sold in %s. %s", areNamed(skus), currency, removeThem(skus)).
		With("lines", lines).With("skus", skus)
}

// namedSKUs limits the SKUs that a sentence names.
const namedSKUs = 5

// areNamed returns the start of a sentence about SKUs: their names and the verb.
func areNamed(skus []string) string {
	if len(skus) == 1 {
		return quoted(skus[0]) + " is"
	}
	names := web.Map(skus[:min(len(skus), namedSKUs)], quoted)
	if more := len(skus) - len(names); more > 0 {
		return fmt.Sprintf("%s and %d more are", strings.Join(names, ", "), more)
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " are"
}

// quoted puts a SKU into single quotes. Double quotes would be escaped in the JSON of the answer.
func quoted(sku string) string { return "'" + sku + "'" }

func removeThem(skus []string) string {
	if len(skus) == 1 {
		return "Remove it to continue."
	}
	return "Remove them to continue."
}
