package console

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"time"

	"shopping-cart/platform/money"
)

// saga is a saga of GET /v1/admin/sagas/{id}.
type saga struct {
	ID         string       `json:"id"`
	Type       string       `json:"type"`
	CartID     *string      `json:"cart_id"`
	OrderID    string       `json:"order_id"`
	PaymentID  *string      `json:"payment_id"`
	CustomerID string       `json:"customer_id"`
	Status     string       `json:"status"`
	Total      money.Amount `json:"total"`
	Failure    *struct {
		Code   string `json:"code"`
		Detail string `json:"detail"`
	} `json:"failure"`
	NextAction *struct {
		Type string `json:"type"`
		URL  string `json:"url"`
	} `json:"next_action"`
	Steps     []step     `json:"steps"`
	CreatedAt time.Time  `json:"created_at"`
	UpdatedAt time.Time  `json:"updated_at"`
	Version   int64      `json:"version"`
	WakeAt    *time.Time `json:"wake_at"`
	Actions   []string   `json:"actions"`
	Events    []event    `json:"events"`
}

type step struct {
	Name       string     `json:"name"`
	Status     string     `json:"status"`
	Attempts   int        `json:"attempts"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Error      *string    `json:"error"`
}

// event is an event of the log.
type event struct {
	Position    int64           `json:"position"`
	Stream      string          `json:"stream"`
	Version     int64           `json:"version"`
	Type        string          `json:"type"`
	Data        json.RawMessage `json:"data"`
	State       json.RawMessage `json:"state"`
	EventID     string          `json:"event_id"`
	Correlation string          `json:"correlation"`
	Causation   string          `json:"causation"`
	Actor       string          `json:"actor"`
	OccurredAt  time.Time       `json:"occurred_at"`
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
	Sagas    []saga
	Filter   url.Values
	Filtered bool
	Statuses []string
	Types    []string
	Ages     []choice
	More     string // the next page
	Refused  string
}

// choice is an option of a form.
type choice struct{ Value, Label string }

var (
	statuses = []string{"unfinished", "needs_attention", "requires_action", "running", "compensating", "completed", "failed", "cancelled"}
	types    = []string{"checkout", "cancellation", "refund"}
	ages     = []choice{{"60", "1 minute"}, {"300", "5 minutes"}, {"3600", "1 hour"}, {"86400", "1 day"}, {"604800", "1 week"}}
)

func (c *Console) listSagas(v *visit) error {
	p := sagasPage{Statuses: statuses, Types: types, Ages: ages, Filter: given(v.query, "status", "type", "older_than", "customer", "number")}
	p.Filtered = len(p.Filter) > 0
	asked := maps.Clone(v.query)
	if number, ok := orderNumber(asked.Get("number")); ok {
		asked.Set("number", number)
	}
	if asked.Get("status") == "unfinished" {
		asked.Del("status")
		asked.Set("unfinished", "true")
	}
	asked.Set("limit", "25")
	found, err := getOptional[page[saga]](v, "/v1/admin/sagas", asked)
	if err != nil {
		refused := problemOf(err)
		if refused.Status != 422 {
			return err
		}
		p.Refused = refused.Sentence()
	}
	p.Sagas = found.Data
	if found.NextCursor != nil {
		next := maps.Clone(p.Filter)
		next.Set("cursor", *found.NextCursor)
		p.More = Path + "/sagas?" + next.Encode()
	}
	return v.shows("sagas", "sagas", "Sagas", p)
}
