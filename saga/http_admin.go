package saga

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/eventstore"
	"shopping-cart/platform/money"
	"shopping-cart/platform/web"
)

// View is a saga for operators.
type View struct {
	ID         uuid.UUID    `json:"id" format:"uuid"`
	Type       string       `json:"type" enums:"checkout,cancellation,refund"`
	CartID     *uuid.UUID   `json:"cart_id" format:"uuid" extensions:"x-nullable"` // of a checkout
	OrderID    uuid.UUID    `json:"order_id" format:"uuid"`
	PaymentID  *uuid.UUID   `json:"payment_id" format:"uuid" extensions:"x-nullable"` // null when there is nothing to pay
	CustomerID string       `json:"customer_id"`
	Status     Status       `json:"status" enums:"running,requires_action,compensating,completed,failed,cancelled,needs_attention"`
	Total      money.Amount `json:"total"` // of the checkout or the order; the amount of a refund
	Failure    *FailureView `json:"failure" extensions:"x-nullable"`
	NextAction *ActionView  `json:"next_action" extensions:"x-nullable"`
	Steps      []StepView   `json:"steps"`
	CreatedAt  time.Time    `json:"created_at"`
	UpdatedAt  time.Time    `json:"updated_at"`
	Version    int64        `json:"version"`
	WakeAt     *time.Time   `json:"wake_at" extensions:"x-nullable"`              // when a process checks it next
	Actions    []Action     `json:"actions" enums:"retry,compensate,skip,settle"` // the allowed actions
	Events     []EventView  `json:"events,omitempty"`                             // not in lists
}

// EventView is an event of a log.
type EventView struct {
	Position    int64           `json:"position"`
	Stream      uuid.UUID       `json:"stream" format:"uuid"`
	Version     int64           `json:"version"`
	Type        string          `json:"type" example:"saga.step_done"`
	Data        json.RawMessage `json:"data" swaggertype:"object"`
	EventID     uuid.UUID       `json:"event_id" format:"uuid"`
	Correlation uuid.UUID       `json:"correlation" format:"uuid"`
	Causation   uuid.UUID       `json:"causation" format:"uuid"`
	Actor       string          `json:"actor"`
	OccurredAt  time.Time       `json:"occurred_at"`
}

func operatorsViewOf(saga eventstore.Stream[State]) View {
	s, of := saga.State, viewOf(saga)
	v := View{
		ID: saga.ID, Type: s.Type, OrderID: of.OrderID, PaymentID: of.PaymentID, CustomerID: s.CustomerID, Status: s.Status,
		Total: of.Total, Failure: of.Failure, NextAction: of.NextAction, Steps: of.Steps, CreatedAt: of.CreatedAt, UpdatedAt: of.UpdatedAt,
		Version: saga.Version, WakeAt: web.OptionalTime(wakeAt(s)), Actions: actionsOf(s),
	}
	switch r, c := s.Refund, s.Cancellation; {
	case r != nil:
		v.OrderID, v.PaymentID, v.Total = r.OrderID, &r.PaymentID, r.money()
	case c != nil:
		v.OrderID, v.Total = c.OrderID, money.Of(c.Total, c.Currency)
		if c.Total > 0 {
			v.PaymentID = &c.PaymentID
		}
	default:
		v.CartID = &of.CartID
	}
	return v
}

// PageBytes estimates the size of the event on a page.
func (v EventView) PageBytes() int { return len(v.Data) }

// EventViewOf converts an event of any module.
func EventViewOf(e eventstore.Recorded) EventView {
	return EventView{
		Position: e.Position, Stream: e.Stream, Version: e.Version, Type: e.Type, Data: e.Data, EventID: e.Meta.EventID,
		Correlation: e.Meta.Correlation, Causation: e.Meta.Causation, Actor: e.Meta.Actor, OccurredAt: web.Time(e.At),
	}
}

