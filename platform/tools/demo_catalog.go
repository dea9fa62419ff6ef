package tools

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"shopping-cart/platform/money"
)

// read gives the products of the invoices, one a stock code, and what was bought together.
func (c Catalog) read() (products []product, baskets [][]product, err error) {
	text, err := gzip.NewReader(bytes.NewReader(c))
	if err != nil {
		return nil, nil, fmt.Errorf("unzip the catalog: %w", err)
	}
	book, err := readInvoices(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read the catalog: %w", err)
	}
	known := map[string]product{}
	for _, p := range book.products {
		p.SKU = codeOf(p.SKU)
		if _, seen := known[p.SKU]; seen || !isGoods(p.SKU) {
			continue
		}
		p.Name = inPlainWords(p.Name)
		known[p.SKU] = p
		products = append(products, p)
	}
	for _, b := range book.baskets {
		var bought []product
		for _, line := range b.lines {
			if p, ok := known[codeOf(line.sku)]; ok {
				bought = append(bought, p)
			}
		}
		if len(bought) > 0 {
			baskets = append(baskets, bought)
		}
	}
	if len(baskets) == 0 {
		return nil, nil, errors.New("the catalog sells nothing")
	}
	return products, baskets, nil
}

// codeOf takes the price off again, see skuOf.
func codeOf(sku string) string {
	code, _, _ := strings.Cut(sku, " @ ")
	return code
}

// isGoods leaves out postage, fees and the like, whose codes are words.
func isGoods(code string) bool { return code != "" && unicode.IsDigit(rune(code[0])) }

// inPlainWords writes a name as people do: the invoices shout.
func inPlainWords(name string) string {
	words := strings.Fields(strings.ToLower(name))
	for i, w := range words {
		switch w {
		case "tv", "uk":
			words[i] = strings.ToUpper(w)
		case "t-light", "t-lights":
			words[i] = "T" + w[1:]
		}
	}
	plain := strings.Join(words, " ")
	first, size := utf8.DecodeRuneInString(plain)
	if size == 0 {
		return ""
	}
	return string(unicode.ToUpper(first)) + plain[size:]
}

// fill puts the products into the price book and on the shelves.
func (m *market) fill(ctx context.Context) error {
	return abreast(ctx, 8, len(m.products), func(ctx context.Context, i int) error {
		p := m.products[i]
		_, err := m.client.do(ctx, call{
			method: http.MethodPut, path: "/v1/products/" + url.PathEscape(p.SKU), token: m.operator, key: m.key("product", i),
			body: map[string]any{"name": p.Name, "price": money.Of(p.Price, tradeCurrency)},
		})
		if err != nil {
			return err
		}
		_, err = m.client.do(ctx, call{
			method: http.MethodPut, path: "/v1/stock/" + url.PathEscape(p.SKU), token: m.operator, key: m.key("stock", i),
			body: map[string]any{"on_hand": shelf(p.SKU)},
		})
		var no *refusal
		if errors.As(err, &no) && no.Code == "below_reserved" { // a run before sold it faster
			return nil
		}
		return err
	})
}

// shelf is how many there are: plenty, and of every twelfth so few that they run out.
func shelf(sku string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(sku)) // never fails
	if h.Sum32()%12 == 0 {
		return 4
	}
	return 5_000
}
