package saga

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/web"
)

// listed is where a saga stands in a list.
type listed struct {
	ID        uuid.UUID
	CreatedAt time.Time
}

// newest is a page of the sagas of a status and a type, or of all. It is cut before they are loaded: one that is left out
// does not end the list.
func (m *Module) newest(ctx context.Context, status Status, kind string, p web.PageRequest) (web.Page[View], error) {
	query := m.Views.WithContext(ctx).Table("saga.streams").Select("id, created_at").Where("kind = 'saga'")
	if status != "" {
		query = query.Where("status = ?", string(status))
	}
	switch kind {
	case "":
	case checkout.Type:
		query = query.Where("key is null")
	default:
		query = query.Where("key like ?", kind+"/%")
	}
	if at := p.Cursor; !at.IsZero() {
		query = query.Where("(created_at, id) < (?, ?)", at.At, at.ID)
	}
	var rows []listed
	if err := query.Order("created_at desc, id desc").Limit(p.Limit + 1).Find(&rows).Error; err != nil {
		return web.Page[View]{}, fmt.Errorf("list the sagas: %w", err)
	}
	page := web.NewPage(rows, p.Limit, func(r listed) web.Cursor { return web.Cursor{At: r.CreatedAt, ID: r.ID} })
	ids := make([]uuid.UUID, len(page.Data))
	for i, r := range page.Data {
		ids[i] = r.ID
	}
	found, err := sagas.LoadKnown(ctx, m.store, ids)
	views := make([]View, len(found))
	for i, saga := range found {
		views[i] = operatorsViewOf(saga)
	}
	return web.Page[View]{Data: views, NextCursor: page.NextCursor}, err
}

// Types are the types of sagas.
func Types() []string {
	var types []string
	for _, d := range definitions {
		types = append(types, d.Type)
	}
	slices.Sort(types)
	return slices.Compact(types)
}

// OldestUnfinished is the age of the oldest saga of a type that has not ended; zero when there is none.
func (m *Module) OldestUnfinished(kind string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var seconds float64
	if err := m.Control.QueryRow(ctx, oldest, m.timer.From(), kind).Scan(&seconds); err != nil {
		return 0, fmt.Errorf("find the oldest unfinished %s: %w", kind, err)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// oldest looks at sagas that wait for something through the index of timers; those in needs_attention have no timer, and
// are few.
const oldest = `select coalesce(extract(epoch from now() - min(created_at)), 0)::float8 from (
	select created_at, key from saga.streams where wake_at >= $1
	union all select created_at, key from saga.streams where kind = 'saga' and status = 'needs_attention') unfinished
	where coalesce(split_part(key, '/', 1), 'checkout') = $2`
