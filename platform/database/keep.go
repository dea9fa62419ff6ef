//go:build !windows

package database

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"

	"shopping-cart/platform/pgerr"
)

// A server that dies this often, each time this soon after its start, is not started again.
const (
	earlyDeath     = 10 * time.Second
	maxEarlyDeaths = 3
)

// leftoversTimeout bounds the wait for the orphans of a dead postmaster.
const leftoversTimeout = 30 * time.Second

// serve starts the postmaster, keeps it running, and returns when the database answers.
func (e *Embedded) serve(ctx context.Context) error {
	go e.keep()
	if err := e.awaitReady(ctx); err != nil {
		stop, cancel := context.WithCancel(context.Background())
		cancel() // it is of no use any more
		_ = e.Stop(stop)
		return err
	}
	e.mutex.Lock()
	e.ready = true
	e.mutex.Unlock()
	return nil
}

// keep runs the postmaster until it is stopped or beyond help. The kernel signals the postmaster when the thread that
// started it ends, so this goroutine keeps its thread.
func (e *Embedded) keep() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(e.done)
	defer e.release()
	for earlyDeaths := 0; earlyDeaths < maxEarlyDeaths; {
		began := time.Now()
		if e.exit = e.runPostmaster(); !e.wanted() {
			return
		}
		if earlyDeaths++; time.Since(began) > earlyDeath {
			earlyDeaths = 0
		}
		e.config.Logger.Error("the embedded PostgreSQL ended by itself", "error", e.exit, "log", e.log.Name())
		if err := e.clearAway(); err != nil {
			e.exit = err
			return
		}
	}
}

// runPostmaster returns when the postmaster has ended, and says how.
func (e *Embedded) runPostmaster() error {
	cmd := e.command("postgres", e.arguments()...)
	cmd.Stdout, cmd.Stderr = e.log, e.log
	e.mutex.Lock()
	if e.stopping {
		e.mutex.Unlock()
		return nil
	}
	err := cmd.Start()
	e.process = cmd.Process
	e.mutex.Unlock()
	if err != nil {
		return e.owner.explain(err)
	}
	return cmd.Wait()
}

func (e *Embedded) clearAway() error { return e.awaitLeftovers(context.Background()) }

func (e *Embedded) awaitLeftovers(ctx context.Context) error {
	w := &await{log: e.config.Logger, what: "the processes of an earlier server in " + e.data + " to end", limit: leftoversTimeout}
	return w.run(ctx, e.endLeftovers)
}

// wanted says whether a postmaster that ended is to be started again.
func (e *Embedded) wanted() bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.ready && !e.stopping
}

// recoveryTimeout bounds the wait for a server that says that it is still starting: after a crash it reads its log first.
// answerTimeout bounds the wait for one that says nothing of the kind.
const (
	recoveryTimeout = 30 * time.Minute
	answerTimeout   = 2 * time.Minute
)

// awaitReady tries the database itself until it answers, and makes it when the server has none of that name.
func (e *Embedded) awaitReady(ctx context.Context) error {
	w := &await{log: e.config.Logger, what: "the embedded PostgreSQL to answer", limit: recoveryTimeout}
	return w.run(ctx, func(ctx context.Context) error { return e.tryUntilReady(ctx, w) })
}

func (e *Embedded) tryUntilReady(ctx context.Context, w *await) error {
	lastSign := time.Now()
	for pause := 3 * time.Millisecond; ; pause = min(pause*3/2, 100*time.Millisecond) {
		err := e.tryDatabase(ctx)
		if err == nil {
			return nil
		}
		w.because(err.Error())
		if pgerr.Is(err, pgerr.CannotConnectNow) {
			lastSign = time.Now()
		}
		if time.Since(lastSign) > answerTimeout {
			return fmt.Errorf("gave up after %s waiting for the server to answer: %w; its log is %s", answerTimeout, err, e.log.Name())
		}
		select {
		case <-e.done:
			return fmt.Errorf("the server ended while it started (%v); its log is %s", e.exit, e.log.Name())
		case <-ctx.Done():
			return fmt.Errorf("the server did not get ready in time: %w; its log is %s", err, e.log.Name())
		case <-time.After(pause):
		}
	}
}

// tryDatabase connects once. It makes the database when the server has none of that name.
func (e *Embedded) tryDatabase(ctx context.Context) error {
	err := ping(ctx, e.URL(e.config.Database))
	if pgerr.Is(err, pgerr.UnknownDatabase) {
		return e.createDatabase(ctx)
	}
	return err
}

func (e *Embedded) createDatabase(ctx context.Context) error {
	conn, err := Connect(ctx, e.URL("postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, "create database "+pgx.Identifier{e.config.Database}.Sanitize())
	return err
}

func ping(ctx context.Context, url string) error {
	conn, err := Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}
