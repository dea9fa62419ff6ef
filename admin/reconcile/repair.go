package reconcile

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// repairOf sends what mends a finding, where that is beyond doubt; nil where it is not. These are the commands that sagas
// send, decided on the newest state: what has moved meanwhile is refused. does says what they do, in the past tense.
func (m *Module) repairOf(checkout uuid.UUID, p invariant, b books) (repair func(context.Context) error, does string) {
	if p.repair == nil {
		return nil, ""
	}
	commands := p.repair(b)
	if len(commands) == 0 {
		return nil, ""
	}
	var done []string
	for _, c := range commands {
		if one := c.done(b); !slices.Contains(done, one) {
			done = append(done, one)
		}
	}
	return func(ctx context.Context) error {
		for _, c := range commands {
			if err := c.send(ctx, m, checkout); err != nil {
				return err
			}
		}
		return nil
	}, strings.Join(done, ", ")
}

// wake has a saga looked at, as a webhook would.
func (m *Module) wake(id uuid.UUID) func(context.Context) error {
	return func(ctx context.Context) error { return m.Sagas.Wake(ctx, id) }
}

// repair heals what can be, and says of each finding whether it is gone.
func (m *Module) repair(ctx context.Context, found []Finding, actor string, refundLost bool) {
	for i, f := range found {
		repair := f.repair
		if refundLost && f.lost != uuid.Nil {
			repair = func(ctx context.Context) error { return m.Payments.RefundLost(ctx, f.lost, actor) }
		}
		if repair == nil {
			continue
		}
		gone := false
		err := repair(ctx)
		if err == nil {
			gone, err = isGone(ctx, f)
		}
		found[i].Healed = &gone
		if gone {
			found[i].Done = f.does
		}
		m.Log.InfoContext(ctx, "a finding is mended", "finding", f.ID, "actor", actor, "healed", gone, "error", err)
	}
}

// justNow is more than the clocks of the databases are ahead of ours.
const justNow = time.Minute

// isGone looks again, and takes the youngest for settled: it was just touched. What it still finds it looks at once more, as
// every finding: a saga that was just begun may have ended between a look at its order and one at itself.
func isGone(ctx context.Context, f Finding) (gone bool, err error) {
	for range 2 {
		var now []Finding
		now, err = f.again(ctx, time.Now().Add(justNow))
		gone = err == nil && !slices.ContainsFunc(now, func(n Finding) bool { return n.ID == f.ID })
		if gone || err != nil {
			break
		}
	}
	return gone, err
}
