package saga

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

// newest are the sagas of a status, or all, and one more than the page holds.
func (m *Module) newest(ctx context.Context, status Status, page web.PageRequest) ([]eventstore.Stream[State], error) {
	query := m.Views.WithContext(ctx).Table("saga.streams").Where("kind = 'saga'")
	if status != "" {
		query = query.Where("status = ?", string(status))
	}
	if at := page.Cursor; !at.IsZero() {
		query = query.Where("(created_at, id) < (?, ?)", at.At, at.ID)
	}
	var ids []uuid.UUID
	if err := query.Order("created_at desc, id desc").Limit(page.Limit+1).Pluck("id", &ids).Error; err != nil {
		return nil, fmt.Errorf("list the sagas: %w", err)
	}
	return sagas.LoadAll(ctx, m.store, ids)
}

// OldestUnfinished is the age of the oldest saga that has not ended; zero when there is none.
func (m *Module) OldestUnfinished() (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var seconds float64
	if err := m.Control.QueryRow(ctx, oldest).Scan(&seconds); err != nil {
		return 0, fmt.Errorf("find the oldest unfinished saga: %w", err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// oldest looks at sagas that wait for something through the index of timers; those in needs_attention have no timer, and
// are few.
const oldest = `select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from (
	select created_at from saga.streams where wake_at is not null
	union all select created_at from saga.streams where kind = 'saga' and status = 'needs_attention') unfinished`
