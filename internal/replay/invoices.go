package replay

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bojanz/currency"

	"shopping-cart/platform/money"
)

// TradeCurrency is the currency of UnitPrice.
const TradeCurrency = "GBP"

// largestQuantity exceeds every plausible quantity. A larger number is a typing error.
const largestQuantity = 1_000_000

// Invoices is the sorted content of a file.
type Invoices struct {
	Products  []Product // in order of appearance
	Baskets   []basket  // in order of appearance
	read      int       // invoices
	sales     int       // invoices with at least one sold line
	cancelled int       // invoices that cancel another
	lines     int
	sold      int // lines
	leftOut   map[reason]int
	total     int64 // of the sold lines, pence
}

// Product is one stock code at one price: a product has one price, but the prices in the file change between invoices.
type Product struct {
	SKU, Name string
	Price     int64 // pence
}

// basket is the content of one order.
type basket struct {
	invoice, customer, country string // customer is empty if unknown
	Lines                      []basketLine
	total                      int64 // pence
}

type basketLine struct {
	SKU      string
	quantity int64
	price    int64 // pence
}

// reason is the reason why a line is not sold.
type reason string

const (
	ofCancellation reason = "of a cancellation"
	noQuantity     reason = "quantity zero or negative"
	noPrice        reason = "price zero or negative"
	fractional     reason = "price with a fraction of a penny"
	noSKU          reason = "stock code that cannot be a SKU"
)

// openInvoices reads a file of invoices, and unzips it if its name ends in .gz.
func openInvoices(path string) (*Invoices, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var from io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if from, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("unzip %s: %w", path, err)
		}
	}
	book, err := ReadInvoices(from)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return book, nil
}

// ReadInvoices reads the lines of invoices. An invalid line is an error with its number.
func ReadInvoices(from io.Reader) (*Invoices, error) {
	rows := csv.NewReader(from)
	rows.ReuseRecord = true
	header, err := rows.Read()
	if err != nil {
		return nil, fmt.Errorf("no header: %w", err)
	}
	columns, err := columnsOf(header)
	if err != nil {
		return nil, err
	}
	s := &sorter{book: &Invoices{leftOut: map[reason]int{}}, known: map[string]int{}, sales: map[string]*sale{}}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return s.finish(), nil
		}
		if err != nil {
			return nil, err
		}
		if err := s.add(columns.pick(row)); err != nil {
			number, _ := rows.FieldPos(0)
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
	}
}

// columns are the indexes of the used columns.
type columns struct{ invoice, code, name, quantity, price, customer, country int }

func columnsOf(header []string) (c columns, err error) {
	header[0] = strings.TrimPrefix(header[0], "\ufeff")
	for name, at := range map[string]*int{
		"InvoiceNo": &c.invoice, "StockCode": &c.code, "Description": &c.name, "Quantity": &c.quantity,
		"UnitPrice": &c.price, "CustomerID": &c.customer, "Country": &c.country,
	} {
		if *at = slices.Index(header, name); *at < 0 {
			err = errors.Join(err, fmt.Errorf("the column %s is missing", name))
		}
	}
	return c, err
}

// record is a row of the file.
type record struct{ invoice, code, name, quantity, price, customer, country string }

func (c columns) pick(row []string) record {
	text := func(at int) string { return strings.TrimSpace(row[at]) }
	return record{text(c.invoice), text(c.code), text(c.name), text(c.quantity), text(c.price), text(c.customer), text(c.country)}
}

// parseLine parses a line and returns the reason if it cannot be sold.
func parseLine(r record) (line basketLine, why reason, err error) {
	if line.quantity, err = strconv.ParseInt(r.quantity, 10, 64); err != nil {
		return line, "", fmt.Errorf("the quantity %q is not a whole number", r.quantity)
	}
	if line.quantity > largestQuantity {
		return line, "", fmt.Errorf("the quantity %q is implausible", r.quantity)
	}
	price, whole, err := pence(r.price)
	if err != nil {
		return line, "", err
	}
	line.price, line.SKU = price, skuOf(r.code, price)
	switch {
	case strings.HasPrefix(r.invoice, "C"):
		return line, ofCancellation, nil
	case line.quantity <= 0:
		return line, noQuantity, nil
	case price < 0, price == 0 && whole:
		return line, noPrice, nil
	case !whole:
		return line, fractional, nil
	case r.code == "" || !validSKU(line.SKU):
		return line, noSKU, nil
	}
	return line, "", nil
}

var decimal = regexp.MustCompile(`^-?[0-9]+(\.[0-9]+)?$`)

// pence parses a decimal price exactly, without floats. whole is false if it has a fraction of a penny.
func pence(text string) (minor int64, whole bool, err error) {
	if !decimal.MatchString(text) {
		return 0, false, fmt.Errorf("the price %q is not a decimal number", text)
	}
	amount, err := currency.NewAmount(text, TradeCurrency)
	if err != nil {
		return 0, false, err
	}
	if minor, err = amount.Int64(); err != nil || minor > money.Max || minor < -money.Max {
		return 0, false, fmt.Errorf("the price %q is too large", text)
	}
	return minor, amount.Round().Equal(amount), nil
}

// skuOf returns the SKU of a stock code at a price, such as "85123A @ 2.55".
func skuOf(code string, price int64) string {
	number, _, _ := strings.Cut(money.Of(price, TradeCurrency).String(), " ")
	return code + " @ " + number
}

const maxSKU = 64 // characters

func validSKU(sku string) bool {
	return utf8.ValidString(sku) && utf8.RuneCountInString(sku) <= maxSKU &&
		!strings.ContainsFunc(sku, func(r rune) bool { return r == '/' || !unicode.IsPrint(r) })
}
