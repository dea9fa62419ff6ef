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

// clusterMajor is the version of the newest cluster in dir, 0 when there is none.
func clusterMajor(dir string) int {
	newest := 0
	found, _ := filepath.Glob(filepath.Join(dir, "pg*", "PG_VERSION"))
	for _, file := range found {
		if strings.Contains(file, ".init") {
			continue // was never finished
		}
		text, _ := os.ReadFile(file)
		if major, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			newest = max(newest, major)
		}
	}
	return newest
}

// ensureCluster makes the cluster when there is none. It grows beside its place and is renamed when it is whole, so
// that a half-made one is never taken for a cluster. The name is new each time, since the initdb of a killed
// predecessor may still be busy emptying its own.
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
	w := &await{log: e.config.Logger, what: "initdb to make a database cluster in " + e.config.Dir, limit: initTimeout}
	if err := w.run(ctx, func(ctx context.Context) error { return e.initdb(ctx, growing) }); err != nil {
		_ = os.RemoveAll(growing)
		return err
	}
	if err := os.Rename(growing, e.data); err != nil {
		return err
	}
	return syncDir(e.config.Dir)
}

// initTimeout bounds initdb: it takes seconds, and minutes on a disk that is very slow.
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
	go func() { // on a thread of its own, for the reason given at launch
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
		return fmt.Errorf("make a database cluster: %w", ctx.Err())
	} else if err != nil {
		return fmt.Errorf("make a database cluster: %w: %s", err, strings.TrimSpace(out.String()))
	}
	return nil
}

// logLimit is the size in bytes at which the server's log is put aside at the next start; one old one is kept.
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

// syncDir makes a rename in dir outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
