package payment_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/payment/conformance"
)

// vouchers is a provider that charges gift vouchers, in memory. It is as small as a complete provider can be.
type vouchers struct {
	mu      sync.Mutex
	charges map[string]*charge        // by our reference
	answers map[string]payment.Answer // by key: the same call always gets the same answer
	secret  []byte                    // signs the webhooks
}

type charge struct {
	status           payment.Status
	code             string
	method           string
	amount, refunded int64
	refunds          []string // keys
}

func newVouchers() *vouchers {
	return &vouchers{charges: map[string]*charge{}, answers: map[string]payment.Answer{}, secret: []byte("secret")}
}

func (v *vouchers) Name() string { return "voucher" }

// call answers a call. A known key returns its first answer, and nothing else happens.
func (v *vouchers) once(ctx context.Context, c payment.Call, decide func(*charge) payment.Answer) (payment.Answer, error) {
	if err := ctx.Err(); err != nil {
		return payment.Answer{}, err // a time-out does not tell the outcome
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if said, known := v.answers[c.Key]; known {
		return said, nil
	}
	if v.charges[c.Reference] == nil {
		v.charges[c.Reference] = &charge{}
	}
	answer := decide(v.charges[c.Reference])
	answer.ProviderReference = "voucher-" + c.Reference
	v.answers[c.Key] = answer
	return answer, nil
}

func (v *vouchers) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return v.once(ctx, c, func(p *charge) payment.Answer {
		if p.status != "" { // after an earlier void
			return payment.Answer{Status: payment.Declined, Code: payment.CodeDeclined}
		}
		p.status, p.method, p.amount = payment.Authorized, c.PaymentMethod, c.Amount.Amount
		switch c.PaymentMethod {
		case "voucher", "refused later", "flaky", "limited", "lost", "silent":
		case "ask the bank":
			p.status = payment.ActionRequired
		case "empty":
			p.status, p.code = payment.Declined, payment.CodeInsufficientFunds
		default:
			p.status, p.code = payment.Declined, payment.CodeDeclined
		}
		return p.answer(c.Reference)
	})
}

func (v *vouchers) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return v.once(ctx, c, func(p *charge) payment.Answer {
		if p.status != payment.Authorized || c.Amount.Amount > p.amount || p.method == "refused later" {
			return payment.Answer{Status: payment.Refused, Code: payment.CodeCaptureRefused}
		}
		p.status = payment.Captured
		return p.answer(c.Reference)
	})
}

// Void works at any time. Before the authorization it is a tombstone, so that the authorization is declined.
func (v *vouchers) Void(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return v.once(ctx, c, func(p *charge) payment.Answer {
		if p.status != payment.Captured {
			p.status = payment.Voided
		}
		return p.answer(c.Reference)
	})
}

func (v *vouchers) Refund(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return v.once(ctx, c, func(p *charge) payment.Answer {
		if p.status != payment.Captured || p.refunded+c.Amount.Amount > p.amount {
			return payment.Answer{Status: payment.Refused, Code: payment.CodeRefundFailed}
		}
		p.refunded, p.refunds = p.refunded+c.Amount.Amount, append(p.refunds, c.Key)
		return payment.Answer{Status: payment.Refunded}
	})
}

func (v *vouchers) AcceptsPaymentMethod(token string) bool { return token != "" }

func (v *vouchers) LookUp(ctx context.Context, c payment.Call) (payment.Report, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	p := v.charges[c.Reference]
	if p == nil {
		return payment.Report{Answer: payment.Answer{Status: payment.NotFound}}, ctx.Err()
	}
	report := payment.Report{Answer: p.answer(c.Reference), Refunded: p.refunds}
	report.ProviderReference = "voucher-" + c.Reference
	return report, ctx.Err()
}

func (p *charge) answer(reference string) payment.Answer {
	a := payment.Answer{Status: p.status, Code: p.code}
	switch p.status {
	case payment.ActionRequired:
		a.NextAction = &payment.NextAction{Type: "redirect", URL: "https://vouchers.example/" + reference}
	case payment.Captured:
		a.Captured = p.amount
	}
	return a
}

// note is the body of a webhook.
type note struct{ ID, Type, Reference string }

