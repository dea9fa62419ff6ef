package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"shopping-cart/eventstore"
	"shopping-cart/platform/pgerr"
)

// askWithin bounds what the database of one module may take where several modules are asked.
const askWithin = 2 * time.Second

// countWithin bounds what such a database may take that has told its time: to count may take long.
const countWithin = 10 * time.Second

// Store is the event store of a module, under the name that operators know the module by.
type Store struct {
	Name string
	*eventstore.Store
}

// AskEach asks modules side by side, each for askWithin at most. It returns the answers in the order of the modules, and the
// names of those whose database is away, which is empty and not nil when all answered. It fails where none answered, and with
// an error that is not about a database being away.
func AskEach[T any](ctx context.Context, all []Store, ask func(context.Context, Store) (T, error)) (answers []T, away []string, err error) {
	found, failed := make([]T, len(all)), make([]error, len(all))
	var asked sync.WaitGroup
	for i, of := range all {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askWithin)
			defer cancel()
			found[i], failed[i] = ask(ctx, of)
		})
	}
	asked.Wait()
	away = []string{}
	for i, of := range all {
		switch {
		case failed[i] == nil:
			answers = append(answers, found[i])
		case isAway(ctx, failed[i]):
			away = append(away, of.Name)
		default:
			return nil, nil, failed[i]
		}
	}
	if len(answers) == 0 {
		return nil, nil, ErrAway(away)
	}
	return answers, away, nil
}

// asked asks modules one after the other. It leaves out those that were away once.
type asked struct{ away []string }

// ask asks a module for askWithin at most. That its database is away is noted, and no error.
func (a *asked) ask(ctx context.Context, module string, what func(context.Context) error) error {
	if slices.Contains(a.away, module) {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	err := what(within)
	if isAway(ctx, err) {
		a.away, err = append(a.away, module), nil
	}
	return err
}

// counting is what AskEach may ask where the answer may take longer than askWithin. A database that is away is found by asking its
// clock. One that answers has countWithin. ctx is that of the whole request.
func counting[T any](ctx context.Context, ask func(context.Context, Store) (T, error)) func(context.Context, Store) (T, error) {
	return func(within context.Context, of Store) (none T, err error) {
		if _, err := of.Clock(within); err != nil {
			return none, err
		}
		longer, cancel := context.WithTimeout(ctx, countWithin)
		defer cancel()
		return ask(longer, of)
	}
}

// isAway reports whether an error says that a database is away or silent. It is false once ctx itself, which the caller waits
// with, has ended.
func isAway(ctx context.Context, err error) bool {
	return ctx.Err() == nil && (pgerr.Transient(err) || errors.Is(err, context.DeadlineExceeded))
}

// ErrAway is unavailable (503). It names the modules whose databases do not answer.
func ErrAway(modules []string) error {
	return eventstore.ErrUnavailable.Detailf("The database of %s does not answer right now. Try again shortly.", strings.Join(modules, ", ")).
		With("unavailable", modules)
}
