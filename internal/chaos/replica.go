package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"shopping-cart/internal/cluster"
)

// replica is a replica of the program in a run.
type replica struct {
	cluster.Replica
	shop   *shop
	number int
	random *rand.Rand
	log    *os.File

	silentUntil atomic.Int64 // gets no requests until then: nanoseconds since 1970
}

func newReplica(ctx context.Context, s *shop, n int) (*replica, error) {
	log, err := os.OpenFile(filepath.Join(s.Dir, fmt.Sprintf("replica-%d.log", n)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	r := &replica{shop: s, number: n, random: s.source(ofReplica, n), log: log}
	r.Command = r.command
	r.Exited = func(err error) {
		if ctx.Err() == nil {
			s.addFinding("replica %d ended by itself: %v", n, err)
			_ = r.start(ctx)
		}
	}
	return r, err
}

// slowest is the longest simulated latency of the provider. Each start draws another latency.
const slowest = 40 * time.Millisecond

// command starts the program in the directory of the run, without a settings file.
func (r *replica) command() *exec.Cmd {
	cmd := exec.Command(r.shop.Program[0], r.shop.Program[1:]...)
	cmd.Dir, cmd.Stderr = r.shop.Dir, r.log
	cmd.Env = slices.Concat(r.shop.Environ, []string{
		"DATABASE_URL=" + r.shop.postgres.URL(), "HTTP_ADDR=127.0.0.1:0", "SIMULATOR_LATENCY=" + between(r.random, 0, slowest).String(),
	}, r.shop.Settings)
	return cmd
}

// start returns when the program serves. If PostgreSQL is down it tries again, like a supervisor.
func (r *replica) start(ctx context.Context) error {
	for until := time.Now().Add(patience); ; {
		err := r.Start()
		if err == nil {
			return nil
		}
		if time.Now().After(until) || !pause(ctx, 200*time.Millisecond) {
			return fmt.Errorf("%w; its log is %s", err, r.log.Name())
		}
	}
}

func (s *shop) endReplicas() {
	for _, r := range s.replicas {
		_ = r.Kill()
		_ = r.log.Close()
	}
}