// Verify checks a webhook's HMAC over the time and the body, and refuses one that is older than five minutes.
func (v *vouchers) Verify(header http.Header, body []byte) (payment.Notification, error) {
	at, err := strconv.ParseInt(header.Get("Voucher-Time"), 10, 64)
	signature, _ := hex.DecodeString(header.Get("Voucher-Signature"))
	if err != nil || !hmac.Equal(signature, v.sign(at, body)) || time.Since(time.Unix(at, 0)).Abs() > 5*time.Minute {
		return payment.Notification{}, errors.New("the signature is wrong or too old")
	}
	var n note
	if err := json.Unmarshal(body, &n); err != nil || n.ID == "" {
		return payment.Notification{}, errors.New("it is no webhook of ours")
	}
	return payment.Notification(n), nil
}

func (v *vouchers) sign(at int64, body []byte) []byte {
	h := hmac.New(sha256.New, v.secret)
	h.Write(strconv.AppendInt(nil, at, 10))
	h.Write(body)
	return h.Sum(nil)
}

// says returns a function that acts as the shopper at the bank. It may come too late.
func (v *vouchers) says(status payment.Status, code string) func(reference string) {
	return func(reference string) {
		v.mu.Lock()
		defer v.mu.Unlock()
		if p := v.charges[reference]; p.status == payment.ActionRequired {
			p.status, p.code = status, code
		}
	}
}

// unreliable adds payment methods that fail in a special way to the vouchers.
type unreliable struct {
	*vouchers
	mu    sync.Mutex
	calls map[string]int // by payment and operation
}

func (m *unreliable) call(ctx context.Context, c payment.Call, operation string, do func(context.Context, payment.Call) (payment.Answer, error)) (payment.Answer, error) {
	m.mu.Lock()
	m.calls[c.Reference+operation]++
	n := m.calls[c.Reference+operation]
	m.mu.Unlock()
	switch {
	case c.PaymentMethod == "flaky" && n <= 2:
		return payment.Answer{}, &payment.Transient{Err: errors.New("try again later")} // certainly without effect
	case c.PaymentMethod == "limited" && n <= 2:
		return payment.Answer{}, &payment.Transient{Err: &payment.RateLimited{After: time.Millisecond}}
	case c.PaymentMethod == "lost" && n == 1:
		<-ctx.Done()
		return payment.Answer{}, ctx.Err()
	case c.PaymentMethod == "silent" && n == 1:
		_, _ = do(ctx, c)
		<-ctx.Done()
		return payment.Answer{}, ctx.Err()
	}
	return do(ctx, c)
}

func (m *unreliable) Authorize(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return m.call(ctx, c, "authorize", m.vouchers.Authorize)
}

func (m *unreliable) Capture(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return m.call(ctx, c, "capture", m.vouchers.Capture)
}

func (m *unreliable) Void(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return m.call(ctx, c, "void", m.vouchers.Void)
}

func (m *unreliable) Refund(ctx context.Context, c payment.Call) (payment.Answer, error) {
	return m.call(ctx, c, "refund", m.vouchers.Refund)
}

// TestVouchers runs the conformance suite for the example of the guide.
func TestVouchers(t *testing.T) {
	t.Parallel()
	conformance.Run(t, func(*testing.T) conformance.Subject {
		v := newVouchers()
		return conformance.Subject{
			Provider: &unreliable{vouchers: v, calls: map[string]int{}},
			PaymentMethods: conformance.PaymentMethods{
				Good: "voucher", Declined: "forged", InsufficientFunds: "empty", Secured: "ask the bank", CaptureFails: "refused later",
				Flaky: "flaky", RateLimited: "limited", Lost: "lost", Silent: "silent",
			},
			Approve: v.says(payment.Authorized, ""), Deny: v.says(payment.Declined, payment.CodeAuthenticationFailed),
			Webhook: func(id, reference string, at time.Time) (http.Header, []byte) {
				body, _ := json.Marshal(note{id, "charge.changed", reference})
				return http.Header{
					"Voucher-Time":      {strconv.FormatInt(at.Unix(), 10)},
					"Voucher-Signature": {hex.EncodeToString(v.sign(at.Unix(), body))},
				}, body
			},
		}
	})
}

// TestGuideShowsTheExample checks that the code in the guide is the code of the example.
func TestGuideShowsTheExample(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/guides/payment-provider.md")
	require.NoError(t, err)
	code, err := os.ReadFile("voucher_test.go")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```go\n(.*?)\n```").FindAllSubmatch(guide, -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		require.Contains(t, string(code), string(block[1]))
	}
}
