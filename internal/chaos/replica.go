package chaos

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// replica runs the program as a process, one process after the other on the same database.
type replica struct {
	shop   *shop
	number int
	luck   *rand.Rand
	log    *os.File

	silentUntil atomic.Int64 // gets no requests until then: nanoseconds since 1970

	starting sync.Mutex // held during a start: there is one process at most

	mu      sync.Mutex
	running *process // nil while none runs
	frozen  bool
}

// process is a started process.
type process struct {
	*os.Process
	base  string        // of its API
	ended chan struct{} // closed at its end; then err holds the result
	err   error
}

func newReplica(s *shop, n int, luck *rand.Rand) (*replica, error) {
	log, err := os.OpenFile(filepath.Join(s.Dir, fmt.Sprintf("replica-%d.log", n)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &replica{shop: s, number: n, luck: luck, log: log}, err
}

// slowest is the longest simulated latency of the provider. Each start draws another latency.
const slowest = 40 * time.Millisecond

// start starts the program, and returns when it serves. If PostgreSQL is down it tries again, like a supervisor.
func (r *replica) start(ctx context.Context) error {
	r.starting.Lock()
	defer r.starting.Unlock()
	if r.where() != "" {
		return nil
	}
	settings := append([]string{
		"DATABASE_URL=" + r.shop.postgres.url, "HTTP_ADDR=127.0.0.1:0", "SIMULATOR_LATENCY=" + between(r.luck, 0, slowest).String(),
	}, r.shop.Settings...)
	for until := time.Now().Add(patience); ; {
		p, err := r.launch(settings)
		if err == nil {
			r.mu.Lock()
			r.running, r.frozen = p, false
			r.mu.Unlock()
			go r.watches(ctx, p)
			return nil
		}
		if time.Now().After(until) || !pause(ctx, 200*time.Millisecond) {
			return err
		}
	}
}

// watches waits for the end of a process, and reports an unintended one.
func (r *replica) watches(ctx context.Context, p *process) {
	<-p.ended
	r.mu.Lock()
	byItself := r.running == p
	if byItself {
		r.running = nil
	}
	r.mu.Unlock()
	if byItself && ctx.Err() == nil {
		r.shop.finds("replica %d ended by itself: %v", r.number, p.err)
		_ = r.start(ctx)
	}
}

var greeting = regexp.MustCompile(`(http://[^/\s]+)/swagger`)

// launch starts a process in the directory of the run, without a settings file.
func (r *replica) launch(settings []string) (*process, error) {
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(r.shop.Program[0], r.shop.Program[1:]...)
	cmd.Dir, cmd.Env = r.shop.Dir, append(append([]string{}, r.shop.Environ...), settings...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = in, r.log, attributes()
	p, started := &process{ended: make(chan struct{})}, make(chan error, 1)
	go func() {
		runtime.LockOSThread() // Linux signals the process when the thread that started it ends
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = in.Close()
		if p.Process = cmd.Process; err == nil {
			started <- nil
			err = cmd.Wait()
		} else {
			started <- err
		}
		p.err = err
		close(p.ended)
	}()
	if err := <-started; err != nil {
		_ = out.Close()
		return nil, err
	}
	defer time.AfterFunc(patience, func() { _ = p.Kill() }).Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if found := greeting.FindStringSubmatch(lines.Text()); found != nil {
			p.base = found[1]
			go func() {
				_, _ = io.Copy(io.Discard, out)
				_ = out.Close()
			}()
			return p, nil
		}
	}
	_ = out.Close()
	<-p.ended
	return nil, fmt.Errorf("it ended at its start: %w; its log is %s", errors.Join(p.err, errNoGreeting), r.log.Name())
}

var errNoGreeting = errors.New("it never served")

// where returns the address of its API; "" if no process runs. A frozen process looks like a running one.
func (r *replica) where() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running == nil {
		return ""
	}
	return r.running.base
}

// kill sends SIGKILL, also to a frozen process.
func (r *replica) kill() {
	r.mu.Lock()
	p := r.running
	r.running = nil
	r.mu.Unlock()
	if p != nil {
		_ = p.Kill()
		<-p.ended
	}
}

// freeze stops the process (SIGSTOP), as on a machine that is being moved, and returns the function that continues it.
func (r *replica) freeze() (thaw func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.running
	if p == nil || r.frozen {
		return nil
	}
	r.frozen = true
	_ = p.Signal(stopSignal)
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		_ = p.Signal(continueSignal) // it may have been killed in the meantime
		if r.running == p {
			r.frozen = false
		}
	}
}

// stop asks the process to stop and returns the result.
func (r *replica) stop() error {
	r.mu.Lock()
	p := r.running
	r.running = nil
	r.mu.Unlock()
	if p == nil {
		return nil
	}
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

func (s *shop) endReplicas() {
	for _, r := range s.replicas {
		r.kill()
		_ = r.log.Close()
	}
}
