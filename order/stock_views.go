package order

import (
	"context"
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
	return web.ListNewest("stock", stockRows(m.Views.WithContext(ctx), short, p), p, func(ids []uuid.UUID) ([]StockView, int, error) {
		found, covered, err := stocks.LoadPage(ctx, m.store, ids, web.MaxPageBytes)
		return web.Map(found, stockViewOf), covered, err
	})
}

// stockRows queries a page of stocks and one more. Short stock has a timer, so an index finds it.
func stockRows(db *gorm.DB, short bool, p web.PageRequest) *gorm.DB {
	db = db.Table("orders.streams").Where("kind = 'stock'")
	if short {
		db = db.Where("wake_at is not null")
	}
	return p.Newest(db, "streams")
}

// holders returns the orders that hold units of a stock, newest first. It reads the events of the stock backwards until it has
// found all reserved units. complete is false if it stopped earlier.
func (m *Module) holders(ctx context.Context, s eventstore.Stream[Stock]) (found []HolderView, complete bool, err error) {
	search := holderSearch{ended: map[uuid.UUID]bool{}, left: s.State.Reserved}
	oldest := max(0, s.Version-holdersSearched)
	for end := s.Version; end > oldest && search.unfinished(); end -= holdersPage {
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
			search.visit(e)
		}
	}
	found, err = m.addNumbers(ctx, search.found)
	return found, search.left <= 0, err
}

// holderSearch walks backwards through the events of a stock.
type holderSearch struct {
	ended map[uuid.UUID]bool // orders that no longer hold units
	found []HolderView
	left  int64 // reserved units without a known order so far
}

func (h *holderSearch) unfinished() bool { return h.left > 0 && len(h.found) < mostHolders }

func (h *holderSearch) visit(event StockEvent) {
	switch e := event.(type) {
	case StockReleased:
		h.ended[e.OrderID] = true
	case StockFulfilled:
		h.ended[e.OrderID] = true
	case StockReserved:
		if h.unfinished() && !h.ended[e.OrderID] {
			h.found = append(h.found, HolderView{ID: e.OrderID, Quantity: e.Quantity})
			h.left -= e.Quantity
		}
	case StockCounted, StockAdjusted:
	}
}

// addNumbers adds the numbers of the orders.
func (m *Module) addNumbers(ctx context.Context, holders []HolderView) ([]HolderView, error) {
	found, err := orders.LoadKnown(ctx, m.store, web.Map(holders, func(h HolderView) uuid.UUID { return h.ID }))
	numbers := make(map[uuid.UUID]string, len(found))
	for _, o := range found {
		numbers[o.ID] = o.State.Number
	}
	for i, h := range holders {
		holders[i].Number = numbers[h.ID]
	}
	return holders, err
}
