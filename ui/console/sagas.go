package console

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"time"

	"shopping-cart/platform/money"
)

// saga is a saga of GET /v1/admin/sagas/{id}.
type saga struct {
	ID, Type, Status string

	CartID     *string `json:"cart_id"`
	OrderID    string  `json:"order_id"`
	PaymentID  *string `json:"payment_id"`
	CustomerID string  `json:"customer_id"`
	Total      money.Amount
	Failure    *struct{ Code, Detail string }
	NextAction *struct{ Type, URL string } `json:"next_action"`
	Steps      []step
	CreatedAt  time.Time `json:"created_at"`
	UpdatedAt  time.Time `json:"updated_at"`
	Version    int64
	WakeAt     *time.Time `json:"wake_at"`
	Actions    []string
	Events     []event
}

type step struct {
	Name, Status string

	Attempts   int
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Error      *string
}

// event is an event of the log.
type event struct {
	Position, Version                   int64
	Type, Correlation, Causation, Actor string

	Data, State json.RawMessage
	OccurredAt  time.Time `json:"occurred_at"`
}

// Ended reports whether the saga has ended.
func (s saga) Ended() bool {
	return s.Status == "completed" || s.Status == "failed" || s.Status == "cancelled"
}

// Took returns the duration of the saga, so far.
func (s saga) Took() time.Duration {
	if s.Ended() {
		return s.UpdatedAt.Sub(s.CreatedAt)
	}
	return time.Since(s.CreatedAt)
}

// Now returns the current step, or the failure of an ended saga.
func (s saga) Now() string {
	if s.Ended() {
		if s.Failure != nil {
			return words(s.Failure.Code)
		}
		return ""
	}
	for _, st := range slices.Backward(s.Steps) {
		if st.Status == "running" || st.Status == "retrying" || st.Status == "waiting" {
			return st.Name
		}
	}
	for _, st := range s.Steps {
		if st.Status == "pending" {
			return st.Name
		}
	}
	return ""
}

// sagasPage is the list of sagas and its filters.
type sagasPage struct {
	listPage[saga]
	Statuses, Types []string
	Ages            []choice
	Refused         string
}

// choice is an option of a form.
type choice struct{ Value, Label string }

var (
	statuses = []string{"unfinished", "needs_attention", "requires_action", "running", "compensating", "completed", "failed", "cancelled"}
	types    = []string{"checkout", "cancellation", "refund"}
	ages     = []choice{{"60", "1 minute"}, {"300", "5 minutes"}, {"3600", "1 hour"}, {"86400", "1 day"}, {"604800", "1 week"}}
)

func (c *Console) listSagas(v *visit) error {
	query := maps.Clone(v.query)
	if number, ok := orderNumber(query.Get("number")); ok {
		query.Set("number", number)
	}
	if query.Get("status") == "unfinished" {
		query.Del("status")
		query.Set("unfinished", "true")
	}
	found, err := list[saga](v, "/v1/admin/sagas", query, Path+"/sagas")
	p := sagasPage{listPage: found, Statuses: statuses, Types: types, Ages: ages}
	if err != nil {
		refused := problemOf(err)
		if refused.Status != http.StatusUnprocessableEntity {
			return err
		}
		p.Refused = refused.Sentence()
	}
	return v.show("sagas", "sagas", "Sagas", p)
}
