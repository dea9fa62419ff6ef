package console

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/money"
)

type amount = money.Amount

func (v *visit) redirect(to string) { redirect(v.writer, v.request, to, http.StatusSeeOther) }

// parked is a parked message.
type parked struct {
	ID       string    `json:"id"`
	Module   string    `json:"module"`
	Reader   string    `json:"reader"`
	Stream   string    `json:"stream"`
	Version  int64     `json:"version"`
	Type     string    `json:"type"`
	Attempts int       `json:"attempts"`
	Error    string    `json:"error"`
	Behind   int       `json:"behind"`
	ParkedAt time.Time `json:"parked_at"`
	NextAt   time.Time `json:"next_at"`
}

// listPage is a page of a list and its filters.
type listPage[T any] struct {
	Items  []T
	Filter url.Values
	More   string
}

// list reads a page of a list with the filters of the address.
func list[T any](v *visit, api, here string, filters ...string) (p listPage[T], err error) {
	p.Filter = given(v.query, filters...)
	asked := maps.Clone(v.query)
	asked.Set("limit", "25")
	found, err := getOptional[page[T]](v, api, asked)
	v.misses(found.Unavailable)
	if err == nil && found.NextCursor != nil {
		next := maps.Clone(p.Filter)
		next.Set("cursor", *found.NextCursor)
		p.More = here + "?" + next.Encode()
	}
	p.Items = found.Data
	return p, err
}

func (c *Console) listParked(v *visit) error {
	p, err := list[parked](v, "/v1/admin/parked", Path+"/parked", "module", "reader")
	if err != nil {
		return err
	}
	return v.shows("parked", "parked", "Parked messages", p)
}

func (c *Console) actOnParked(v *visit) error {
	id := url.PathEscape(v.request.PathValue("id"))
	switch v.request.PathValue("action") {
	case "replay":
		return v.acts("/v1/admin/parked/"+id+"/replay", nil,
			"Requested. The message is retried now and leaves this list once it succeeds.", Path+"/parked")
	case "discard":
		body := map[string]string{"reason": v.request.PostFormValue("reason")}
		return v.acts("/v1/admin/parked/"+id+"/discard", body, "Discarded. The messages behind it continue.", Path+"/parked")
	}
	return errNoPage
}

// webhook is a received webhook.
type webhook struct {
	ID         string     `json:"id"`
	Provider   string     `json:"provider"`
	Type       string     `json:"type"`
	Reference  string     `json:"reference"`
	Status     string     `json:"status"`
	Note       *string    `json:"note"`
	Attempts   int        `json:"attempts"`
	ReceivedAt time.Time  `json:"received_at"`
	HandledAt  *time.Time `json:"handled_at"`
	Body       string     `json:"body"`
}

// Pretty returns the body, indented if it is JSON.
func (w webhook) Pretty() string { return pretty([]byte(w.Body)) }

// Payment returns the path of the payment's stream, or "" when the reference is none of ours.
func (w webhook) Payment() string {
	if id, err := uuid.Parse(w.Reference); err == nil {
		return Path + "/streams/payment/" + id.String()
	}
	return ""
}

func (c *Console) listWebhooks(v *visit) error {
	p, err := list[webhook](v, "/v1/admin/webhooks", Path+"/webhooks", "provider", "reference")
	if err != nil {
		return err
	}
	return v.shows("webhooks", "webhooks", "Webhooks received", p)
}

func (c *Console) showWebhook(v *visit) error {
	one, err := get[webhook](v, "/v1/admin/webhooks/"+url.PathEscape(v.request.PathValue("id")), nil)
	if err != nil {
		return err
	}
	return v.shows("webhook", "webhooks", "Webhook "+one.Type, one)
}

func (c *Console) replayWebhook(v *visit) error {
	id := url.PathEscape(v.request.PathValue("id"))
	return v.acts("/v1/admin/webhooks/"+id+"/replay", nil, "Requested. The provider is asked for the state of the payment.", Path+"/webhooks/"+id)
}

