// Package conformance is what every payment.Provider must do, as tests: each sentence of the port's comments, with the
// keys, references and repetitions of the payment module. It is for tests.
package conformance

import (
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

// Subject is a provider to examine, and what it takes to bring it into every situation.
type Subject struct {
	Provider payment.Provider
	Methods  Methods
	// Approve and Deny are the shopper at the bank. They may come too late, and then change nothing.
	Approve, Deny func(reference string)
	// RefundElsewhere is a refund of so much in the provider's dashboard, and LoseDispute a dispute about all of a payment that was lost.
	// Nil where the provider knows no such thing.
	RefundElsewhere func(reference string, amount int64)
	LoseDispute     func(reference string)
	// Webhook is what the provider sends about a payment, signed at a time.
	Webhook func(id, reference string, at time.Time) (http.Header, []byte)
}

// Methods are the payment methods that behave in a way of their own.
type Methods struct {
	Good              string
	Declined          string
	InsufficientFunds string
	Secured           string // waits for the shopper
	CaptureFails      string // is authorized, and refuses the capture for good
	Flaky             string // two transient faults before each success
	Lost              string // the first call of each operation has no effect and no answer
	Silent            string // the first call of each operation takes effect and answers nothing
	RefundRefused     string // refuses every refund for good; empty where none does
}

// Run examines the provider that open makes. It is opened once for each group of tests, which run in parallel.
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

// account is a payment as the payment module handles it: it learns what the provider calls it from the answers.
type account struct {
	Subject
	t    *testing.T
	call payment.Call
}

func (s Subject) account(t *testing.T, method string) *account {
	return &account{Subject: s, t: t, call: payment.Call{
		Reference: uuid.NewString(), Method: method, Amount: money.Of(total, "GBP"), RequestedAt: time.Now(),
	}}
}

// forgetful is the same payment, of which no answer was ever heard.
func (a account) forgetful() *account {
	a.call.ProviderReference = ""
	return &a
}

func (a *account) of(key string, amount int64) payment.Call {
	c := a.call
	c.Key, c.Amount.Amount = c.Reference+"/"+key, amount
	return c
}

// operation is one of the four that move money.
type operation func(context.Context, payment.Call) (payment.Answer, error)

// do makes a call that must be answered, and learns from the answer.
func (a *account) do(op operation, c payment.Call) payment.Answer {
	a.t.Helper()
	answer, err := op(a.t.Context(), c)
	require.NoError(a.t, err)
	answer.Replayed = false // what a key repeats is the same but for that
	if answer.ProviderReference != "" {
		a.call.ProviderReference = answer.ProviderReference
	}
	return answer
}

func (a *account) authorize() payment.Answer {
	a.t.Helper()
	return a.do(a.Provider.Authorize, a.of("authorize", total))
}

func (a *account) capture() payment.Answer {
	a.t.Helper()
	return a.do(a.Provider.Capture, a.of("capture", total))
}

func (a *account) void() payment.Answer {
	a.t.Helper()
	return a.do(a.Provider.Void, a.of("void", total))
}

func (a *account) refund(id string, amount int64) payment.Answer {
	a.t.Helper()
	return a.do(a.Provider.Refund, a.of("refund/"+id, amount))
}

func (a *account) lookUp() payment.Report {
	a.t.Helper()
	report, err := a.Provider.LookUp(a.t.Context(), a.of("", total))
	require.NoError(a.t, err)
	return report
}

// stands asserts how the payment stands, for who knows what the provider calls it and for who does not.
func (a *account) stands(want payment.Status) payment.Report {
	a.t.Helper()
	require.Equal(a.t, want, a.forgetful().lookUp().Status)
	report := a.lookUp()
	require.Equal(a.t, want, report.Status)
	return report
}

// patiently repeats a call under its key until it is answered, as the payment module does.
func (a *account) patiently(op operation, c payment.Call) (answer payment.Answer) {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		var err error
		answer, err = op(a.t.Context(), c)
		return err == nil
	}, 20*time.Second, time.Millisecond)
	return answer
}

func isTransient(err error) bool { return errors.As(err, new(*payment.Transient)) }
