package payment_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"shopping-cart/payment"
)

// around passes each call of a provider to a function. It may fail before the effect, or after it, or prevent it.
type around struct {
	payment.Provider
	pass func(operation string, call func() error) error
}

func (p around) do(operation string, call func() (payment.Answer, error)) (answer payment.Answer, err error) {
	err = p.pass(operation, func() (err error) {
		answer, err = call()
		return err
	})
	if err != nil {
		answer = payment.Answer{}
	}
	return answer, err
}

func (p around) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return p.do("authorize", func() (payment.Answer, error) { return p.Provider.Authorize(ctx, c) })
}

func (p around) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return p.do("capture", func() (payment.Answer, error) { return p.Provider.Capture(ctx, c) })
}

func (p around) Void(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return p.do("void", func() (payment.Answer, error) { return p.Provider.Void(ctx, c) })
}

func (p around) Refund(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return p.do("refund", func() (payment.Answer, error) { return p.Provider.Refund(ctx, c) })
}

func (p around) LookUp(ctx context.Context, c payment.Call) (r payment.Report, err error) {
	err = p.pass("look_up", func() (err error) {
		r, err = p.Provider.LookUp(ctx, c)
		return err
	})
	return r, err
}

// counting records the calls.
type counting struct {
	payment.Provider
	mu    sync.Mutex
	calls []string
}

func (p *counting) note(operation string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, operation)
}

func (p *counting) made() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

func (p *counting) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	p.note("authorize")
	return p.Provider.Authorize(ctx, c)
}

func (p *counting) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	p.note("capture")
	return p.Provider.Capture(ctx, c)
}

func (p *counting) LookUp(ctx context.Context, c payment.Call) (payment.Report, error) {
	p.note("look_up")
	return p.Provider.LookUp(ctx, c)
}

// freezing stops its process before one operation until it thaws, for longer than any time-out.
type freezing struct {
	payment.Provider
	operation     string
	reached, thaw chan struct{}
}

func (p *freezing) hold(operation string) {
	if operation == p.operation {
		close(p.reached)
		<-p.thaw
	}
}

func (p *freezing) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	p.hold("authorize")
	return p.Provider.Authorize(ctx, c)
}

func (p *freezing) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	p.hold("capture")
	return p.Provider.Capture(ctx, c)
}

var errDead = errors.New("the process is dead")

// mortal kills its process at the n-th call: before its effect, or after it and before the answer is recorded.
func mortal(p payment.Provider, n int, after bool, kill *func()) payment.Provider {
	made := 0
	return around{p, func(_ string, call func() error) error {
		if made++; made != n {
			return call()
		}
		err := errDead
		if after {
			err = call()
		}
		(*kill)()
		return err
	}}
}
