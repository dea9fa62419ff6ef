package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/payment"
	"shopping-cart/platform/database"
	"shopping-cart/platform/pgerr"
)

const (
	// The rows of the key and of the payment serialize the calls.
	beginCall = `insert into simulator.calls (key, reference, operation) values ($1, $2, $3)
		on conflict (key) do update set attempts = calls.attempts + 1 returning attempts, answer`
	lockAccount = `insert into simulator.payments (reference, token, amount, currency, status) values ($1, $2, $3, $4, 'none')
		on conflict (reference) do update set reference = excluded.reference
		returning ` + accountColumns
	findAccount    = `select ` + accountColumns + ` from simulator.payments where reference = $1`
	accountColumns = `reference, token, amount, currency, status, code, answered, captured, refunded`
	saveAccount    = `update simulator.payments set status = $2, code = $3, answered = $4, captured = $5, refunded = $6 where reference = $1`
	saveAnswer     = `update simulator.calls set answer = $2, refund = $3 where key = $1`
	writeLedger    = `insert into simulator.ledger (reference, operation, amount, currency) values ($1, $2, $3, $4)`
	lookUp         = `select ` + accountColumns + `,
			array(select key from simulator.calls c where c.reference = p.reference and c.refund > 0),
			(select coalesce(json_agg(json_build_object('id', e.id, 'kind', e.kind, 'amount', e.amount) order by e.at, e.id), '[]')
				from simulator.refunds_elsewhere e where e.reference = p.reference)
		from simulator.payments p where reference = $1`
)

// Authorize reserves the amount.
func (s *Simulator) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return s.call(ctx, opAuthorize, c)
}

// Capture captures the authorized amount.
func (s *Simulator) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return s.call(ctx, opCapture, c)
}

// Void voids an authorization, or refuses one that comes later.
func (s *Simulator) Void(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return s.call(ctx, opVoid, c)
}

// Refund refunds a captured amount, or a part of it.
func (s *Simulator) Refund(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return s.call(ctx, opRefund, c)
}

// LookUp returns the state of a payment.
func (s *Simulator) LookUp(ctx context.Context, c payment.Call) (payment.Report, error) {
	if err := s.delay(ctx, c.PaymentMethod); err != nil {
		return payment.Report{}, err
	}
	var a account
	var refunds []string
	var elsewhere []payment.Elsewhere
	err := s.Pool.QueryRow(ctx, lookUp, c.Reference).Scan(append(a.fields(), &refunds, &elsewhere)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return payment.Report{Answer: payment.Answer{Status: payment.NotFound}}, nil
	}
	if err != nil {
		return payment.Report{}, fmt.Errorf("look up: %w", err)
	}
	return payment.Report{Answer: report(a, s.bankURL(a.Reference)), Back: a.Refunded, Refunded: refunds, Elsewhere: elsewhere}, nil
}

func (a *account) fields() []any {
	return []any{&a.Reference, &a.Token, &a.Amount, &a.Currency, &a.Status, &a.Code, &a.Answered, &a.Captured, &a.Refunded}
}

// limitedFor is the time for which sim_rate_limited asks to wait.
const limitedFor = 100 * time.Millisecond

const rollbackTimeout = 5 * time.Second

// call delays an operation, performs it once per key, and returns or loses the answer.
func (s *Simulator) call(ctx context.Context, op operation, c payment.Call) (payment.Answer, error) {
	if err := s.delay(ctx, c.PaymentMethod); err != nil {
		return payment.Answer{}, err
	}
	var answer payment.Answer
	var how failureMode
	err := s.retryAfterSequence(ctx, func() (err error) {
		answer, how, err = s.perform(ctx, op, c)
		return err
	})
	if err != nil {
		return payment.Answer{}, fmt.Errorf("%s: %w", op, err)
	}
	if _, ok := elsewhereOf(c.PaymentMethod); ok && op == opCapture {
		s.wake()
	}
	switch how {
	case transient:
		return payment.Answer{}, &payment.Transient{Err: fmt.Errorf("%s: try again later", op)}
	case limited:
		return payment.Answer{}, &payment.Transient{Err: &payment.RateLimited{After: limitedFor}}
	case loseRequest, loseAnswer:
		<-ctx.Done()
		return payment.Answer{}, ctx.Err()
	case noFault:
	}
	return answer, nil
}

