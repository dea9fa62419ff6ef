package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/saga"
)

// Finding is a violated invariant.
type Finding struct {
	ID       string      `json:"id" example:"captured_without_order:019c8a52-6f2e-7c11-9d53-0c1d2e3f4a5b"` // the same each time
	Check    string      `json:"check" example:"captured_without_order"`
	Detail   string      `json:"detail" example:"19.99 GBP was captured for an order that is cancelled."`
	Remedy   string      `json:"remedy" example:"Refund the payment."` // what a person does about it
	Streams  []StreamRef `json:"streams"`
	Healable bool        `json:"healable"` // the repair is certain
	Healed   *bool       `json:"healed,omitempty"`
	Done     string      `json:"done,omitempty" example:"refunded 19.99 GBP"` // the repair

	checkout uuid.UUID
	repair   []command // none: a person must decide
	does     string    // what the repair does, in the past tense
	lost     uuid.UUID // a payment that a provider captured and nobody here knows
	again    func(ctx context.Context, cutoff time.Time) ([]Finding, error)
}

// StreamRef names a stream that a finding is about.
type StreamRef struct {
	Module string    `json:"module" enums:"cart,order,payment,saga,audit"`
	ID     uuid.UUID `json:"id" format:"uuid"`
}

// findings returns the invariants that the records of one checkout violate.
func (m *Module) findings(k key, r records) (found []Finding) {
	add := func(check, detail, remedy string, repair []command) {
		id := k.checkout.String()
		if k.reference != "" {
			id = k.reference
		}
		found = append(found, Finding{
			ID: check + ":" + id, Check: check, Detail: detail, Remedy: remedy, Streams: r.streams(k), Healable: len(repair) > 0,
			checkout: k.checkout, repair: repair, does: describe(repair, r),
			again: func(ctx context.Context, cutoff time.Time) ([]Finding, error) {
				now, _, err := m.check(ctx, []key{k}, cutoff)
				return now, err
			},
		})
	}
	switch {
	case r.overdue:
		add(checkOverdue, fmt.Sprintf("It is %s since %s.", r.saga.Status, r.saga.At.Format(time.RFC3339)), remedyOverdue, []command{wakeSaga{}})
	case r.ended(saga.NeedsAttention):
		add(checkAttention, "It needs attention since "+r.saga.At.Format(time.RFC3339)+".", remedyAttention, nil)
	}
	if r.saga != nil && r.saga.Type != saga.TypeCheckout {
		if detail := r.refundEnds(k.checkout); detail != "" {
			add(checkEnds, detail, remedyEnds, nil)
		}
		return found
	}
	for _, i := range invariants {
		if detail := i.violation(r); detail != "" {
			var repair []command
			if i.repair != nil {
				repair = i.repair(r)
			}
			add(i.check, detail, i.remedy, repair)
		}
	}
	return found
}

// confirmed returns the findings that are still there, each once.
func confirmed(ctx context.Context, found []Finding, cutoff time.Time) ([]Finding, error) {
	still, seen := []Finding{}, map[string]bool{}
	for _, f := range found {
		if seen[f.ID] {
			continue
		}
		seen[f.ID] = true
		now, err := f.again(ctx, cutoff)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(now, func(n Finding) bool { return n.ID == f.ID }); i >= 0 {
			still = append(still, now[i])
		}
	}
	return still, nil
}
