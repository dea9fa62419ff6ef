package replay

import (
	"strings"

	"shopping-cart/platform/money"
)

// The limits of a cart. A larger sale becomes several baskets, each an order.
const (
	maxQuantity = 9_999
	maxLines    = 1_000
)

// sorter groups lines into sales.
type sorter struct {
	book  *Invoices
	known map[string]int // products by SKU
	sales map[string]*sale
	order []*sale // in order of appearance
}

// sale is an invoice with the baskets that deliver it.
type sale struct {
	cancels bool
	baskets []basket
}

func (s *sorter) add(r record) error {
	to := s.sales[r.invoice]
	if to == nil {
		to = &sale{cancels: strings.HasPrefix(r.invoice, "C")}
		s.sales[r.invoice] = to
		s.order = append(s.order, to)
	}
	s.book.lines++
	line, why, err := parseLine(r)
	if err != nil {
		return err
	}
	if why != "" {
		s.book.leftOut[why]++
		return nil
	}
	value, err := money.Times(line.price, line.quantity)
	if err == nil {
		s.book.total, err = money.Add(s.book.total, value)
	}
	if err != nil {
		return err
	}
	s.book.sold++
	s.addProduct(line, r)
	to.put(line, r)
	return nil
}

// addProduct adds a new product, and keeps the first name of each product.
func (s *sorter) addProduct(line basketLine, r record) {
	i, known := s.known[line.SKU]
	if !known {
		i = len(s.book.Products)
		s.known[line.SKU] = i
		s.book.Products = append(s.book.Products, Product{SKU: line.SKU, Name: r.code, Price: line.price})
	}
	if p := &s.book.Products[i]; p.Name == r.code && r.name != "" {
		p.Name = r.name
	}
}

// put packs a line into as few baskets as possible.
func (s *sale) put(line basketLine, r record) {
	for i := 0; line.quantity > 0; i++ {
		if i == len(s.baskets) {
			s.baskets = append(s.baskets, basket{invoice: r.invoice, customer: r.customer, country: r.country})
		}
		line.quantity -= s.baskets[i].put(line)
	}
}

// put adds as many units of the line as fit, and returns that number.
func (b *basket) put(line basketLine) int64 {
	room := int64(maxQuantity)
	skus := map[string]bool{}
	for _, have := range b.Lines {
		skus[have.SKU] = true
		if have.SKU == line.SKU {
			room -= have.quantity
		}
	}
	if !skus[line.SKU] && len(skus) >= maxLines || room == 0 {
		return 0
	}
	line.quantity = min(line.quantity, room)
	b.Lines = append(b.Lines, line)
	b.total += line.price * line.quantity // the sum over the file is checked for overflow
	return line.quantity
}

// finish counts the sales and collects their baskets.
func (s *sorter) finish() *Invoices {
	s.book.read = len(s.order)
	for _, sale := range s.order {
		if sale.cancels {
			s.book.cancelled++
		}
		if len(sale.baskets) > 0 {
			s.book.sales++
		}
		s.book.Baskets = append(s.book.Baskets, sale.baskets...)
	}
	return s.book
}
