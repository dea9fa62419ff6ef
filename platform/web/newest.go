package web

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
)

// Row is the position of an entry in a list, newest first.
type Row struct {
	ID        uuid.UUID
	CreatedAt time.Time
}

func (r Row) cursor() Cursor { return Cursor{At: r.CreatedAt, ID: r.ID} }

// Newest makes a query select the rows of a page, newest first, and one more. table is the table or alias whose created_at and id
// order the list.
func (p PageRequest) Newest(query *gorm.DB, table string) *gorm.DB {
	if !p.Cursor.IsZero() {
		query = query.Where("("+table+".created_at, "+table+".id) < (?, ?)", p.Cursor.At, p.Cursor.ID)
	}
	return query.Select(table + ".id, " + table + ".created_at").Order(table + ".created_at desc, " + table + ".id desc").Limit(p.Limit + 1)
}

// Load loads the entries of a list. It returns those that exist with the ids, and how many ids it reached.
type Load[T any] func(ids []uuid.UUID) (found []T, covered int, err error)

// ListNewest runs the query of the named list, which Newest completed, and loads the page of its rows.
func ListNewest[T any](name string, query *gorm.DB, p PageRequest, load Load[T]) (Page[T], error) {
	var rows []Row
	if err := query.Find(&rows).Error; err != nil {
		return Page[T]{}, fmt.Errorf("list %s: %w", name, err)
	}
	return PageOfNewest(name, rows, p, load)
}

// PageOfNewest loads the page of rows that were fetched with one more than its limit. The page is cut before the entries are loaded, so
// an entry that load leaves out does not end the list.
func PageOfNewest[T any](name string, rows []Row, p PageRequest, load Load[T]) (Page[T], error) {
	page := NewPage(rows, p.Limit, Row.cursor)
	found, covered, err := load(Map(page.Data, func(r Row) uuid.UUID { return r.ID }))
	if err != nil {
		return Page[T]{}, fmt.Errorf("list %s: %w", name, err)
	}
	return Page[T]{Data: found, NextCursor: page.Until(covered, Row.cursor).NextCursor}, nil
}

// Map returns the results of f for all entries. The list is never nil, which JSON would show as null.
func Map[T, R any](entries []T, f func(T) R) []R {
	results := make([]R, len(entries))
	for i, e := range entries {
		results[i] = f(e)
	}
	return results
}
