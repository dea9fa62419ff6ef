package saga

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"shopping-cart/payment"
)

// bank is an honest provider's book, a value: what is done to it gives another one. It goes by the keys of the calls, as the best
// known providers do: a new key is a new wish, also where we meant the same one.
type bank struct {
	Accounts []account           // one for each authorization that was not refused
	Voided   []string            // references whose authorizations are refused
	Answers  map[string]told     // what was answered under a key, for ever
	Refunded map[string][]string // keys of the refunds that took effect, by reference

	Elsewhere map[string][]payment.Elsewhere // refunds that no call of ours made, by reference
	Told      int                            // of those, by how many webhooks
}

// account is an authorization and what became of it.
type account struct {
	Reference, Key string
	Status         payment.Status // action_required, authorized, captured, voided or declined
	Captures       int
	Captured, Back int64
}

type told struct {
	Answer payment.Answer
}

// wish is a call on its way to the provider, or there.
type wish struct {
	Operation string
	payment.Call
}

func (w wish) String() string {
	operation, _, _ := strings.Cut(strings.TrimPrefix(w.Key, w.Reference+"/"), "/")
	if w.Operation == opLookUp {
		operation = opLookUp
	}
	return operation
}

// The operations of a provider, as the exploration calls them.
const (
	opAuthorize = "authorize"
	opCapture   = "capture"
	opVoid      = "void"
	opRefund    = "refund"
	opLookUp    = "look_up"
)

// tempers are the ways in which a provider may decide a call that is news to it: the first one is to the shop's liking.
type tempers map[string][]payment.Status

// decisions are how the bank may answer a call now: one where it is bound, all that its temper allows where it is free.
func (b *bank) decisions(w wish, t tempers) []payment.Status {
	bound := []payment.Status{""}
	if _, ok := b.Answers[w.Key]; ok && w.Operation != opLookUp {
		return bound
	}
	free := t[w.Operation]
	switch {
	case len(free) == 0,
		w.Operation == opAuthorize && slices.Contains(b.Voided, w.Reference),
		w.Operation == opCapture && b.find(w.Reference, payment.Authorized) < 0:
		return bound
	}
	return free
}

func (b *bank) find(reference string, is ...payment.Status) int {
	return slices.IndexFunc(b.Accounts, func(a account) bool { return a.Reference == reference && slices.Contains(is, a.Status) })
}

// does is the bank after a call that it decided so, and its answer.
func (b *bank) does(w wish, so payment.Status) (*bank, payment.Answer) {
	if before, ok := b.Answers[w.Key]; ok {
		return b, before.Answer
	}
	next := *b
	next.Accounts, next.Voided = slices.Clone(b.Accounts), slices.Clone(b.Voided)
	next.Answers = make(map[string]told, len(b.Answers)+1)
	for k, a := range b.Answers {
		next.Answers[k] = a
	}
	next.Refunded = b.Refunded
	answer := next.apply(w, so)
	next.Answers[w.Key] = told{answer}
	return &next, answer
}

func (b *bank) apply(w wish, so payment.Status) payment.Answer {
	switch w.Operation {
	case opAuthorize:
		return b.authorize(w, so)
	case opCapture:
		return b.capture(w, so)
	case opVoid:
		return b.void(w)
	case opRefund:
		return b.refund(w, so)
	}
	panic("no operation of a bank: " + w.Operation)
}

func (b *bank) authorize(w wish, so payment.Status) payment.Answer {
	if so == "" {
		so = payment.Authorized
	}
	if slices.Contains(b.Voided, w.Reference) {
		so = payment.Declined
	}
	b.Accounts = append(b.Accounts, account{Reference: w.Reference, Key: w.Key, Status: so})
	answer := payment.Answer{Status: so, ProviderReference: fmt.Sprintf("pi_%d", len(b.Accounts))}
	if so == payment.ActionRequired {
		answer.NextAction = &payment.NextAction{Type: "redirect", URL: "https://bank.example"}
	}
	return answer
}

func (b *bank) capture(w wish, so payment.Status) payment.Answer {
	i := b.find(w.Reference, payment.Authorized)
	switch {
	case i < 0 && b.find(w.Reference, payment.Captured) >= 0:
		return b.stands(w.Reference)
	case i < 0, so == payment.Refused:
		return payment.Answer{Status: payment.Refused, Code: "capture_failed"}
	}
	a := &b.Accounts[i]
	a.Status, a.Captured, a.Captures = payment.Captured, a.Captured+w.Amount.Amount, a.Captures+1
	return b.stands(w.Reference)
}

