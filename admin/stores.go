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

// askTimeout limits the answer of one module's database when several modules are asked.
const askTimeout = 2 * time.Second

// countTimeout limits the answer of a database that has answered a first query. To count rows may take long.
const countTimeout = 10 * time.Second

// Store is the event store of a module, with the name of the module in the API.
type Store struct {
	Name string
	*eventstore.Store
}

// AskEach asks modules in parallel, each for at most askTimeout. It returns the answers in the order of the modules, and the names of the
// modules whose database is away (not nil). It fails if no module answers, or if one fails for another reason.
func AskEach[T any](ctx context.Context, all []Store, ask func(context.Context, Store) (T, error)) (answers []T, away []string, err error) {
	found, failed := make([]T, len(all)), make([]error, len(all))
	var asked sync.WaitGroup
	for i, of := range all {
		asked.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
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

// AskAll is AskEach for a question that needs the answers of all modules.
func AskAll[T any](ctx context.Context, all []Store, ask func(context.Context, Store) (T, error)) ([]T, error) {
	answers, away, err := AskEach(ctx, all, ask)
	if err == nil && len(away) > 0 {
		err = ErrAway(away)
	}
	return answers, err
}

// asked asks modules one after the other. It does not ask a module again whose database was away.
type asked struct{ away []string }

// ask asks a module for at most askTimeout. If its database is away it adds the module to away and returns no error.
func (a *asked) ask(ctx context.Context, module string, what func(context.Context) error) error {
	if slices.Contains(a.away, module) {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := what(within)
	if isAway(ctx, err) {
		a.away, err = append(a.away, module), nil
	}
	return err
}

// counting extends the time of a question to countTimeout, once the database has answered a query of its clock. ctx is that of the whole
// request.
func counting[T any](ctx context.Context, ask func(context.Context, Store) (T, error)) func(context.Context, Store) (T, error) {
	return func(within context.Context, of Store) (none T, err error) {
		if _, err := of.Clock(within); err != nil {
			return none, err
		}
		longer, cancel := context.WithTimeout(ctx, countTimeout)
		defer cancel()
		return ask(longer, of)
	}
}

// isAway reports whether an error means that a database does not answer. It is false once ctx itself has ended.
func isAway(ctx context.Context, err error) bool {
	return ctx.Err() == nil && (pgerr.Transient(err) || errors.Is(err, context.DeadlineExceeded))
}

// ErrAway is an unavailable error (503) that names the modules whose databases do not answer.
func ErrAway(modules []string) error {
	return eventstore.ErrUnavailable.Detailf("The database of %s does not answer right now. Try again shortly.", strings.Join(modules, ", ")).
		With("unavailable", modules)
}
