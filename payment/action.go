package payment

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// NextAction returns the shopper's action as the provider tells it, secrets included. It is for the shopper alone. It is nil if the
// payment waits for no action. Repeated questions are answered from memory: for a minute, or for some seconds if there was no action.
func (m *Module) NextAction(ctx context.Context, id uuid.UUID) (*NextAction, error) {
	st, err := payments.Load(ctx, m.store, id)
	if err != nil || st.State.NextAction == nil || st.State.Tombstone {
		return nil, err
	}
	if st.State.NextAction.URL != "" {
		return st.State.NextAction.shown(), nil
	}
	if found, known := m.actions.get(id, m.now()); known {
		return found, nil
	}
	p, err := m.provider(st.State.Provider)
	if err != nil {
		return nil, err
	}
	report, err := p.LookUp(ctx, callOf(id, st.State, providerCall{operation: opLookUp}))
	if err != nil {
		return nil, err
	}
	m.actions.put(id, report.NextAction, m.now())
	return report.NextAction, nil
}

const (
	actionFresh = time.Minute
	noneFresh   = 2 * time.Second // the payment goes on meanwhile
	maxActions  = 10_000
)

// actions holds the actions that shoppers asked for.
type actions struct {
	mu    sync.Mutex
	known map[uuid.UUID]knownAction
}

type knownAction struct {
	action *NextAction
	until  time.Time
}

func (a *actions) get(id uuid.UUID, now time.Time) (action *NextAction, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.known[id]
	return one.action, now.Before(one.until)
}

// put stores an action. It drops the expired ones when there are many, and all of them when that does not help.
func (a *actions) put(id uuid.UUID, action *NextAction, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxActions {
		for other, one := range a.known {
			if !now.Before(one.until) {
				delete(a.known, other)
			}
		}
	}
	if a.known == nil || len(a.known) >= maxActions {
		a.known = map[uuid.UUID]knownAction{}
	}
	fresh := actionFresh
	if action == nil {
		fresh = noneFresh
	}
	a.known[id] = knownAction{action, now.Add(fresh)}
}
