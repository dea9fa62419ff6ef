// Package bulkhead keeps costly calls of one kind from taking the resources of all others.
package bulkhead

import (
	"context"
	"time"

	"shopping-cart/platform/fault"
)

// Bulkhead limits how many calls run at once, and how many wait for that.
type Bulkhead struct {
	running, waiting chan struct{}
	patience         time.Duration
	full             *fault.Fault
}

// New returns a bulkhead for a number of calls at once. As many as waiting may wait for their turn, for patience at most. The others are
// refused with full.
func New(running, waiting int, patience time.Duration, full *fault.Fault) *Bulkhead {
	return &Bulkhead{make(chan struct{}, running), make(chan struct{}, waiting), patience, full}
}

// Enter waits for the turn of a call, in the order of arrival. After its end the caller must call leave.
func (b *Bulkhead) Enter(ctx context.Context) (leave func(), err error) {
	select {
	case b.running <- struct{}{}:
		return b.leave, nil
	default:
	}
	select {
	case b.waiting <- struct{}{}:
		defer func() { <-b.waiting }()
	default:
		return nil, b.refusal()
	}
	return b.wait(ctx)
}

func (b *Bulkhead) wait(ctx context.Context) (leave func(), err error) {
	timer := time.NewTimer(b.patience)
	defer timer.Stop()
	select {
	case b.running <- struct{}{}:
		return b.leave, nil
	case <-timer.C:
		return nil, b.refusal()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (b *Bulkhead) leave() { <-b.running }

func (b *Bulkhead) refusal() error { return b.full.After(max(b.patience, time.Second)) }
