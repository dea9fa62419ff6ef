package replay

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const sample = "../../docs/data/online-retail-sample.csv.gz"

// read sorts rows of InvoiceNo, StockCode, Description, Quantity, UnitPrice, CustomerID, Country.
func read(t require.TestingT, rows ...string) *Invoices {
	book, err := ReadInvoices(file(rows...))
	require.NoError(t, err)
	return book
}

func file(rows ...string) *strings.Reader {
	return strings.NewReader("InvoiceNo,StockCode,Description,Quantity,UnitPrice,CustomerID,Country\n" + strings.Join(rows, "\n"))
}

func TestReadInvoices(t *testing.T) {
	t.Parallel()
	t.Run("OneProductPerCodeAndPrice", func(t *testing.T) {
		t.Parallel()
		book := read(t, "1,85123A,,6,2.55,7,France", "1,85123A,WHITE HEART,2,2.95,7,France", "2,85123A,WHITE HEART,1,2.55,,EIRE", "2,POST,POSTAGE,1,18,,EIRE")
		require.Equal(t, []Product{
			{"85123A @ 2.55", "WHITE HEART", 255}, {"85123A @ 2.95", "WHITE HEART", 295}, {"POST @ 18.00", "POSTAGE", 1800},
		}, book.Products)
		require.Equal(t, []basket{
			{invoice: "1", customer: "7", country: "France", total: 2120, Lines: []basketLine{{"85123A @ 2.55", 6, 255}, {"85123A @ 2.95", 2, 295}}},
			{invoice: "2", country: "EIRE", total: 2055, Lines: []basketLine{{"85123A @ 2.55", 1, 255}, {"POST @ 18.00", 1, 1800}}},
		}, book.Baskets)
		require.EqualValues(t, 4175, book.total)
	})
	t.Run("EqualPricesAreOneProduct", func(t *testing.T) {
		t.Parallel()
		require.Len(t, read(t, "1,A,a,1,3,,", "1,A,a,1,3.00,,", "1,A,a,1,3.0,,").Products, 1)
	})
	t.Run("ProductWithoutNameIsCalledByItsCode", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, "gift_0001_50", read(t, "1,gift_0001_50,,1,42.55,,").Products[0].Name)
	})
	t.Run("LinesAreLeftOutWithAReason", func(t *testing.T) {
		t.Parallel()
		book := read(t, "C1,A,a,-1,2,,", "C1,A,a,1,0,,", "2,A,a,-1,0,,", "2,A,a,0,1,,", "3,A,a,1,0,,", "3,A,a,1,-11062.06,,", "4,A,a,1,0.001,,",
			"4,A/B,a,1,1,,", "4,,a,1,1,,", "5,A,a,1,1,,")
		require.Equal(t, map[reason]int{ofCancellation: 2, noQuantity: 2, noPrice: 2, fractional: 1, noSKU: 2}, book.leftOut)
		require.Equal(t, []int{10, 1, 5, 1, 1}, []int{book.lines, book.sold, book.read, book.cancelled, book.sales})
		require.EqualValues(t, 100, book.total)
		require.Len(t, book.Products, 1)
	})
	t.Run("MoreThanACartHoldsBecomesSeveralBaskets", func(t *testing.T) {
		t.Parallel()
		book := read(t, "1,A,a,5000,1,,", "1,B,b,1,1,,", "1,A,a,75000,1,,")
		require.Len(t, book.Baskets, 9)
		require.Equal(t, 1, book.sales)
		require.EqualValues(t, 8_000_100, book.total)
		require.Equal(t, []basketLine{{"A @ 1.00", 5000, 100}, {"B @ 1.00", 1, 100}, {"A @ 1.00", 4999, 100}}, book.Baskets[0].Lines)
	})
	t.Run("NothingIsLostInPacking", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(t *rapid.T) {
			var s sale
			var want int64
			for range rapid.IntRange(0, 1200).Draw(t, "lines") {
				line := basketLine{skuOf("A", rapid.Int64Range(1, 1100).Draw(t, "price")), rapid.Int64Range(1, 30_000).Draw(t, "quantity"), 1}
				want += line.quantity
				s.put(line, record{})
			}
			for _, b := range s.baskets {
				held := map[string]int64{}
				for _, l := range b.Lines {
					held[l.SKU] += l.quantity
					want -= l.quantity
					require.LessOrEqual(t, held[l.SKU], int64(maxQuantity))
				}
				require.LessOrEqual(t, len(held), maxLines)
			}
			require.Zero(t, want)
		})
	})
	t.Run("ExcelsMarkBeforeTheHeaderIsSkipped", func(t *testing.T) {
		t.Parallel()
		_, err := ReadInvoices(strings.NewReader("\ufeffInvoiceNo,StockCode,Description,Quantity,UnitPrice,CustomerID,Country\n"))
		require.NoError(t, err)
	})
	t.Run("WhatCannotBeReadIsNamedByItsLine", func(t *testing.T) {
		t.Parallel()
		for row, want := range map[string]string{
			"1,A,a,many,1,,": `line 3: the quantity "many" is not a whole number`, "1,A,a,1.5,1,,": `line 3: the quantity "1.5" is not a whole number`,
			"1,A,a,1000001,1,,": "implausible", "1,A,a,1,NaN,,": `line 3: the price "NaN" is not a decimal number`,
			"1,A,a,1,1e3,,": "not a decimal number", "1,A,a,1,,,": "not a decimal number", "1,A,a,1,99999999999999999999,,": "too large", "1,A": "wrong number of fields",
		} {
			_, err := ReadInvoices(file("1,A,a,1,1,,", row))
			require.ErrorContains(t, err, want, row)
		}
		_, err := ReadInvoices(strings.NewReader("InvoiceNo,StockCode,Description,Quantity,Price,CustomerID,Country\n"))
		require.ErrorContains(t, err, "the column UnitPrice is missing")
	})
	t.Run("TheSampleIsWhatItsReadmeSays", func(t *testing.T) {
		t.Parallel()
		book, err := openInvoices(sample)
		require.NoError(t, err)
		require.Equal(t, []int{57, 44, 8, 544, 453, 372}, []int{book.read, book.sales, book.cancelled, book.lines, book.sold, len(book.Products)})
		require.Equal(t, map[reason]int{ofCancellation: 28, noPrice: 61, noQuantity: 2}, book.leftOut)
		require.EqualValues(t, 1_977_780, book.total)
	})
}

func TestPence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"2.55": 255, "0.07": 7, "18": 1800, "2.5": 250, "1130.9": 113090, "0.29": 29, "16.1": 1610, "-0.01": -1, "90071992547409.91": 9007199254740991,
	} {
		minor, whole, err := pence(text)
		require.NoError(t, err)
		require.True(t, whole)
		require.Equal(t, want, minor, text)
	}
}