// retryAfterSequence calls do, a transaction. If a sequence is behind its rows, retryAfterSequence advances the sequence and calls do again.
func (s *Simulator) retryAfterSequence(ctx context.Context, do func() error) error {
	err := do()
	if !pgerr.Violates(err, "ledger_pkey", "webhooks_pkey") {
		return err
	}
	if err := database.MoveIdentities(ctx, s.Pool, "simulator", func(what string) { s.Log.Warn("a sequence is behind its rows", "then", what) }); err != nil {
		return fmt.Errorf("move a sequence past its rows: %w", err)
	}
	return do()
}

// change changes a payment in a transaction, and then delivers the queued webhooks.
func (s *Simulator) change(ctx context.Context, reference string, do func(pgx.Tx, *account) error) (a account, err error) {
	err = s.retryAfterSequence(ctx, func() error {
		return pgx.BeginFunc(ctx, s.Pool, func(tx pgx.Tx) (err error) {
			if a, err = accountIn(tx.QueryRow(ctx, findAccount+" for update", reference)); err != nil {
				return err
			}
			return do(tx, &a)
		})
	})
	if err == nil {
		s.wake()
	}
	return a, err
}

// accountIn returns the payment in a row.
func accountIn(row pgx.Row) (a account, err error) {
	err = row.Scan(a.fields()...)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && a.Status == none {
		return a, errNotFound
	}
	return a, err
}

// perform runs a transaction of two round trips: the locks, then the effect.
func (s *Simulator) perform(ctx context.Context, op operation, c payment.Call) (answer payment.Answer, how failureMode, err error) {
	conn, err := s.Pool.Acquire(ctx)
	if err != nil {
		return answer, how, err
	}
	defer conn.Release()
	defer func() {
		if err != nil && conn.Conn().PgConn().TxStatus() != 'I' {
			rest, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
			defer cancel()
			_, _ = conn.Exec(rest, "rollback") // if it fails, the pool drops the connection
		}
	}()
	var n int
	var stored []byte
	var a account
	var first, second pgx.Batch
	first.Queue("begin")
	first.Queue("set local lock_timeout = '5s'") // longer than for reads, since calls about one payment wait for each other
	first.Queue(beginCall, c.Key, c.Reference, op).QueryRow(func(row pgx.Row) error { return row.Scan(&n, &stored) })
	first.Queue(lockAccount, c.Reference, c.PaymentMethod, c.Amount.Amount, c.Amount.Currency).QueryRow(func(row pgx.Row) error {
		return row.Scan(a.fields()...)
	})
	if err = conn.SendBatch(ctx, &first).Close(); err != nil {
		return answer, how, err
	}
	if how = faultFor(a.Token, op, n); stored != nil {
		how, err = noFault, json.Unmarshal(stored, &answer)
		answer.Replayed = true
	} else if how == noFault || how == loseAnswer {
		answer, err = s.effect(&second, a, op, c)
	}
	if err != nil {
		return answer, how, err
	}
	second.Queue("commit")
	return answer, how, conn.SendBatch(ctx, &second).Close()
}

// effect queues the changes of a call.
func (s *Simulator) effect(b *pgx.Batch, a account, op operation, c payment.Call) (payment.Answer, error) {
	after, answer, e := apply(a, op, c.Amount.Amount, s.bankURL(c.Reference))
	body, err := json.Marshal(answer)
	if err != nil {
		return answer, err
	}
	var refunded int64
	if e.operation == opRefund {
		refunded = e.amount
	}
	b.Queue(saveAccount, after.Reference, after.Status, after.Code, after.Answered, after.Captured, after.Refunded)
	b.Queue(saveAnswer, c.Key, string(body), refunded)
	if e.operation != "" {
		b.Queue(writeLedger, a.Reference, e.operation, e.amount, a.Currency)
	}
	if kind, ok := elsewhereOf(a.Token); ok && e.operation == opCapture {
		return answer, s.refundElsewhere(b, &after, kind, e.amount)
	}
	return answer, err
}
