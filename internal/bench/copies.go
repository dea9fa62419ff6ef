package bench

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"shopping-cart/platform/database"
)

// Rows are copied with all their columns. Only the columns that must differ are named, so a copy equals the program's own rows.

// copyCarts copies the first cart to new ids. The SKU of its line changes from copy to copy if spread is set.
func (s *Shop) copyCarts(ctx context.Context, n int, spread bool) ([]uuid.UUID, error) {
	ids, skus := make([]uuid.UUID, n), make([]string, n)
	for i := range ids {
		ids[i], skus[i] = uuid.Must(uuid.NewV7()), s.SKUs[0]
		if spread {
			skus[i] = s.SKUs[i%len(s.SKUs)]
		}
	}
	conn, err := database.Connect(ctx, s.URL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
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
		if _, err := conn.Exec(ctx, rows, s.origin, s.SKUs[0], ids, skus); err != nil {
			return nil, fmt.Errorf("copy a cart: %w", err)
		}
	}
	return ids, nil
}

// history holds the streams of a checkout by schema.
type history map[string]uuid.UUID

// events returns the number of events of a history.
func (h history) events(ctx context.Context, pool *pgxpool.Pool) (sum int64, err error) {
	for schema, stream := range h {
		var n int64
		if err := pool.QueryRow(ctx, "select count(*) from "+schema+".events where stream = $1", stream).Scan(&n); err != nil {
			return 0, fmt.Errorf("count events of %s: %w", schema, err)
		}
		sum += n
	}
	return sum, nil
}

// chunk is the number of copies in one transaction.
const chunk = 5_000

// copy copies a history that many times, in chunks, the schemas concurrently.
func (h history) copy(ctx context.Context, pool *pgxpool.Pool, times int64, progress func(done int64)) error {
	g, ctx := errgroup.WithContext(ctx)
	for schema, stream := range h {
		g.Go(func() error {
			for from := int64(0); from < times; from += chunk {
				to := min(from+chunk, times)
				if err := copyStream(ctx, pool, schema, stream, from, to); err != nil {
					return fmt.Errorf("copy the history of %s: %w", schema, err)
				}
				if schema == "cart" {
					progress(to)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// copyStream makes the copies from from to below to. The ids of copies are random or ordered by time like the original's, because
// that affects an index.
func copyStream(ctx context.Context, pool *pgxpool.Pool, schema string, stream uuid.UUID, from, to int64) error {
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
