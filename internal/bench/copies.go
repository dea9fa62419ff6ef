package bench

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// Rows are copied with all their columns. Only the columns that must differ are named, so a copy equals the program's own rows.

// CopyCart copies a cart to new ids. The SKU of its line becomes the one at the same index as the id.
func CopyCart(ctx context.Context, conn *pgx.Conn, origin [16]byte, sku string, ids [][16]byte, skus []string) error {
	for _, rows := range []string{
		`insert into cart.streams select r.*
			from cart.streams o, unnest($3::uuid[], $4::text[]) copy(id, sku),
				json_populate_record(o, json_build_object('id', copy.id, 'state', replace(o.state::text, $2, copy.sku)::json)) r
			where o.id = $1`,
		`insert into cart.receipts select r.*
			from cart.receipts o, unnest($3::uuid[], $4::text[]) copy(id, sku),
				json_populate_record(o, json_build_object('id', gen_random_uuid(), 'stream', copy.id)) r
			where o.stream = $1 and $2::text is not null`,
		`insert into cart.events select r.*
			from cart.events o, unnest($3::uuid[], $4::text[]) copy(id, sku),
				json_populate_record(o, json_build_object('stream', copy.id, 'position', nextval('cart.position'),
					'data', replace(o.data::text, $2, copy.sku)::json)) r
			where o.stream = $1`,
	} {
		if _, err := conn.Exec(ctx, rows, origin, sku, ids, skus); err != nil {
			return fmt.Errorf("copy a cart: %w", err)
		}
	}
	return nil
}

// History holds streams of the store, one stream for each schema.
type History map[string][16]byte

// Events returns the number of events of a history.
func (h History) Events(ctx context.Context, pool *pgxpool.Pool) (n int64, err error) {
	for schema, stream := range h {
		var of int64
		if err := pool.QueryRow(ctx, "select count(*) from "+schema+".events where stream = $1", stream).Scan(&of); err != nil {
			return 0, fmt.Errorf("count events of %s: %w", schema, err)
		}
		n += of
	}
	return n, nil
}

// copiesAtOnce is the number of copies in one transaction.
const copiesAtOnce = 5_000

// Copy copies a history that many times, in chunks, the schemas concurrently.
func (h History) Copy(ctx context.Context, pool *pgxpool.Pool, times int64, progress func(done int64)) error {
	g, ctx := errgroup.WithContext(ctx)
	for schema, stream := range h {
		g.Go(func() error {
			for from := int64(0); from < times; from += copiesAtOnce {
				if err := copyStream(ctx, pool, schema, stream, from, min(from+copiesAtOnce, times)); err != nil {
					return fmt.Errorf("copy the history of %s: %w", schema, err)
				}
				if schema == "cart" {
					progress(min(from+copiesAtOnce, times))
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// copyStream makes the copies from from to below to. The ids of copies are random or ordered by time like the original's, because
// that affects an index.
func copyStream(ctx context.Context, pool *pgxpool.Pool, schema string, stream [16]byte, from, to int64) error {
	const id = `(case substr($1::uuid::text, 15, 1) when '7'
			then lpad(to_hex(1700000000000 + n), 12, '0') || '7' || substr(md5($1::text || n), 14) else md5($1::text || n) end)::uuid`
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local synchronous_commit = off; set local statement_timeout = 0"); err != nil {
			return err
		}
		for _, rows := range []string{
			`insert into %[1]s.streams select r.*
				from generate_series($2::bigint, $3::bigint - 1) n, %[1]s.streams o,
					json_populate_record(o, json_build_object('id', ` + id + `, 'key', case when o.key is not null then 'copy ' || n end)) r
				where o.id = $1::uuid`,
			`insert into %[1]s.receipts select r.*
				from generate_series($2::bigint, $3::bigint - 1) n, %[1]s.receipts o,
					json_populate_record(o, json_build_object('id', md5(o.id::text || n), 'stream', ` + id + `)) r
				where o.stream = $1::uuid`,
			`insert into %[1]s.events select r.*
				from generate_series($2::bigint, $3::bigint - 1) n, (select e from %[1]s.events e where e.stream = $1::uuid order by e.version) o,
					json_populate_record(o.e, json_build_object('position', nextval('%[1]s.position'), 'stream', ` + id + `)) r`,
		} {
			if _, err := tx.Exec(ctx, fmt.Sprintf(rows, schema), stream, from, to); err != nil {
				return err
			}
		}
		return nil
	})
}

// Settle vacuums and analyzes the filled database, as autovacuum would later.
func (h History) Settle(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	for schema := range h {
		for _, table := range []string{".streams", ".events", ".receipts"} {
			if _, err := conn.Exec(ctx, "vacuum analyze "+schema+table); err != nil {
				return fmt.Errorf("vacuum %s%s: %w", schema, table, err)
			}
		}
	}
	_, err = conn.Exec(ctx, "checkpoint")
	return err
}
