package simulator

import (
	"shopping-cart/payment"
	"shopping-cart/platform/money"
)

// The payment methods with a special behaviour.
// #nosec G101 -- names, no credentials
const (
	tokenOK                = "sim_ok"
	tokenDeclined          = "sim_declined"
	tokenInsufficientFunds = "sim_insufficient_funds"
	tokenRequiresAction    = "sim_requires_action"
	tokenCaptureFails      = "sim_capture_fails"
	tokenExpires           = "sim_authorization_expires"
	tokenTimeoutApplied    = "sim_timeout_applied"
	tokenTimeoutLost       = "sim_timeout_lost"
	tokenFlaky             = "sim_flaky"
	tokenRateLimited       = "sim_rate_limited"
	tokenSlow              = "sim_slow"
	tokenRefundFlaky       = "sim_refund_flaky"
	tokenVoidFlaky         = "sim_void_flaky"
	tokenRefundedElsewhere = "sim_refunded_elsewhere" // the whole amount is refunded in the dashboard, right after the capture
	tokenDisputed          = "sim_disputed"           // the whole amount is lost to a dispute, right after the capture
	tokenRefundRefused     = "sim_refund_refused"     // refuses every refund for good
	tokenDuplicateWebhooks = "sim_duplicate_webhooks"
	tokenLateWebhooks      = "sim_late_webhooks"
	tokenAmountRefused     = "sim_amount_refused"
)

// operation is the name of a call.
type operation string

const (
	opAuthorize operation = "authorize"
	opCapture   operation = "capture"
	opVoid      operation = "void"
	opRefund    operation = "refund"
)

// status is the status of a payment.
type status string

const (
	none       status = "none" // no call took effect
	waiting    status = "waiting"
	authorized status = "authorized"
	captured   status = "captured"
	voided     status = "voided" // refuses a later authorization
	declined   status = "declined"
)

// account is a payment at the simulator. Amounts are minor units.
type account struct {
	Reference string
	Token     string
	Amount    int64
	Currency  string
	Status    status
	Code      string // of a decline
	Answered  string // by the shopper at the bank
	Captured  int64
	Refunded  int64
}

// entry is a line of the ledger. Its zero value means no effect.
type entry struct {
	operation operation
	amount    int64
}

// failureMode says how a call fails.
type failureMode uint8

const (
	noFault     failureMode = iota
	transient               // refused without effect
	limited                 // refused by the rate limit
	loseRequest             // no effect, no answer
	loseAnswer              // takes effect, no answer
)

// faultFor returns how the n-th call under a key fails.
func faultFor(token string, op operation, n int) failureMode {
	switch {
	case token == tokenFlaky && n <= 2, token == tokenRefundFlaky && op == opRefund && n <= 3,
		token == tokenVoidFlaky && op == opVoid && n <= 3:
		return transient
	case token == tokenRateLimited && n <= 2:
		return limited
	case token == tokenTimeoutLost && n == 1:
		return loseRequest
	case token == tokenTimeoutApplied && n == 1:
		return loseAnswer
	}
	return noFault
}

// apply returns the payment after a call, the answer, and the line of the ledger. amount is that of the operation.
func apply(a account, op operation, amount int64, nextURL string) (account, payment.Answer, entry) {
	switch op {
	case opAuthorize:
		return authorize(a, nextURL)
	case opCapture:
		return capture(a, amount)
	case opVoid:
		return void(a)
	case opRefund:
		return refund(a, amount)
	}
	return a, refused(a, "unknown_operation"), entry{}
}

// authorize decides a new payment, and answers with the state of the payment.
func authorize(a account, nextURL string) (account, payment.Answer, entry) {
	var e entry
	if a.Status == none {
		a.Status, a.Code = a.firstStatus()
		if a.Status == authorized {
			e = entry{opAuthorize, a.Amount}
		}
	}
	answer := report(a, nextURL)
	if a.Status == voided {
		answer.Status, answer.Code = payment.Declined, payment.CodeDeclined
	}
	return a, answer, e
}

