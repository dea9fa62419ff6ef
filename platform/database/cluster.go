//go:build !windows

package database

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// clusterMajor returns the version of the newest cluster in dir, or 0 without one.
func clusterMajor(dir string) int {
	newest := 0
	found, _ := filepath.Glob(filepath.Join(dir, "pg*", "PG_VERSION"))
	for _, file := range found {
		if strings.Contains(file, ".init") {
			continue // incomplete
		}
		text, _ := os.ReadFile(file)
		if major, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			newest = max(newest, major)
		}
	}
	return newest
}

// ensureCluster creates a missing cluster. It works in a temporary folder and renames that at the end, so that an incomplete
// cluster is never used. The folder has a new name each time, since the initdb of a killed predecessor may still be emptying its
// own.
func (e *Embedded) ensureCluster(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(e.data, "PG_VERSION")); err == nil {
		return nil
	}
	halves, _ := filepath.Glob(e.data + ".init*")
	for _, half := range halves {
		_ = os.RemoveAll(half)
	}
	growing := fmt.Sprintf("%s.init%d", e.data, time.Now().UnixNano())
	if err := e.owner.makeDir(growing); err != nil {
		return err
	}
	w := &await{log: e.config.Logger, what: "initdb to create a database cluster in " + e.config.Dir, limit: initTimeout}
	if err := w.run(ctx, func(ctx context.Context) error { return e.initdb(ctx, growing) }); err != nil {
		_ = os.RemoveAll(growing)
		return err
	}
	if err := os.Rename(growing, e.data); err != nil {
		return err
	}
	return syncDir(e.config.Dir)
}

// initTimeout bounds initdb: it takes seconds, or minutes on a very slow disk.
const initTimeout = 10 * time.Minute

func (e *Embedded) initdb(ctx context.Context, dir string) error {
	args := []string{"-D", dir, "-U", embeddedUser, "-A", "trust", "-E", "UTF8", "--locale=C", "--data-checksums"}
	if e.config.NoSync {
		args = append(args, "--no-sync")
	}
	var out bytes.Buffer
	cmd := e.command("initdb", args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	result := make(chan error, 1)
	go func() { // on its own thread, for the reason given at keep
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			result <- e.owner.explain(err)
			return
		}
		defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
		result <- cmd.Wait()
	}()
	if err := <-result; ctx.Err() != nil {
		return fmt.Errorf("create a database cluster: %w", ctx.Err())
	} else if err != nil {
		return fmt.Errorf("create a database cluster: %w: %s", err, strings.TrimSpace(out.String()))
	}
	return nil
}

// logLimit is the size in bytes above which the next start renames the server's log. One old log is kept.
const logLimit = 8 << 20

func (e *Embedded) openLog(context.Context) (err error) {
	path := filepath.Join(e.config.Dir, "postgres.log")
	if s, err := os.Stat(path); err == nil && s.Size() > logLimit {
		if err := os.Rename(path, path+".1"); err != nil {
			return err
		}
	}
	e.log, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return err
}

// syncDir makes a rename in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
