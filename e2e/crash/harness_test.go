package crash

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/admin/reconcile"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
)

// place is where a program dies: where a point is reached with a label for the n-th time.
type place struct {
	point, label string
	n            int
}

func (p place) String() string { return fmt.Sprintf("%s %s #%d", p.point, p.label, p.n) }

// placesOf are the lines that a program with fail points wrote.
func placesOf(reached string) (all []place) {
	times := map[string]int{}
	for line := range strings.Lines(reached) {
		line = strings.TrimSpace(line)
		times[line]++
		point, label, _ := strings.Cut(line, " ")
		all = append(all, place{point, label, times[line]})
	}
	return all
}

// victim is a program with fail points, on a database of its own. It dies where it is told to, and is started again.
type victim struct {
	*harness.Fleet // of one replica
	url            string
	orders         string // the file
	audit          *harness.Site
	db             *pgx.Conn

	life context.Context // until the program ends in another way
	ends context.CancelCauseFunc

	reviving sync.Mutex
	stopped  bool

	mu     sync.Mutex
	deaths []place
	died   int
}

func newVictim(t *testing.T, program string, settings ...string) *victim {
	t.Helper()
	m := &victim{url: pgtest.New(t), orders: filepath.Join(t.TempDir(), "orders")}
	m.life, m.ends = context.WithCancelCause(context.Background())
	h := harness.NewHost(t, append([]string{"DATABASE_URL=" + m.url, "PAYMENT_PROVIDER=simulator", "FAILPOINTS=" + m.orders}, settings...))
	h.Program, h.Exited = program, m.revive
	m.Fleet = &harness.Fleet{Replicas: []*harness.Host{h}, Limit: harness.Patience}
	t.Cleanup(func() { m.stop(t) })
	h.Start(t)
	m.audit = harness.Auditor(t, m.Up(t), func(s *reconcile.Module) { s.MinAge = time.Nanosecond })
	var err error
	m.db, err = pgx.Connect(t.Context(), m.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = m.db.Close(context.Background()) })
	return m
}

// revive starts the program again after a death that it was told to die, also after one at its start.
func (m *victim) revive(err error) {
	m.reviving.Lock()
	defer m.reviving.Unlock()
	for h := m.Replicas[0]; !m.stopped; {
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			m.ends(fmt.Errorf("the program ended: %w\n%s", err, h.Log.String()))
			return
		}
		if err = m.afterDeath(); err == nil {
			err = h.Replica.Start()
		}
		if err == nil {
			return
		}
	}
}

// timePasses makes it a minute later for everything that was claimed, so that whoever finds it need not wait until it is sure that
// its owner is gone. What a shopper or a bank is waited for stands elsewhere, and is not hurried.
const timePasses = `update cart.outbox set due_at = due_at - interval '1 minute';
	update orders.outbox set due_at = due_at - interval '1 minute';
	update payment.outbox set due_at = due_at - interval '1 minute';
	update saga.streams set wake_at = wake_at - interval '1 minute' where wake_at is not null;
	update payment.webhooks set due_at = due_at - interval '1 minute' where handled_at is null;
	update simulator.webhooks set due_at = due_at - interval '1 minute' where delivered_at is null`

func (m *victim) afterDeath() error {
	m.mu.Lock()
	m.died++
	m.mu.Unlock()
	if err := m.order(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(m.life, harness.Patience)
	defer cancel()
	return passTime(ctx, m.url)
}

// passTime runs timePasses.
func passTime(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, timePasses)
	return err
}

// dieAt tells the program where to die, and where to die next, in what it becomes when it is started again. From then on it
// writes down what it reaches.
func (m *victim) dieAt(t *testing.T, at ...place) {
	t.Helper()
	m.mu.Lock()
	m.deaths, m.died = at, 0
	m.mu.Unlock()
	require.NoError(t, m.order())
}

// order gives the next order. What was reached so far is forgotten.
func (m *victim) order() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := os.Remove(m.reachedFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	order := fmt.Sprintf("record %d", m.died)
	if m.died < len(m.deaths) {
		next := m.deaths[m.died]
		order = fmt.Sprintf("kill %d %s %s", next.n, next.point, next.label)
	}
	if err := os.WriteFile(m.orders+".new", []byte(order), 0o600); err != nil {
		return err
	}
	return os.Rename(m.orders+".new", m.orders)
}

func (m *victim) reachedFile() string { return m.orders + ".reached" }

// alive lets the program live, and says what it reached since its last death, and how often it died.
func (m *victim) alive(t *testing.T) (reached []place, died int) {
	t.Helper()
	require.NoError(t, os.Remove(m.orders))
	text, err := os.ReadFile(m.reachedFile())
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return placesOf(string(text)), m.died
}

const underWay = `select exists (select from cart.outbox) or exists (select from orders.outbox) or exists (select from payment.outbox)
	or exists (select from saga.streams where status not in ('completed', 'failed', 'cancelled'))
	or exists (select from payment.webhooks where handled_at is null) or exists (select from simulator.webhooks where delivered_at is null)`

// awaitIdle waits until nothing is under way. A death that is still to come may come in the moment after.
func (m *victim) awaitIdle(t *testing.T) {
	t.Helper()
	still := 0
	harness.Until(t, "nothing is under way", func() (at bool) {
		require.NoError(t, context.Cause(m.life))
		var busy bool
		require.NoError(t, m.db.QueryRow(t.Context(), underWay).Scan(&busy))
		still++
		if busy || m.Replicas[0].Base() == "" {
			still = 0
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		const moments = 20
		return still > moments || still > 1 && m.died >= len(m.deaths)
	})
}

// requirePromises is the books, as we and as the program's own reconciliation read them.
func (m *victim) requirePromises(t *testing.T) {
	t.Helper()
	in := map[string]harness.Querier{"cart": m.db, "orders": m.db, "payment": m.db, "saga": m.db, "simulator": m.db}
	wrong, err := harness.Breaches(t.Context(), in)
	require.NoError(t, err)
	require.Empty(t, wrong)
	require.Empty(t, m.audit.Reconcile(t, "GET").Data)
}

// stop requires that the program lived until now. The harness stops it.
func (m *victim) stop(t *testing.T) {
	m.reviving.Lock()
	defer m.reviving.Unlock()
	m.stopped = true
	assert.NoError(t, context.Cause(m.life))
}
