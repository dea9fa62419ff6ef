package simulator

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"shopping-cart/payment"
)

var _ payment.Ledger = (*Simulator)(nil)

// sums joins payments with their sums in the ledger.
const sums = ` p left join lateral (
		select coalesce(sum(amount) filter (where operation = 'authorize'), 0)::int8 as authorized,
			coalesce(sum(amount) filter (where operation = 'capture'), 0)::int8 as captured,
			coalesce(sum(amount) filter (where operation = 'void'), 0)::int8 as voided,
			coalesce(sum(amount) filter (where operation = 'refund'), 0)::int8 as refunded,
			(count(*) filter (where operation = 'capture'))::int4 as captures, max(at) as at
		from simulator.ledger l where l.reference = p.reference) l on true order by p.reference`

const (
	sumColumns = `select p.reference, p.currency, l.authorized, l.captured, l.voided, l.refunded, l.captures,
		p.status = 'waiting', coalesce(l.at, p.at) from `
	sumsAfter = sumColumns + `(select * from simulator.payments where reference > $1 order by reference limit $2)` + sums
	sumsOf    = sumColumns + `(select * from simulator.payments where reference = any($1))` + sums
)

// Balances returns the ledger's sums, by payment.
func (s *Simulator) Balances(ctx context.Context, after string, limit int) ([]payment.Balance, error) {
	return s.balances(ctx, sumsAfter, after, limit)
}

// BalancesOf returns the ledger's sums of some payments.
func (s *Simulator) BalancesOf(ctx context.Context, references []string) ([]payment.Balance, error) {
	return s.balances(ctx, sumsOf, references)
}

func (s *Simulator) balances(ctx context.Context, sql string, args ...any) ([]payment.Balance, error) {
	rows, err := s.Pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("sum the ledger: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[payment.Balance])
}