// listSagas lists sagas.
//
//	@Summary		List sagas, newest first
//	@ID				listSagas
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate, orders:read]
//	@Param			status	query		string	false	"Status"			Enums(running,requires_action,compensating,completed,failed,cancelled,needs_attention)
//	@Param			type	query		string	false	"Type of saga"		Enums(checkout,cancellation,refund)
//	@Param			unfinished	query	bool	false	"Only those that have not ended"
//	@Param			customer	query	string	false	"Only those of this customer"
//	@Param			number	query		string	false	"Only those of the order with this number"
//	@Param			older_than	query	int		false	"Only those that began at least so many seconds ago"	minimum(0)
//	@Param			created_after	query	string	false	"Only those that began after this time"	format(date-time)
//	@Param			created_before	query	string	false	"Only those that began before this time"	format(date-time)
//	@Param			limit	query		int		false	"Maximum number"	minimum(1)	maximum(100)	default(20)
//	@Param			cursor	query		string	false	"next_cursor of the previous page"
//	@Success		200		{object}	web.Page[View]
//	@Failure		401,403	{object}	web.Problem
//	@Failure		422		{object}	web.Problem	"validation_failed, cursor_invalid"
//	@Router			/v1/admin/sagas [get]
func (m *Module) listSagas(c echo.Context) error {
	page, err := web.PageOf(c)
	if err != nil {
		return err
	}
	query, err := searchOf(c)
	if err != nil {
		return err
	}
	found, err := m.search(c.Request().Context(), query, page)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, found)
}

func searchOf(c echo.Context) (s search, err error) {
	s = search{
		status: Status(c.QueryParam("status")), kind: c.QueryParam("type"),
		customer: web.FilterOf(c, "customer"), number: web.FilterOf(c, "number"),
	}
	if s.created, err = web.CreatedOf(c); err != nil {
		return s, err
	}
	if !known(s.status) {
		return s, web.Refused("status", "unknown_status", "There is no such status.")
	}
	if s.kind != "" && !slices.Contains(Types(), s.kind) {
		return s, web.Refused("type", "unknown_type", "There is no such type of saga.")
	}
	if text := c.QueryParam("unfinished"); text != "" {
		if s.unfinished, err = strconv.ParseBool(text); err != nil {
			return s, web.Refused("unfinished", "oneof", "It must be true or false.")
		}
	}
	if text := c.QueryParam("older_than"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return s, web.Refused("older_than", "range", "It must be a whole number of seconds from 0.")
		}
		s.olderThan = time.Duration(seconds) * time.Second
	}
	return s, nil
}

func known(s Status) bool {
	switch s {
	case "", Running, RequiresAction, Compensating, NeedsAttention, Completed, Failed, Cancelled:
		return true
	}
	return false
}

// showSaga shows a saga with its events.
//
//	@Summary		Read a saga with every step and attempt
//	@ID				getSaga
//	@Tags			operators
//	@Security		BearerAuth[sagas:operate, orders:read]
//	@Param			id		path		string	true	"Saga"	format(uuid)
//	@Success		200		{object}	View
//	@Failure		401,403	{object}	web.Problem
//	@Failure		404		{object}	web.Problem	"not_found"
//	@Router			/v1/admin/sagas/{id} [get]
func (m *Module) showSaga(c echo.Context) error {
	ctx := c.Request().Context()
	id, err := web.ID(c, "id")
	if err != nil {
		return err
	}
	saga, err := m.load(ctx, id)
	if err != nil {
		return err
	}
	const all = 1000
	events, err := m.store.ReadStream(ctx, saga.ID, 0, all)
	if err != nil {
		return err
	}
	if err := m.store.RevealEvents(ctx, events); err != nil {
		return err
	}
	view := operatorsViewOf(m.withProgress(ctx, saga))
	for _, e := range events {
		view.Events = append(view.Events, EventViewOf(e))
	}
	return c.JSON(http.StatusOK, view)
}
