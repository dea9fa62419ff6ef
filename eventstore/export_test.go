package eventstore

import (
	"context"
	"log/slog"
	"slices"
)

// Configure changes what the store was given. It returns the store.
func (s *Store) Configure(change func(*Database)) *Store {
	change(&s.db)
	return s
}

// OnFailure passes the errors that the store logs to failed. It returns the store.
func (s *Store) OnFailure(failed func(error)) *Store {
	return s.Configure(func(db *Database) { db.Log = slog.New(failureHandler(failed)) })
}

type failureHandler func(error)

func (failureHandler) Enabled(context.Context, slog.Level) bool { return true }
func (f failureHandler) WithAttrs([]slog.Attr) slog.Handler     { return f }
func (f failureHandler) WithGroup(string) slog.Handler          { return f }

func (f failureHandler) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			f(err)
		}
		return true
	})
	return nil
}

// RunProjections and Notify are parts of Run.
func (s *Store) RunProjections(ctx context.Context) { s.runProjections(ctx) }
func (d Database) Notify(ctx context.Context)       { d.notify(ctx) }

// EnterRebuild takes a turn of those who rebuild a long stream. MaxRebuilt is the last version with a state in a history.
func (s *Store) EnterRebuild(ctx context.Context) (leave func(), err error) {
	return s.enterRebuild(ctx, shortStream+1)
}

const MaxRebuilt = maxRebuilt

// Seal is a part of Run.
func (s *Store) Seal(ctx context.Context) (full bool, err error) { return s.seal(ctx) }

// SealLimit is the number of events in a full seal.
const SealLimit = sealLimit

// ErrOvertaken is what the slower of two readers hears.
var ErrOvertaken = errOvertaken

// Stirred is closed when the readers are woken next.
func (s *Store) Stirred() <-chan struct{} { return s.appended.next() }

// Advance, RetryParked and Remake take one step of a reader, as any process might.
func (s *Store) Advance(ctx context.Context, name string) (more bool, err error) {
	c := s.liveCursor(name)
	more, err = c.advance(ctx)
	if c.careful > 0 { // it failed, and goes on one by one
		return c.advance(ctx)
	}
	return more, err
}

func (s *Store) RetryParked(ctx context.Context, name string) (more bool, err error) {
	return s.liveCursor(name).retryParked(ctx)
}

func (s *Store) Remake(ctx context.Context, name string) (more bool, err error) {
	r := &rebuilder{live: s.liveCursor(name)}
	more, err = r.step(ctx)
	if r.next != nil && r.next.careful > 0 {
		return r.step(ctx)
	}
	return more, err
}

func (s *Store) liveCursor(name string) *projector {
	at := slices.IndexFunc(s.projections, func(r Projection) bool { return r.Name == name })
	return s.newProjector(s.projections[at], name, projectLimit, func(error) {})
}

// AwaitHandlers waits until the handlers of all committed events have returned.
func (s *Store) AwaitHandlers() { s.outbox.work.Wait() }

// LoadQueries is the number of queries for single loads that run at once.
const LoadQueries = loadQueries

// LoadsWaiting returns the number of loads that wait for the next query.
func LoadsWaiting(s *Store) int {
	s.loader.mu.Lock()
	defer s.loader.mu.Unlock()
	return len(s.loader.waiting)
}

// LoadsRunning returns the number of queries for single loads that run.
func LoadsRunning(s *Store) int {
	s.loader.mu.Lock()
	defer s.loader.mu.Unlock()
	return s.loader.running
}
