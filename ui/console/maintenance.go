package console

import (
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/client"
)

// parked is a parked message.
type parked struct {
	ID, Module, Reader, Stream, Type, Error string
	Version                                 int64
	Attempts, Behind                        int

	ParkedAt time.Time `json:"parked_at"`
	NextAt   time.Time `json:"next_at"`
}

// listPage is a page of a list and its filters.
type listPage[T any] struct {
	Items  []T
	Filter url.Values
	More   string
}

// list reads a page of a list. The next page has the same filters in its address.
func list[T any](v *visit, api string, query url.Values, here string) (p listPage[T], err error) {
	p.Filter = maps.Clone(v.query)
	p.Filter.Del("cursor")
	query.Set("limit", "25")
	found, err := getOptional[page[T]](v, api, query)
	v.addUnavailable(found.Unavailable)
	if err == nil && found.NextCursor != nil {
		next := maps.Clone(p.Filter)
		next.Set("cursor", *found.NextCursor)
		p.More = here + "?" + next.Encode()
	}
	p.Items = found.Data
	return p, err
}

func (c *Console) listParked(v *visit) error {
	p, err := list[parked](v, "/v1/admin/parked", maps.Clone(v.query), Path+"/parked")
	if err != nil {
		return err
	}
	return v.show("parked", "parked", "Parked messages", p)
}

func (c *Console) actOnParked(v *visit) error {
	id := url.PathEscape(v.request.PathValue("id"))
	switch v.request.PathValue("action") {
	case "replay":
		return v.submit("/v1/admin/parked/"+id+"/replay", nil,
			"Requested. The message is retried now and leaves this list once it succeeds.", Path+"/parked")
	case "discard":
		body := map[string]string{"reason": v.request.PostFormValue("reason")}
		return v.submit("/v1/admin/parked/"+id+"/discard", body, "Discarded. The messages behind it continue.", Path+"/parked")
	}
	return errNoPage
}

// webhook is a received webhook.
type webhook struct {
	ID, Provider, Type, Reference, Status, Body string

	Note       *string
	Attempts   int
	ReceivedAt time.Time  `json:"received_at"`
	HandledAt  *time.Time `json:"handled_at"`
}

// Pretty returns the body, indented if it is JSON.
func (w webhook) Pretty() string { return indentJSON([]byte(w.Body)) }

// Payment returns the path of the payment's stream, or "" if the reference is not ours.
func (w webhook) Payment() string {
	if id, err := uuid.Parse(w.Reference); err == nil {
		return Path + "/streams/payment/" + id.String()
	}
	return ""
}

func (c *Console) listWebhooks(v *visit) error {
	p, err := list[webhook](v, "/v1/admin/webhooks", maps.Clone(v.query), Path+"/webhooks")
	if err != nil {
		return err
	}
	return v.show("webhooks", "webhooks", "Webhooks received", p)
}

func (c *Console) showWebhook(v *visit) error {
	one, err := get[webhook](v, "/v1/admin/webhooks/"+url.PathEscape(v.request.PathValue("id")), nil)
	if err != nil {
		return err
	}
	return v.show("webhook", "webhooks", "Webhook "+one.Type, one)
}

func (c *Console) replayWebhook(v *visit) error {
	id := url.PathEscape(v.request.PathValue("id"))
	return v.submit("/v1/admin/webhooks/"+id+"/replay", nil, "Requested. The provider is asked for the state of the payment.", Path+"/webhooks/"+id)
}

// subscription is the progress of a projection, a rebuild, a reaction or the seals of a log.
type subscription struct {
	Module, Name, Kind  string
	Position, Head, Lag int64

	OldestAgeSeconds float64 `json:"oldest_age_seconds"`
	Parked           int
}

// Percent returns how much of the log it has read.
func (s subscription) Percent() int64 { return min(100, s.Position*100/max(1, s.Head)) }

func (c *Console) listProjections(v *visit) error {
	found, err := getOptional[page[subscription]](v, "/v1/admin/subscriptions", nil)
	if err != nil {
		return err
	}
	v.addUnavailable(found.Unavailable)
	return v.show("projections", "projections", "Projections and reactions", found.Data)
}

func (c *Console) rebuild(v *visit) error {
	name := v.request.PathValue("name")
	return v.submit("/v1/admin/projections/"+url.PathEscape(name)+"/rebuild", nil,
		"Requested. "+name+" is rebuilt beside the live one and replaces it once it has caught up.", Path+"/readers")
}

// reconciliation is the result of checking all data.
type reconciliation struct {
	Data    []finding
	Checked struct {
		Streams, Receipts, Checkouts, Balances, Stocks int

		LeftOut int `json:"left_out"`
	}
	NextCursor *string `json:"next_cursor"`
}

// reconciliationPage is such a result, or the offer to check.
type reconciliationPage struct {
	Checks bool
	Healed bool
	Cursor string // start of this part
	Next   string // start of the next part
	Why    string // the reason why there is no result
	reconciliation
}

// reconcile offers to check all data. It checks on request, and repairs the findings on POST.
func (c *Console) reconcile(v *visit) error {
	heals := v.request.Method == http.MethodPost
	p := reconciliationPage{Checks: heals || v.query.Has("look"), Healed: heals, Cursor: strings.TrimSpace(v.request.FormValue("cursor"))}
	if !p.Checks {
		return v.show("reconciliation", "reconciliation", "Reconciliation", p)
	}
	path := "/v1/admin/reconciliation"
	if p.Cursor != "" {
		path += "?" + url.Values{"cursor": {p.Cursor}}.Encode()
	}
	method := http.MethodGet
	if heals {
		method = http.MethodPost
	}
	var err error
	p.reconciliation, _, err = client.Ask[reconciliation](v.request.Context(), c.api, client.Call{Method: method, Path: path, Token: v.token})
	switch {
	case statusOf(err) == http.StatusServiceUnavailable: // a provider may be unavailable
		v.noteUnavailable(err)
		p.Why = "All sources are needed to check the invariants. " + problemOf(err).Sentence()
	case err != nil:
		return err
	}
	if p.NextCursor != nil {
		p.Next = *p.NextCursor
	}
	return v.show("reconciliation", "reconciliation", "Reconciliation", p)
}

// finding is a violated invariant.
type finding struct {
	Check, Detail, Remedy string

	Done     string // the repair
	Streams  []struct{ Module, ID string }
	Healable bool
	Healed   *bool
}

// IsHealed reports whether it was repaired just now.
func (f finding) IsHealed() bool { return f.Healed != nil && *f.Healed }
