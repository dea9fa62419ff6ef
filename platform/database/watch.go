package database

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shopping-cart/platform/pgerr"
)

// watch traces every call of a pool. It bounds the duration of each, whatever the caller's context says: a silent server blocks
// nobody forever. It reports connection attempts to the gate and the crowd, and asks the locks before a read.
type watch struct {
	gate  *gate
	crowd *crowd
	locks *locks // nil: not a pool of reads
	limit time.Duration
}

var _ interface {
	pgx.QueryTracer
	pgx.BatchTracer
	pgx.ConnectTracer
	pgxpool.AcquireTracer
	pgxpool.ReleaseTracer
} = watch{}

type (
	boundKey struct{}
	sqlKey   struct{}
)

func (w watch) bound(ctx context.Context) context.Context {
	cancel := context.CancelFunc(func() {})
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > w.limit {
		ctx, cancel = context.WithTimeout(ctx, w.limit)
	} else if ctx.Value(boundKey{}) == nil {
		return ctx
	}
	return context.WithValue(ctx, boundKey{}, cancel)
}

func release(ctx context.Context) {
	if cancel, ok := ctx.Value(boundKey{}).(context.CancelFunc); ok {
		cancel()
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (w watch) TraceQueryStart(ctx context.Context, _ *pgx.Conn, start pgx.TraceQueryStartData) context.Context {
	ctx = w.bound(ctx)
	switch {
	case w.locks == nil:
		return ctx
	case w.locks.enter(start.SQL):
		return context.WithValue(ctx, sqlKey{}, start.SQL)
	}
	ctx, cancel := context.WithTimeout(ctx, 0) // the statement is not sent
	cancel()
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (w watch) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, end pgx.TraceQueryEndData) {
	if sql, ok := ctx.Value(sqlKey{}).(string); ok {
		w.locks.left(sql, end.Err)
	}
	release(ctx)
}

// TraceBatchStart implements pgx.BatchTracer.
func (w watch) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return w.bound(ctx)
}

// TraceBatchQuery implements pgx.BatchTracer.
func (w watch) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (w watch) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchEndData) { release(ctx) }

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (w watch) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return w.bound(ctx)
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (w watch) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	release(ctx)
}

// TraceConnectStart implements pgx.ConnectTracer.
func (w watch) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return ctx // ConnectTimeout bounds it
}

// TraceConnectEnd implements pgx.ConnectTracer.
func (w watch) TraceConnectEnd(_ context.Context, end pgx.TraceConnectEndData) {
	switch {
	case pgerr.Is(end.Err, pgerr.TooManyConnections):
		w.crowd.refuse(end.Err)
		end.Err = nil // the server is reachable
	case end.Err == nil:
		w.crowd.succeed()
	}
	w.gate.left(end.Err)
}

// TraceRelease implements pgxpool.ReleaseTracer.
func (w watch) TraceRelease(_ *pgxpool.Pool, end pgxpool.TraceReleaseData) { w.crowd.pay(end.Conn) }