func (b *bank) void(w wish) payment.Answer {
	if b.find(w.Reference, payment.Captured) >= 0 {
		return b.stands(w.Reference)
	}
	b.Voided = append(b.Voided, w.Reference)
	for i := range b.Accounts {
		if a := &b.Accounts[i]; a.Reference == w.Reference && a.Status != payment.Declined {
			a.Status = payment.Voided
		}
	}
	return payment.Answer{Status: payment.Voided}
}

func (b *bank) refund(w wish, so payment.Status) payment.Answer {
	i := b.find(w.Reference, payment.Captured)
	if i < 0 || so == payment.Refused || w.Amount.Amount > b.Accounts[i].Captured-b.Accounts[i].Back {
		return payment.Answer{Status: payment.Refused, Code: "refund_failed"}
	}
	b.Accounts[i].Back += w.Amount.Amount
	refunded := map[string][]string{w.Reference: append(slices.Clone(b.Refunded[w.Reference]), w.Key)}
	for k, v := range b.Refunded {
		if k != w.Reference {
			refunded[k] = v
		}
	}
	b.Refunded = refunded
	return payment.Answer{Status: payment.Refunded}
}

// stands is how a payment stands.
func (b *bank) stands(reference string) payment.Answer {
	for _, is := range []payment.Status{payment.Captured, payment.Authorized, payment.ActionRequired, payment.Voided, payment.Declined} {
		i := b.find(reference, is)
		switch {
		case is == payment.Voided && slices.Contains(b.Voided, reference):
			return payment.Answer{Status: payment.Voided}
		case i < 0:
			continue
		}
		answer := payment.Answer{Status: is, ProviderReference: fmt.Sprintf("pi_%d", i+1), Captured: b.Accounts[i].Captured}
		if is == payment.ActionRequired {
			answer.NextAction = &payment.NextAction{Type: "redirect", URL: "https://bank.example"}
		}
		return answer
	}
	return payment.Answer{Status: payment.NotFound}
}

// report is what a look-up tells.
func (b *bank) report(reference string) payment.Report {
	_, back, _, _ := b.sums(reference)
	return payment.Report{Answer: b.stands(reference), Refunded: b.Refunded[reference], Back: back, Elsewhere: b.Elsewhere[reference]}
}

// gives is the bank after a refund of what is captured that no call of ours made.
func (b *bank) gives(reference string, kind payment.ElsewhereKind, amount int64) *bank {
	next := *b
	next.Accounts = slices.Clone(b.Accounts)
	next.Accounts[b.find(reference, payment.Captured)].Back += amount
	made := payment.Elsewhere{ID: fmt.Sprintf("elsewhere_%d", len(b.Elsewhere[reference])+1), Kind: kind, Amount: amount}
	next.Elsewhere = maps.Clone(b.Elsewhere)
	if next.Elsewhere == nil {
		next.Elsewhere = map[string][]payment.Elsewhere{}
	}
	next.Elsewhere[reference] = append(slices.Clone(b.Elsewhere[reference]), made)
	return &next
}

// made counts the refunds that no call of ours made.
func (b *bank) made() (n int) {
	for _, all := range b.Elsewhere {
		n += len(all)
	}
	return n
}

// elsewhere is what went back of a payment without a call of ours.
func (b *bank) elsewhere(reference string) (sum int64) {
	for _, e := range b.Elsewhere[reference] {
		sum += e.Amount
	}
	return sum
}

// turns is the bank after the shopper, or time, did something to an authorization that stood there.
func (b *bank) turns(reference string, from, to payment.Status) *bank {
	next := *b
	next.Accounts = slices.Clone(b.Accounts)
	next.Accounts[b.find(reference, from)].Status = to
	return &next
}

// sums are what was ever captured and given back of a payment, in how many captures, and whether more can come of it.
func (b *bank) sums(reference string) (captured, back int64, captures int, capturable bool) {
	for _, a := range b.Accounts {
		if a.Reference == reference {
			captured, back, captures = captured+a.Captured, back+a.Back, captures+a.Captures
			capturable = capturable || a.Status == payment.Authorized || a.Status == payment.ActionRequired
		}
	}
	return captured, back, captures, capturable
}
