// Package cluster runs replicas of the program, and the PostgreSQL that they share, as processes that are killed, frozen and
// started again.
package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Replica runs the program as a process, one process after the other. It must not be copied.
type Replica struct {
	Command func() *exec.Cmd // returns the command of the next process
	Exited  func(err error)  // called when a process ends by itself; if nil, Stop returns the result

	starting sync.Mutex // held during a start: there is one process at most
	serving  atomic.Pointer[process]
}

// process is a started program.
type process struct {
	*os.Process
	base  string        // URL of its API
	ended chan struct{} // closed at its end; then err holds the result
	err   error
}

// patience limits a start and a stop.
const patience = 2 * time.Minute

// Start starts a process, and returns when it serves. It does nothing if one serves already.
func (r *Replica) Start() error {
	r.starting.Lock()
	defer r.starting.Unlock()
	if r.serving.Load() != nil {
		return nil
	}
	p, ready := &process{ended: make(chan struct{})}, make(chan struct{})
	go func() {
		p.err = p.run(r.Command(), func() {
			r.serving.Store(p)
			close(ready)
		})
		close(p.ended)
		if r.Exited != nil && r.serving.CompareAndSwap(p, nil) {
			r.Exited(p.err)
		}
	}()
	select {
	case <-ready:
	case <-p.ended:
	}
	if p.base == "" {
		return fmt.Errorf("it ended at its start: %w", errors.Join(p.err, errNotServing))
	}
	return nil
}

var errNotServing = errors.New("it never served")

var greeting = regexp.MustCompile(`(https?://[^/\s]+)/swagger`)

// run runs the program from its start to its end. It calls ready when the program serves.
func (p *process) run(cmd *exec.Cmd, ready func()) error {
	runtime.LockOSThread() // Linux signals the process when the thread that started it ends
	defer runtime.UnlockOSThread()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return err
	}
	p.Process = cmd.Process
	overdue := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer overdue.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if found := greeting.FindStringSubmatch(lines.Text()); found != nil && overdue.Stop() {
			p.base = found[1]
			ready()
		}
	}
	return cmd.Wait()
}

// PID returns the id of the process that serves.
func (r *Replica) PID() int { return r.serving.Load().Pid }

// Base returns the URL of the API; "" while no process serves. A frozen process looks like a running one.
func (r *Replica) Base() string {
	if p := r.serving.Load(); p != nil {
		return p.base
	}
	return ""
}

// Kill ends the process at once (SIGKILL), also a frozen one, and returns the result of the process.
func (r *Replica) Kill() error {
	p := r.take()
	if p == nil {
		return errNotServing
	}
	_ = p.Kill()
	<-p.ended
	return p.err
}

// Stop asks the process to stop (SIGTERM), and returns its result. A frozen process continues.
func (r *Replica) Stop() error {
	p := r.take()
	if p == nil {
		return nil
	}
	thaw(p.Process)
	_ = p.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
		_ = p.Kill()
		<-p.ended
		return errors.New("it does not stop")
	}
}

// take returns the process that serves, so that its end is intended.
func (r *Replica) take() *process {
	r.starting.Lock()
	defer r.starting.Unlock()
	return r.serving.Swap(nil)
}

// Freeze stops the process (SIGSTOP), as on a machine that is being moved, and returns the function that continues it; nil if
// there is no process.
func (r *Replica) Freeze() (continues func()) {
	p := r.serving.Load()
	if p == nil || freeze(p.Process) != nil {
		return nil
	}
	return func() { thaw(p.Process) } // in vain if it was killed meanwhile
}
