package cart

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

func TestGrams(t *testing.T) {
	t.Parallel()
	require.Len(t, gramsOf("aaa", 1), 3, "each part once")
	require.Equal(t, gramsOf("tea\nmug", 3), gramsOf("mug\ntea", 3), "no part across a line break")
	require.Subset(t, gramsOf("sku\ngrüner tee", 1), searchedGramsOf("üne"))
	require.Len(t, searchedGramsOf("ü"), 1)
	require.Len(t, searchedGramsOf("üb"), 1)
	require.Len(t, searchedGramsOf(strings.Repeat("abcdefghij", 30)+"k"), 11)
	require.LessOrEqual(t, len(searchedGramsOf("the quick brown fox jumps over the lazy dog")), searchedGrams)
}

// finds returns the SKUs of all products with the text, newest first, and requires that the index and a search of all states agree.
func (b *testBundle) finds(t *testing.T, text string) []string {
	t.Helper()
	var found [2][]string
	for i, indexed := range []bool{true, false} {
		b.indexed.Store(indexed)
		for next := ""; ; {
			page, cursor := skusOf(t, client{b, ""}.send(t, "GET", "/v1/products?limit=3&q="+url.QueryEscape(text)+next, ""))
			if found[i] = append(found[i], page...); cursor == nil {
				break
			}
			next = "&cursor=" + *cursor
		}
	}
	require.Equal(t, found[1], found[0], "the index finds others for %q", text)
	return found[0]
}

// TestSearchIndex compares the index with a search of all states, for every part of some names.
func TestSearchIndex(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.prices(t, "85123A", `{"name":"White hanging heart","price":{"amount":1,"currency":"GBP"}}`)
	b.prices(t, "85123B", `{"name":"Red hanging HEART","price":{"amount":1,"currency":"GBP"}}`)
	b.prices(t, url.PathEscape("Größe 7%"), `{"name":"ÄRMEL_ß İ \\ '","price":{"amount":1,"currency":"GBP"}}`)
	b.prices(t, "TEA", `{"name":"TeaTeaTea","price":{"amount":1,"currency":"GBP"}}`)
	for i := range 4 {
		b.prices(t, fmt.Sprint("MUG-", i), `{"name":"Mug","price":{"amount":1,"currency":"GBP"}}`)
	}

	for _, text := range []string{"85123A White hanging heart", "Größe 7%", "ÄRMEL_ß İ \\ '", "TeaTeaTea", "MUG-0"} {
		runes := []rune(text)
		for n := 1; n <= 4; n++ {
			for i := 0; i+n <= len(runes); i++ {
				if part := string(runes[i : i+n]); strings.TrimSpace(part) != "" {
					b.finds(t, part)
				}
			}
		}
	}
	require.Equal(t, []string{"85123B", "85123A"}, b.finds(t, "g Heart"))
	require.Equal(t, []string{"MUG-3", "MUG-2", "MUG-1", "MUG-0"}, b.finds(t, "mU"))
	require.Empty(t, b.finds(t, "85123a\u00a0white"))
	b.prices(t, "PARTS", `{"name":"abcd bcde","price":{"amount":1,"currency":"GBP"}}`)
	require.Empty(t, b.finds(t, "abcde"), "it has every part of it")
	require.Empty(t, b.finds(t, "a85"), "a SKU and a name are two texts")
	require.Empty(t, b.finds(t, strings.Repeat("heart", 200)))

	b.admin(t).send(t, "PUT", "/v1/products/85123B", `{"name":"Blue bowl","price":{"amount":1,"currency":"GBP"}}`).is(t, 200)
	require.Equal(t, []string{"85123A"}, b.finds(t, "heart"))
	require.Equal(t, []string{"85123B"}, b.finds(t, "bowl"))
}