func (a account) firstStatus() (status, string) {
	if notPayable(money.Of(a.Amount, a.Currency)) {
		return declined, payment.CodeNotChargeable
	}
	switch a.Token {
	case tokenOK, tokenCaptureFails, tokenExpires, tokenTimeoutApplied, tokenTimeoutLost, tokenFlaky, tokenRateLimited, tokenSlow, tokenRefundFlaky, tokenVoidFlaky,
		tokenRefundedElsewhere, tokenDisputed, tokenRefundRefused:
		return authorized, ""
	case tokenRequiresAction, tokenDuplicateWebhooks, tokenLateWebhooks:
		return waiting, ""
	case tokenInsufficientFunds:
		return declined, payment.CodeInsufficientFunds
	case tokenAmountRefused:
		return declined, payment.CodeNotChargeable
	}
	return declined, payment.CodeDeclined // sim_declined and unknown tokens
}

func capture(a account, amount int64) (account, payment.Answer, entry) {
	switch {
	case a.Status == captured:
		return a, report(a, ""), entry{}
	case a.Status != authorized:
		return a, refused(a, "not_authorized"), entry{}
	case a.Token == tokenExpires:
		a.Status = voided
		return a, refused(a, "authorization_expired"), entry{opVoid, a.Amount}
	case notPayable(money.Of(amount, a.Currency)):
		return a, refused(a, payment.CodeNotChargeable), entry{}
	case amount <= 0 || amount > a.Amount:
		return a, refused(a, "exceeds_authorized"), entry{}
	case a.Token == tokenCaptureFails, a.Token == tokenVoidFlaky:
		return a, refused(a, "capture_failed"), entry{}
	}
	a.Status, a.Captured = captured, amount
	return a, report(a, ""), entry{opCapture, amount}
}

// void voids an authorization, and refuses a later one. A captured or declined payment stays so.
func void(a account) (account, payment.Answer, entry) {
	var e entry
	switch a.Status {
	case captured:
		return a, report(a, ""), e
	case authorized:
		e = entry{opVoid, a.Amount}
		a.Status = voided
	case none, waiting:
		a.Status = voided
	case voided, declined:
	}
	return a, payment.Answer{Status: payment.Voided, ProviderReference: a.Reference}, e
}

func refund(a account, amount int64) (account, payment.Answer, entry) {
	switch {
	case notPayable(money.Of(amount, a.Currency)):
		return a, refused(a, payment.CodeNotChargeable), entry{}
	case a.Captured > 0 && a.Refunded >= a.Captured:
		return a, refused(a, "already_refunded"), entry{}
	case amount <= 0 || amount > a.Captured-a.Refunded:
		return a, refused(a, "exceeds_captured"), entry{}
	case a.Token == tokenRefundRefused:
		return a, refused(a, "account_closed"), entry{}
	}
	a.Refunded += amount
	return a, payment.Answer{Status: payment.Refunded, ProviderReference: a.Reference}, entry{opRefund, amount}
}

// report returns the answer for the state of a payment.
func report(a account, nextURL string) payment.Answer {
	r := payment.Answer{ProviderReference: a.Reference, Code: a.Code}
	switch a.Status {
	case none:
		return payment.Answer{Status: payment.NotFound}
	case waiting:
		r.Status, r.NextAction = payment.ActionRequired, &payment.NextAction{Type: "redirect", URL: nextURL}
	case authorized:
		r.Status = payment.Authorized
	case captured:
		r.Status, r.Captured = payment.Captured, a.Captured
	case voided:
		r.Status = payment.Voided
	case declined:
		r.Status = payment.Declined
	}
	return r
}

func refused(a account, code string) payment.Answer {
	return payment.Answer{Status: payment.Refused, ProviderReference: a.Reference, Code: code}
}
