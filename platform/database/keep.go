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

// A server is not restarted after so many ends in a row, each so soon after its start.
const (
	earlyDeath     = 10 * time.Second
	maxEarlyDeaths = 3
)

// leftoversTimeout bounds the wait for orphaned processes of a dead postmaster.
const leftoversTimeout = 30 * time.Second

// serve starts the postmaster, keeps it running, and returns when the database answers.
func (e *Embedded) serve(ctx context.Context) error {
	go e.keep()
	if err := e.awaitReady(ctx); err != nil {
		stop, cancel := context.WithCancel(context.Background())
		cancel() // makes the server quit at once
		_ = e.Stop(stop)
		return err
	}
	e.mutex.Lock()
	e.ready = true
	e.mutex.Unlock()
	return nil
}

// keep runs the postmaster until it is stopped or has died too often. The kernel signals the postmaster when the thread that
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
		e.config.Logger.Error("the embedded PostgreSQL ended unexpectedly", "error", e.exit, "log", e.log.Name())
		if err := e.clearAway(); err != nil {
			e.exit = err
			return
		}
	}
}

// runPostmaster runs the postmaster and returns the reason of its end.
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

// wanted reports whether an ended postmaster is to be restarted.
func (e *Embedded) wanted() bool {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	return e.ready && !e.stopping
}

// recoveryTimeout bounds the wait for a server that reports that it is starting: after a crash it replays its log first.
// answerTimeout bounds the wait for a server that reports nothing.
const (
	recoveryTimeout = 30 * time.Minute
	answerTimeout   = 2 * time.Minute
)

// awaitReady connects until the database answers, and creates a missing database.
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

// tryDatabase connects once, and creates a missing database.
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
