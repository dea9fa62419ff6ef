package bench

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// CopyCart writes every row of a cart again, whatever its columns are, under new ids. The SKU of its line becomes the one
// that stands beside the id.
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