// TestIndexOfOlderVersions fills in the rows of products that a process of an older version wrote.
func TestIndexOfOlderVersions(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 7 {
		b.prices(t, fmt.Sprint("MUG-", i), mugBody)
	}
	for _, sql := range []string{
		`delete from cart.product_search where search like 'mug-1%'`, `update cart.product_search set search = 'old', grams = '{}' where search like 'mug-2%'`,
		`update cart.streams set state = '{"sku":"MUG-3","search":"mug-3\nwith \u0000"}' where key = 'MUG-3'`,
		`update cart.streams set state = '"nothing"' where key = 'MUG-4'`,
	} {
		_, err := b.Control.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	wrote, err := b.indexAll(t.Context())
	require.NoError(t, err)
	require.True(t, wrote)
	wrote, err = b.indexAll(t.Context())
	require.NoError(t, err)
	require.False(t, wrote, "the second pass finds nothing")
	b.indexed.Store(true)
	for text, want := range map[string][]string{"mug-1": {"MUG-1"}, "mug-2": {"MUG-2"}, "with": {"MUG-3"}, "old": {}} {
		got, _ := skusOf(t, client{b, ""}.send(t, "GET", "/v1/products?q="+text, ""))
		require.Equal(t, want, got)
	}
}

func TestSearchLimits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	anyone := client{b, ""}

	t.Run("TooManyAreRefused", func(t *testing.T) {
		for range b.Searches {
			leave, err := b.searches.Enter(t.Context())
			require.NoError(t, err)
			defer leave()
		}
		a := anyone.send(t, "GET", "/v1/products?q=mug", "")
		a.refuses(t, http.StatusTooManyRequests, "too_many_requests")
		require.Equal(t, "1", a.header.Get("Retry-After"))
		anyone.send(t, "GET", "/v1/products", "").is(t, http.StatusOK)
	})
	t.Run("ASlowOneEnds", func(t *testing.T) {
		blocks, err := b.Control.Begin(t.Context())
		require.NoError(t, err)
		defer func() { require.NoError(t, blocks.Rollback(t.Context())) }()
		_, err = blocks.Exec(t.Context(), "lock table cart.product_search")
		require.NoError(t, err)
		b.indexed.Store(true)
		anyone.send(t, "GET", "/v1/products?q=mug", "").refuses(t, http.StatusServiceUnavailable, "search_too_slow")
	})
}

// TestSearchPlan explains searches of a large table, with and without statistics.
func TestSearchPlan(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a table")
	}
	t.Parallel()
	b := setup(t)
	_, err := b.Control.Exec(t.Context(), `alter table cart.product_search set (autovacuum_enabled = off)`)
	require.NoError(t, err)
	var rows pgx.Batch
	for i := range 5000 {
		text := fmt.Sprintf("sku-%d\nwhite heart %d", i, i)
		rows.Queue(saveSearch, productID(text), time.Now().Add(time.Duration(i)*time.Second), text, gramsOf(text, 1))
	}
	require.NoError(t, b.Control.SendBatch(t.Context(), &rows).Close())
	for _, counted := range []bool{false, true} {
		if counted {
			_, err := b.Control.Exec(t.Context(), `analyze cart.product_search`)
			require.NoError(t, err)
		}
		for text, never := range map[string]bool{"h": true, "white": true, "4711": false, "no match": false, "q": false} {
			plan := b.explain(t, text)
			require.NotContains(t, plan, "Seq Scan")
			require.Equal(t, never, strings.Contains(plan, "Bitmap Heap Scan on product_search product_search_1 (never executed)"), "%s: %s", text, plan)
			require.Contains(t, plan, "product_search_newest")
			require.Contains(t, plan, "product_search_grams")
		}
	}
}

// explain runs a search and returns its plan.
func (b *testBundle) explain(t *testing.T, text string) string {
	t.Helper()
	var plan []string
	from := startOf(web.Cursor{})
	var batch pgx.Batch
	batch.Queue(searchLimits)
	batch.Queue("explain (analyze, costs off, timing off) "+searchIndexed, text, from.At, from.ID, 21, searchedGramsOf(text)).
		Query(func(rows pgx.Rows) (err error) {
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
	require.NoError(t, b.Search.SendBatch(t.Context(), &batch).Close())
	return strings.Join(plan, "\n")
}
