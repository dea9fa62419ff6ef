package order

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"shopping-cart/eventstore"
	"shopping-cart/platform/web"
)

const (
	mostHolders     = 100    // in one answer
	holdersPage     = 1_000  // events in one query
	holdersSearched = 20_000 // events of one stock, at most
)

// stockPage returns a page of the stock of all SKUs, the most recently tracked first.
func (m *Module) stockPage(ctx context.Context, short bool, p web.PageRequest) (web.Page[StockView], error) {
	var rows []listed
	if err := stockRows(m.views.WithContext(ctx), short, p).Find(&rows).Error; err != nil {
		return web.Page[StockView]{}, fmt.Errorf("list the stock: %w", err)
	}
	page := web.NewPage(rows, p.Limit, func(r listed) web.Cursor { return web.Cursor{At: r.CreatedAt, ID: r.ID} })
	ids := make([]uuid.UUID, len(page.Data))
	for i, r := range page.Data {
		ids[i] = r.ID
	}
	found, err := stocks.LoadKnown(ctx, m.store, ids)
	views := make([]StockView, len(found))
	for i, s := range found {
		views[i] = stockViewOf(s.State)
	}
	return web.Page[StockView]{Data: views, NextCursor: page.NextCursor}, err
}

// stockRows queries a page of stocks and one more. Short stock has a timer, so an index finds it.
func stockRows(db *gorm.DB, short bool, p web.PageRequest) *gorm.DB {
	db = db.Table("orders.streams").Select("id, created_at").Where("kind = 'stock'")
	if short {
		db = db.Where("wake_at is not null")
	}
	if !p.Cursor.IsZero() {
		db = db.Where("(created_at, id) < (?, ?)", p.Cursor.At, p.Cursor.ID)
	}
	return db.Order("created_at desc, id desc").Limit(p.Limit + 1)
}

// holders returns the orders that hold units of a stock, newest first. It reads the events of the stock backwards until it has
// found all reserved units. complete is false if it stopped earlier.
func (m *Module) holders(ctx context.Context, s eventstore.Stream[Stock]) (found []HolderView, complete bool, err error) {
	search := holderSearch{ended: map[uuid.UUID]bool{}, left: s.State.Reserved}
	oldest := max(0, s.Version-holdersSearched)
	for end := s.Version; end > oldest && search.goesOn(); end -= holdersPage {
		after := max(oldest, end-holdersPage)
		events, err := m.store.ReadStream(ctx, s.ID, after, int(end-after))
		if err != nil {
			return nil, false, err
		}
		for _, recorded := range slices.Backward(events) {
			e, err := stocks.Event(recorded)
			if err != nil {
				return nil, false, err
			}
			search.see(e)
		}
	}
	found, err = m.named(ctx, search.found)
	return found, search.left <= 0, err
}

// holderSearch walks backwards through the events of a stock.
type holderSearch struct {
	ended map[uuid.UUID]bool // orders that no longer hold units
	found []HolderView
	left  int64 // reserved units without a known order so far
}

func (h *holderSearch) goesOn() bool { return h.left > 0 && len(h.found) < mostHolders }

func (h *holderSearch) see(event StockEvent) {
	switch e := event.(type) {
	case StockReleased:
		h.ended[e.OrderID] = true
	case StockFulfilled:
		h.ended[e.OrderID] = true
	case StockReserved:
		if h.goesOn() && !h.ended[e.OrderID] {
			h.found = append(h.found, HolderView{ID: e.OrderID, Quantity: e.Quantity})
			h.left -= e.Quantity
		}
	case StockCounted, StockAdjusted:
	}
}

// named adds the numbers of the orders.
func (m *Module) named(ctx context.Context, holders []HolderView) ([]HolderView, error) {
	ids := make([]uuid.UUID, len(holders))
	for i, h := range holders {
		ids[i] = h.ID
	}
	found, err := orders.LoadKnown(ctx, m.store, ids)
	if err != nil {
		return nil, err
	}
	numbers := make(map[uuid.UUID]string, len(found))
	for _, o := range found {
		numbers[o.ID] = o.State.Number
	}
	for i, h := range holders {
		holders[i].Number = numbers[h.ID]
	}
	return holders, nil
}
