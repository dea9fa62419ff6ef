package cart

import (
	"context"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"shopping-cart/eventstore"
	"shopping-cart/platform/backoff"
	"shopping-cart/platform/bulkhead"
	"shopping-cart/platform/pgerr"
	"shopping-cart/platform/web"
)

// Searches of the price book read cart.product_search. A command that changes the text of a product writes its row in the same
// transaction. index fills in the rows of products that a process of an older version wrote.

const (
	searchesWaiting  = 16                     // for each search at once
	searchPatience   = 500 * time.Millisecond // of a search that waits
	searchLimits     = `select set_config('statement_timeout', '500ms', true), set_config('enable_bitmapscan', 'on', true)`
	longestGram      = 3
	searchedGrams    = 16 // of a search: more make the result no smaller
	searchIndexEvery = 10 * time.Second
	searchIndexRests = time.Hour // the longest pause, after passes that found nothing
	searchIndexPage  = 500
)

func newSearches(running int) *bulkhead.Bulkhead {
	return bulkhead.New(running, running*searchesWaiting, searchPatience, errTooManySearches)
}

// gramsOf returns the hashes of all parts of a text that have from shortest to longestGram characters, each once. Parts across a
// line break are left out, since no search contains one.
func gramsOf(text string, shortest int) []int32 {
	var all []int32
	for line := range strings.SplitSeq(text, "\n") {
		runes := []rune(line)
		for n := shortest; n <= longestGram; n++ {
			for i := 0; i+n <= len(runes); i++ {
				all = append(all, int32(crc32.ChecksumIEEE([]byte(string(runes[i:i+n]))))) // #nosec G115 -- only the bits count
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// searchedGramsOf returns the grams that a product with the text must have: the longest ones, up to a number.
func searchedGramsOf(text string) []int32 {
	grams := gramsOf(text, min(longestGram, len([]rune(text))))
	return grams[:min(len(grams), searchedGrams)]
}

const saveSearch = `insert into cart.product_search (id, created_at, search, grams) values ($1, $2, $3, $4)
	on conflict (id) do update set search = excluded.search, grams = excluded.grams`

// saveSearched writes the row of a product whose text differs from before.
func saveSearched(tx *eventstore.Tx, before eventstore.Stream[Product], after Product) {
	if before.State.Search == after.Search {
		return
	}
	created := before.CreatedAt
	if !before.Exists() {
		created = tx.Now()
	}
	tx.Exec(saveSearch, before.ID, created, after.Search, gramsOf(after.Search, 1))
}

// A frequent text is found among the newest products. A rare one is not, and has few grams in common with others. Either way a search
// reads few rows, whatever the planner knows of the table. strpos has no wildcards, so a percent sign matches itself.
var (
	searchIndexed = `with newest as materialized (
			select id, created_at from (
				select id, created_at, search from cart.product_search where (created_at, id) < ($2, $3)
				order by created_at desc, id desc limit 1000) recent
			where strpos(search, $1) > 0 order by created_at desc, id desc limit $4),
		all_of_them as materialized (
			select id, created_at from cart.product_search
			where (select count(*) from newest) < $4 and grams @> $5 and strpos(search, $1) > 0 and (created_at, id) < ($2, $3))
		select id, created_at from newest where (select count(*) from newest) = $4
		union all select id, created_at from all_of_them
		order by created_at desc, id desc limit $4`
	// A product without a readable text is in no search.
	searchText = eventstore.TextOf("s.state", "search")
	// searchUnindexed reads the states of all products. It serves until index has seen them all.
	searchUnindexed = `select id, created_at from cart.streams s where kind = 'product' and strpos(` + searchText + `, $1) > 0
		and (created_at, id) < ($2, $3) order by created_at desc, id desc limit $4`
	findUnindexed = `select s.id, s.created_at, p.search is distinct from ` + searchText + ` and ` + searchText + ` is not null
		from cart.streams s left join cart.product_search p on p.id = s.id
		where kind = 'product' and (s.created_at, s.id) < ($1, $2) order by s.created_at desc, s.id desc limit $3`
	// The lock keeps a command from writing a newer text before this one.
	lockUnindexed = `select id, created_at, ` + searchText + ` from cart.streams s where id = any($1) order by id for share`
)

// search returns a page of the products with text in their name or SKU, in either case.
func (m *Module) search(ctx context.Context, text string, p web.PageRequest) (web.Page[ProductView], error) {
	leave, err := m.searches.Enter(ctx)
	if err != nil {
		return web.Page[ProductView]{}, err
	}
	defer leave()
	rows, err := m.searchRows(ctx, searchable(text), p)
	if err != nil {
		return web.Page[ProductView]{}, err
	}
	return web.PageOfNewest("products", rows, p, m.loadProducts(ctx))
}

// searchRows runs the statement with the limits of searches. A batch is one transaction, so they hold behind every pooler.
func (m *Module) searchRows(ctx context.Context, text string, p web.PageRequest) (rows []web.Row, err error) {
	from := startOf(p.Cursor)
	sql, args := searchUnindexed, []any{text, from.At, from.ID, p.Limit + 1}
	if m.indexed.Load() {
		sql, args = searchIndexed, append(args, searchedGramsOf(text))
	}
	var b pgx.Batch
	b.Queue(searchLimits)
	b.Queue(sql, args...).Query(func(found pgx.Rows) (err error) {
		rows, err = pgx.CollectRows(found, pgx.RowToStructByPos[web.Row])
		return err
	})
	err = m.Search.SendBatch(ctx, &b).Close()
	if pgerr.Is(err, pgerr.QueryCanceled) || pgerr.LockTimeout(err) {
		return nil, errSearchTooSlow
	}
	if err != nil {
		return nil, fmt.Errorf("search for products: %w", err)
	}
	return rows, nil
}

// startOf returns a cursor that is before all entries in place of the zero cursor.
func startOf(c web.Cursor) web.Cursor {
	if c.IsZero() {
		return web.Cursor{At: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), ID: uuid.Max}
	}
	return c
}

// index writes the missing and outdated rows of searches again and again until ctx is done. After passes that find nothing its pauses
// grow, since only processes of an older version leave some out. Any number of processes may run it at once.
func (m *Module) index(ctx context.Context) {
	for idle := 0; ; {
		wrote, err := m.indexAll(ctx)
		if err != nil && ctx.Err() == nil {
			m.store.Failed(fmt.Errorf("index the products for searches: %w", err))
		}
		if idle++; wrote || err != nil {
			idle = 0
		}
		if err == nil {
			m.indexed.Store(true)
		}
		if !backoff.Sleep(ctx, backoff.Jitter(backoff.After(idle, searchIndexEvery, searchIndexRests))) {
			return
		}
	}
}

// indexAll visits all products, newest first, and reports whether it wrote a row.
func (m *Module) indexAll(ctx context.Context) (wrote bool, err error) {
	for from := startOf(web.Cursor{}); ; {
		var outdated []uuid.UUID
		visited := 0
		rows, _ := m.Control.Query(ctx, findUnindexed, from.At, from.ID, searchIndexPage)
		var isOutdated bool
		_, err := pgx.ForEachRow(rows, []any{&from.ID, &from.At, &isOutdated}, func() error {
			if visited++; isOutdated {
				outdated = append(outdated, from.ID)
			}
			return nil
		})
		if err == nil && len(outdated) > 0 {
			wrote, err = true, m.indexSome(ctx, outdated)
		}
		if err != nil || visited < searchIndexPage {
			return wrote, err
		}
	}
}

// indexSome writes the rows of products.
func (m *Module) indexSome(ctx context.Context, ids []uuid.UUID) error {
	return pgx.BeginFunc(ctx, m.Control, func(tx pgx.Tx) error {
		var id uuid.UUID
		var created time.Time
		var text *string
		var b pgx.Batch
		rows, _ := tx.Query(ctx, lockUnindexed, ids)
		_, err := pgx.ForEachRow(rows, []any{&id, &created, &text}, func() error {
			if text != nil {
				b.Queue(saveSearch, id, created, *text, gramsOf(*text, 1))
			}
			return nil
		})
		if err != nil || b.Len() == 0 {
			return err
		}
		return tx.SendBatch(ctx, &b).Close()
	})
}
