package demo

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

	"shopping-cart/client"
	"shopping-cart/internal/replay"
	"shopping-cart/platform/money"
)

// read returns the products of the invoices, one per stock code, and the baskets of products bought together.
func (c Catalog) read() (products []replay.Product, baskets [][]replay.Product, err error) {
	text, err := gzip.NewReader(bytes.NewReader(c))
	if err != nil {
		return nil, nil, fmt.Errorf("unzip the catalog: %w", err)
	}
	book, err := replay.ReadInvoices(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read the catalog: %w", err)
	}
	known := map[string]replay.Product{}
	for _, p := range book.Products {
		p.SKU = codeOf(p.SKU)
		if _, seen := known[p.SKU]; seen || !isGoods(p.SKU) {
			continue
		}
		p.Name = inPlainWords(p.Name)
		known[p.SKU] = p
		products = append(products, p)
	}
	for _, b := range book.Baskets {
		var bought []replay.Product
		for _, line := range b.Lines {
			if p, ok := known[codeOf(line.SKU)]; ok {
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

// codeOf removes the price from a SKU, see skuOf.
func codeOf(sku string) string {
	code, _, _ := strings.Cut(sku, " @ ")
	return code
}

// isGoods excludes postage, fees and the like. Their codes are words.
func isGoods(code string) bool { return code != "" && unicode.IsDigit(rune(code[0])) }

// inPlainWords converts a name from capitals to normal case.
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

// fill puts the products into the price book and sets their stock.
func (m *market) fill(ctx context.Context) error {
	return client.Parallel(ctx, 8, len(m.products), func(ctx context.Context, i int) error {
		p := m.products[i]
		_, err := m.client.Do(ctx, client.Call{
			Method: http.MethodPut, Path: "/v1/products/" + url.PathEscape(p.SKU), Token: m.operator, Key: m.key("product", i),
			Body: map[string]any{"name": p.Name, "price": money.Of(p.Price, replay.TradeCurrency)},
		})
		if err != nil {
			return err
		}
		_, err = m.client.Do(ctx, client.Call{
			Method: http.MethodPut, Path: "/v1/stock/" + url.PathEscape(p.SKU), Token: m.operator, Key: m.key("stock", i),
			Body: map[string]any{"on_hand": initialStock(p.SKU)},
		})
		var no *client.Refusal
		if errors.As(err, &no) && no.Code == "below_reserved" { // an earlier run sold some of it in the meantime
			return nil
		}
		return err
	})
}

// initialStock returns the stock of a product: plenty, but of every twelfth so few that they run out.
func initialStock(sku string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(sku)) // never fails
	if h.Sum32()%12 == 0 {
		return 4
	}
	return 5_000
}
