package privacy

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/order"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/web"
)

// ExportItem is one thing that is held about a customer.
type ExportItem struct {
	Kind      string          `json:"kind" enums:"contact,cart,order,saga,payment,note,audit"`
	ID        uuid.UUID       `json:"id" format:"uuid"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	Data      json.RawMessage `json:"data" swaggertype:"object" extensions:"x-nullable"` // as it is stored; null if the row is damaged

	at place
}

// PageBytes estimates the size of the item on a page.
func (v ExportItem) PageBytes() int { return len(v.Data) }

// section is a kind of items with their ids.
type section struct {
	kind string
	ids  []uuid.UUID
	read func(context.Context, []uuid.UUID) ([]eventstore.Document, error)
}

// place is an item of an export. Zero is before the first.
type place struct {
	Section int       `json:"section"`
	ID      uuid.UUID `json:"id"`
	Until   time.Time `json:"until"` // later entries of the audit are left out: reading a page makes one
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.Section, q.Section), bytes.Compare(p.ID[:], q.ID[:]))
}

// sections returns the ids of everything that is held about a customer. Only operators see the notes.
func (m *Module) sections(ctx context.Context, customer string, operator bool, until time.Time) ([]section, error) {
	p := person{customer: customer}
	h, err := m.find(ctx, p)
	if err != nil {
		return nil, err
	}
	carts, orders, sagas := m.Carts.Store(), m.Orders.Store(), m.Sagas.Store()
	all := []section{
		{"contact", web.Map(h.contacts, func(c order.ContactRef) uuid.UUID { return c.ID }), m.Orders.ReadContacts},
		{"cart", h.carts, carts.States}, {"order", h.orders, orders.States}, {"saga", h.sagas, sagas.States}, {"payment", h.payments, m.Payments.ReadPayments},
	}
	for _, s := range h.streams(m) {
		if !operator {
			s.of = nil
		}
		ids, err := s.NotesOf(ctx, s.of)
		if err != nil {
			return nil, err
		}
		all = append(all, section{"note", ids, s.ReadNotes})
	}
	entries, err := m.Audit.About(ctx, h.objects(p), until)
	return append(all, section{"audit", entries, m.Audit.ReadEntries}), err
}

// placesAfter returns the first items after a place.
func placesAfter(all []section, last place, limit int) (places []place) {
	for i, s := range all {
		for _, id := range s.ids {
			if p := (place{i, id, last.Until}); p.compare(last) > 0 {
				places = append(places, p)
			}
		}
	}
	slices.SortFunc(places, place.compare)
	places = slices.Compact(places)
	return places[:min(limit, len(places))]
}

// reasonInJSON matches a reason in a state or in an entry of the audit.
var reasonInJSON = regexp.MustCompile(`"reason" ?: ?"(?:[^"\\]|\\.)*"`)

const exportChunk = 10 // items that are read at once

// read reads items until they fill a page. It skips deleted ones.
func read(ctx context.Context, all []section, places []place) (items []ExportItem, err error) {
	size := 0
	for len(places) > 0 && size <= web.MaxPageBytes {
		of := all[places[0].Section]
		n := 1
		for n < min(exportChunk, len(places)) && places[n].Section == places[0].Section {
			n++
		}
		found, err := of.read(ctx, web.Map(places[:n], func(p place) uuid.UUID { return p.ID }))
		if err != nil {
			return nil, err
		}
		slices.SortFunc(found, func(a, b eventstore.Document) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		for _, d := range found {
			if !bytes.HasPrefix(bytes.TrimSpace(d.Data), []byte("{")) {
				d.Data = nil
			}
			items = append(items, ExportItem{of.kind, d.ID, web.Time(d.CreatedAt), web.Time(d.UpdatedAt), d.Data, place{places[0].Section, d.ID, places[0].Until}})
			size += len(d.Data)
		}
		places = places[n:]
	}
	return items, nil
}

var errNoCustomer = fault.New(fault.NotFound, "not_found", "There is no such customer, or it is not you.")

// exportCustomer exports the stored data of a customer.
//
//	@Summary		Export the stored data of a customer
//	@Description	Everything that is stored under the customer's id: contacts, carts, orders, sagas (checkouts, cancellations, refunds), payments, the notes that people wrote about them, and what operators did to them and read of them until the first page. `data` is as it is stored, of a payment as the customer sees it. Customers export their own, without the notes and the reasons that operators wrote.
//	@ID				exportCustomer
//	@Tags			orders
//	@Security		BearerAuth
//	@x-operator-scopes ["privacy:erase"]
//	@Param			id		path		string	true	"Customer"
//	@Param			limit	query		int		false	"Page size: 1 to 100, 20 by default"
//	@Param			cursor	query		string	false	"next_cursor of the previous page"
//	@Success		200		{object}	web.Page[ExportItem]
//	@Failure		401		{object}	web.Problem
//	@Failure		404		{object}	web.Problem	"not_found"
//	@Failure		422		{object}	web.Problem	"validation_failed, cursor_invalid"
//	@Router			/v1/customers/{id}/export [get]
func (m *Module) exportCustomer(c echo.Context) error {
	customer, err := customerOf(c)
	if err != nil {
		return err
	}
	if caller := web.CallerOf(c); caller.Subject != customer && !caller.Operator() {
		return errNoCustomer
	}
	limit, last, err := web.CursorOf[place](c)
	if err != nil {
		return err
	}
	if last.Until.IsZero() {
		last.Until = m.Audit.Store().Now()
	}
	ctx, operator := c.Request().Context(), web.CallerOf(c).Operator()
	all, err := m.sections(ctx, customer, operator, last.Until)
	if err != nil {
		return err
	}
	items, err := read(ctx, all, placesAfter(all, last, limit+1))
	if err != nil {
		return err
	}
	for i, v := range items {
		if !operator && v.Kind != "payment" {
			items[i].Data = reasonInJSON.ReplaceAll(v.Data, []byte(`"reason":""`))
		}
	}
	return c.JSON(http.StatusOK, web.NewPage(items, limit, func(v ExportItem) place { return v.at }))
}