// subscription is the progress of a projection, a rebuild or a reaction.
type subscription struct {
	Module           string     `json:"module"`
	Name             string     `json:"name"`
	Kind             string     `json:"kind"`
	Position         int64      `json:"position"`
	Head             int64      `json:"head"`
	Lag              int64      `json:"lag"`
	OldestAgeSeconds float64    `json:"oldest_age_seconds"`
	Parked           int        `json:"parked"`
	Generation       int        `json:"generation"`
	UpdatedAt        *time.Time `json:"updated_at"`
}

// Percent returns how much of the log it has read.
func (s subscription) Percent() int64 { return min(100, s.Position*100/max(1, s.Head)) }

func (c *Console) listReaders(v *visit) error {
	found, err := getOptional[page[subscription]](v, "/v1/admin/subscriptions", nil)
	if err != nil {
		return err
	}
	v.misses(found.Unavailable)
	return v.shows("readers", "readers", "Projections and reactions", found.Data)
}

func (c *Console) rebuild(v *visit) error {
	name := v.request.PathValue("name")
	return v.acts("/v1/admin/projections/"+url.PathEscape(name)+"/rebuild", nil,
		"Requested. "+name+" is rebuilt beside the live one and replaces it once it has caught up.", Path+"/readers")
}

// reconciliation is the result of checking all data.
type reconciliation struct {
	Data    []finding `json:"data"`
	Checked struct {
		Streams   int `json:"streams"`
		Receipts  int `json:"receipts"`
		Checkouts int `json:"checkouts"`
		Balances  int `json:"balances"`
		Stocks    int `json:"stocks"`
		LeftOut   int `json:"left_out"`
	} `json:"checked"`
	NextCursor *string `json:"next_cursor"`
}

// reconciliationPage is such a result, or the offer to check.
type reconciliationPage struct {
	Looked bool
	Healed bool
	Cursor string // start of this part
	Next   string // start of the next part
	Why    string // the reason why there is no result
	reconciliation
}

// reconcile offers to check all data. It checks on request, and repairs the findings on POST.
func (c *Console) reconcile(v *visit) error {
	heals := v.request.Method == http.MethodPost
	p := reconciliationPage{Looked: heals || v.query.Has("look"), Healed: heals, Cursor: strings.TrimSpace(v.request.FormValue("cursor"))}
	if !p.Looked {
		return v.shows("reconciliation", "reconciliation", "Reconciliation", p)
	}
	path := "/v1/admin/reconciliation"
	if p.Cursor != "" {
		path += "?" + url.Values{"cursor": {p.Cursor}}.Encode()
	}
	method := http.MethodGet
	if heals {
		method = http.MethodPost
	}
	err := c.api.send(v.request.Context(), v.token, method, path, nil, &p.reconciliation)
	switch {
	case statusOf(err) == http.StatusServiceUnavailable: // a provider may be unavailable
		v.lacks(err)
		p.Why = "All sources are needed to check the invariants. " + problemOf(err).Sentence()
	case err != nil:
		return err
	}
	if p.NextCursor != nil {
		p.Next = *p.NextCursor
	}
	return v.shows("reconciliation", "reconciliation", "Reconciliation", p)
}

// finding is a violated invariant.
type finding struct {
	ID      string `json:"id"`
	Check   string `json:"check"`
	Detail  string `json:"detail"`
	Remedy  string `json:"remedy"`
	Done    string `json:"done"` // the repair
	Streams []struct {
		Module string `json:"module"`
		ID     string `json:"id"`
	} `json:"streams"`
	Healable bool  `json:"healable"`
	Healed   *bool `json:"healed"`
}

// IsHealed reports whether it was repaired just now.
func (f finding) IsHealed() bool { return f.Healed != nil && *f.Healed }
