package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// identities selects the identity columns of a schema: table, column and sequence, quoted for SQL.
const identities = `select a.attrelid::regclass::text, quote_ident(a.attname), quote_literal(pg_get_serial_sequence(a.attrelid::regclass::text, a.attname))
	from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
	where n.nspname = $1 and c.relkind = 'r' and a.attidentity <> ''`

// beginner is a connection or a pool.
type beginner interface {
	querier
	Begin(ctx context.Context) (pgx.Tx, error)
}

// MoveIdentities moves each sequence of a schema that is behind its rows past the greatest existing number, and reports it to
// tell. Without one it writes nothing and waits for nobody. Logical replication does not copy sequences, and a restore may bring
// one back older than its table: an insert would then fail with a duplicate key.
func MoveIdentities(ctx context.Context, db beginner, schema string, tell func(what string)) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	rows, err := db.Query(ctx, identities, schema)
	if err != nil {
		return err
	}
	type identity struct{ Table, Column, Sequence string }
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[identity])
	if err != nil {
		return err
	}
	for _, i := range all {
		var behind bool
		from := fmt.Sprintf("from %[1]s having max(%[2]s) > coalesce(pg_sequence_last_value(%[3]s), 0)", i.Table, i.Column, i.Sequence)
		if err := db.QueryRow(ctx, "select exists (select "+from+")").Scan(&behind); err != nil {
			return err
		}
		if !behind {
			continue
		}
		tell("move " + i.Sequence + " past its rows")
		err := pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error { // one process at a time: no sequence goes backwards
			if _, err := tx.Exec(ctx, "select pg_advisory_xact_lock($1)", turnKey); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, fmt.Sprintf("select setval(%s, max(%s)) %s", i.Sequence, i.Column, from))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
