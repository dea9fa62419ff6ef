// Package conformance tests each rule of payment.Provider, with the keys, references and repetitions of the payment module. It is for tests.
package conformance

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

// Subject is a provider under test, with hooks that bring it into each situation.
type Subject struct {
	Provider       payment.Provider
	PaymentMethods PaymentMethods
	// Approve and Deny act as the shopper at the bank. If they come too late, they change nothing.
	Approve, Deny func(reference string)
	// RefundElsewhere refunds an amount in the provider's dashboard, LoseDispute a whole payment by a lost dispute. They may be nil.
	RefundElsewhere func(reference string, amount int64)
	LoseDispute     func(reference string)
	// Webhook returns a webhook of the provider about a payment, signed at a time.
	Webhook func(id, reference string, at time.Time) (http.Header, []byte)
}

// PaymentMethods are payment methods with a special behaviour.
type PaymentMethods struct {
	Good              string
	Declined          string
	InsufficientFunds string
	Secured           string // waits for the shopper
	CaptureFails      string // is authorized, then refuses the capture for good
	Flaky             string // two transient faults before each success
	RateLimited       string // two refusals by the rate limit before each success
	Lost              string // the first call of each operation has no effect and no answer
	Silent            string // the first call of each operation takes effect and answers nothing
	RefundRefused     string // refuses every refund for good; empty if there is none
}

// Run tests the provider that open returns. It opens one for each group of tests, and runs the groups in parallel.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, group := range []struct {
		name string
		run  func(*testing.T, Subject)
	}{
		{"Authorize", authorize}, {"Secured", secured}, {"Capture", capture}, {"Void", void}, {"Refund", refund}, {"Elsewhere", elsewhere},
		{"LookUp", lookUp}, {"Amounts", amounts}, {"Faults", faults}, {"Webhook", webhook},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			group.run(t, open(t))
		})
	}
}

const (
	total = 1999
	half  = 1000
)

// account is a payment under test. As the payment module, it learns the provider's reference from the answers.
type account struct {
	Subject
	t    *testing.T
	call payment.Call
}

func (s Subject) account(t *testing.T, method string) *account {
	return &account{Subject: s, t: t, call: payment.Call{
		Reference: uuid.NewString(), PaymentMethod: method, Amount: money.Of(total, "GBP"), RequestedAt: time.Now(),
	}}
}

// authorized returns an authorized payment.
func (s Subject) authorized(t *testing.T, method string) *account {
	t.Helper()
	a := s.account(t, method)
	require.Equal(t, payment.Authorized, a.untilAnswered(s.Provider.Authorize, a.callFor("authorize", total)).Status)
	return a
}

// captured returns a captured payment.
func (s Subject) captured(t *testing.T, method string) *account {
	t.Helper()
	a := s.authorized(t, method)
	require.Equal(t, payment.Captured, a.untilAnswered(s.Provider.Capture, a.callFor("capture", total)).Status)
	return a
}

// withoutReference returns the same payment without the provider's reference, as if every answer had been lost.
func (a account) withoutReference() *account {
	a.call.ProviderReference = ""
	return &a
}

func (a *account) callFor(key string, amount int64) payment.Call {
	c := a.call
	c.Key, c.Amount.Amount = c.Reference+"/"+key, amount
	return c
}

// operation is one of the four calls that move money.
type operation func(context.Context, payment.Call) (payment.Answer, error)

// do makes a call that must be answered, and learns the provider's reference.
func (a *account) do(op operation, c payment.Call) payment.Answer {
	a.t.Helper()
	answer, err := op(a.t.Context(), c)
	require.NoError(a.t, err)
	return a.learn(answer)
}

func (a *account) learn(answer payment.Answer) payment.Answer {
	answer.Replayed = false // only this differs in a repeated answer
	a.call.ProviderReference = cmp.Or(answer.ProviderReference, a.call.ProviderReference)
	return answer
}

func (a *account) authorize() payment.Answer {
	a.t.Helper()
	return a.do(a.Provider.Authorize, a.callFor("authorize", total))
}

func (a *account) capture() payment.Answer {
	a.t.Helper()
	return a.do(a.Provider.Capture, a.callFor("capture", total))
}

func (a *account) void() payment.Answer {
	a.t.Helper()
	return a.do(a.Provider.Void, a.callFor("void", total))
}

func (a *account) refund(id string, amount int64) payment.Answer {
	a.t.Helper()
	return a.do(a.Provider.Refund, a.callFor("refund/"+id, amount))
}

func (a *account) lookUp() payment.Report {
	a.t.Helper()
	report, err := a.Provider.LookUp(a.t.Context(), a.callFor("", total))
	require.NoError(a.t, err)
	return report
}

// requireStatus asserts the status of the payment, with and without the provider's reference.
func (a *account) requireStatus(want payment.Status) payment.Report {
	a.t.Helper()
	require.Equal(a.t, want, a.withoutReference().lookUp().Status)
	report := a.lookUp()
	require.Equal(a.t, want, report.Status)
	return report
}

// untilAnswered repeats a call under its key until it is answered, as the payment module does.
func (a *account) untilAnswered(op operation, c payment.Call) (answer payment.Answer) {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		ctx, cancel := context.WithTimeout(a.t.Context(), 200*time.Millisecond)
		defer cancel()
		var err error
		answer, err = op(ctx, c)
		return err == nil
	}, 20*time.Second, time.Millisecond)
	return a.learn(answer)
}

func isTransient(err error) bool { return errors.As(err, new(*payment.Transient)) }
