package payment

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"
)

// NextAction returns the shopper's action as the provider tells it, secrets included. It is for the shopper alone. It is nil if the
// payment waits for no action. Repeated questions within a minute are answered from memory.
func (m *Module) NextAction(ctx context.Context, id uuid.UUID) (*NextAction, error) {
	st, err := payments.Load(ctx, m.store, id)
	if err != nil || st.State.NextAction == nil || st.State.Tombstone {
		return nil, err
	}
	if st.State.NextAction.URL != "" {
		return st.State.NextAction.shown(), nil
	}
	if found := m.actions.get(id, m.now()); found != nil {
		return found, nil
	}
	p, err := m.provider(st.State.Provider)
	if err != nil {
		return nil, err
	}
	report, err := p.LookUp(ctx, callOf(id, st.State, providerCall{operation: opLookUp}))
	if err != nil || report.NextAction == nil {
		return nil, err
	}
	m.actions.put(id, report.NextAction, m.now())
	return report.NextAction, nil
}

const (
	actionFresh = time.Minute
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

func (a *actions) get(id uuid.UUID, now time.Time) *NextAction {
	a.mu.Lock()
	defer a.mu.Unlock()
	if one := a.known[id]; now.Before(one.until) {
		return one.action
	}
	return nil
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
	a.known[id] = knownAction{action, now.Add(actionFresh)}
}
