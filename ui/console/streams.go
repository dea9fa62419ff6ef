package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"shopping-cart/platform/money"
)

// modules lists the modules that have streams.
var modules = []string{"cart", "order", "payment", "saga"}

// stream is a stream of GET /v1/admin/streams/{module}/{id}.
type stream struct {
	Module, ID, Kind string

	Version     int64
	CustomerID  *string `json:"customer_id"`
	Status, Key *string
	Data        []event
	NextCursor  *string `json:"next_cursor"`
}

// searchPage is the search for a stream.
type searchPage struct {
	Query   string
	Found   []stream
	Latest  []order // without a query
	Orders  []order // with the e-mail address of the query
	Nothing bool
	Refused string
}

var digits = regexp.MustCompile(`^[0-9]+$`)

// orderNumber returns the digits of an order number in any form, such as "#9604 9682 3573". ok is false for any other text.
func orderNumber(text string) (number string, ok bool) {
	number = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '#' {
			return -1
		}
		return r
	}, text)
	return number, digits.MatchString(number)
}

// findStream finds streams by id, and orders by number or e-mail address. It shows a single result at once.
func (c *Console) findStream(v *visit) error {
	p := searchPage{Query: v.query.Get("q")}
	id, notID := uuid.Parse(p.Query)
	number, isNumber := orderNumber(p.Query)
	switch {
	case p.Query == "":
		latest, err := getOptional[page[order]](v, "/v1/admin/orders", url.Values{"limit": {"10"}})
		if err != nil {
			return err
		}
		p.Latest = latest.Data
	case notID == nil:
		for _, module := range modules {
			if v.isUnavailable(module) {
				v.addUnavailable([]string{module})
				continue
			}
			found, err := get[stream](v, "/v1/admin/streams/"+module+"/"+id.String(), url.Values{"limit": {"1"}})
			if err == nil {
				p.Found = append(p.Found, found)
			} else if problemOf(err).Status != http.StatusNotFound && !v.noteUnavailable(err) {
				return err
			}
		}
	case isNumber:
		return c.findOrders(v, p, "number", number)
	case strings.Contains(p.Query, "@"):
		return c.findOrders(v, p, "email", p.Query)
	default:
		p.Refused = "Search for an id, an order number, or the e-mail address of a customer. Names are not indexed, so they cannot be found."
	}
	if len(p.Found) == 1 {
		v.redirect(Path + "/streams/" + p.Found[0].Module + "/" + p.Found[0].ID)
		return nil
	}
	p.Nothing = p.Query != "" && p.Refused == "" && len(p.Found) == 0 && !v.partial
	return v.show("search", "streams", "Streams", p)
}

// findOrders finds the orders with a number or an e-mail address. It shows a single one at once.
func (c *Console) findOrders(v *visit, p searchPage, by, text string) error {
	found, err := getOptional[page[order]](v, "/v1/admin/orders", url.Values{by: {text}, "limit": {"100"}})
	switch {
	case err != nil && problemOf(err).Status != http.StatusUnprocessableEntity:
		return err
	case err != nil:
		p.Refused = problemOf(err).Sentence()
	case len(found.Data) == 1:
		v.redirect(Path + "/orders/" + found.Data[0].ID)
		return nil
	}
	p.Orders, p.Nothing = found.Data, err == nil && len(found.Data) == 0 && !v.partial
	return v.show("search", "streams", "Streams", p)
}

// streamPage is a stream and the changes of each event.
type streamPage struct {
	stream
	Versions []version
	After    int64
	More     string
	Newest   string
}

// version is an event and its changes of the state.
type version struct {
	event
	Changes []change
	Known   bool // the state is known
}

// change is a member of the state that an event changed.
type change struct{ Path, Was, Is string }

func (c *Console) showStream(v *visit) error {
	module, id := v.request.PathValue("module"), v.request.PathValue("id")
	after, _ := strconv.ParseInt(v.query.Get("after"), 10, 64)
	query, before := url.Values{"limit": {"50"}}, json.RawMessage(nil)
	if after > 0 { // with the previous version, to compare the states
		query = url.Values{"limit": {"51"}, "after": {strconv.FormatInt(after-1, 10)}}
	}
	found, err := get[stream](v, "/v1/admin/streams/"+url.PathEscape(module)+"/"+url.PathEscape(id), query)
	if err != nil {
		return err
	}
	if after > 0 && len(found.Data) > 0 {
		before, found.Data = found.Data[0].State, found.Data[1:]
	}
	p := streamPage{stream: found, After: after}
	for _, e := range found.Data {
		p.Versions = append(p.Versions, version{e, changes(before, e.State), len(e.State) > 0 && string(e.State) != "null"})
		before = e.State
	}
	here := Path + "/streams/" + found.Module + "/" + found.ID
	if found.NextCursor != nil {
		p.More = here + "?after=" + *found.NextCursor
	}
	if last := found.Version - 50; p.More != "" && last > after {
		p.Newest = here + "?after=" + strconv.FormatInt(last, 10)
	}
	slices.Reverse(p.Versions)
	return v.show("stream", "streams", words(found.Kind)+" "+short(found.ID), p)
}

// changes returns the members in which two states differ, ordered by path.
func changes(before, after json.RawMessage) []change {
	was, is := map[string]string{}, map[string]string{}
	flatten(was, "", before)
	flatten(is, "", after)
	paths := maps.Clone(was)
	maps.Copy(paths, is)
	var all []change
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if was[path] != is[path] {
			all = append(all, change{path, was[path], is[path]})
		}
	}
	return all
}

// flatten stores every plain value of a JSON text under its path.
func flatten(into map[string]string, path string, raw json.RawMessage) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var value any
	if len(raw) == 0 || d.Decode(&value) != nil {
		return
	}
	walk(into, path, value)
}

func walk(into map[string]string, path string, value any) {
	switch value := value.(type) {
	case nil:
	case map[string]any:
		for name, member := range value {
			walk(into, strings.TrimPrefix(path+"."+name, "."), member)
		}
	case []any:
		for i, member := range value {
			walk(into, path+"["+strconv.Itoa(i)+"]", member)
		}
	default: // a json.Number, a string or a bool
		into[path] = fmt.Sprint(value)
	}
}

// order is an order of GET /v1/orders/{id}.
type order struct {
	ID, Number, Status string
	Total, Refunded    money.Amount

	CustomerID string    `json:"customer_id"`
	CheckoutID string    `json:"checkout_id"`
	PaymentID  *string   `json:"payment_id"`
	CreatedAt  time.Time `json:"created_at"`
}

// entry is an entry of an order's timeline.
type entry struct {
	Module, Type, Actor string

	At         time.Time
	FinishedAt *time.Time `json:"finished_at"`
	Step       *string
	Data       json.RawMessage
}

// timelinePage is the timeline of an order.
type timelinePage struct {
	order
	Entries []timed
	More    string
	Streams []choice
}

// timed is an entry with its time since the first one.
type timed struct {
	entry
	After time.Duration
	Took  time.Duration
}

func (c *Console) showTimeline(v *visit) error {
	id := url.PathEscape(v.request.PathValue("id"))
	o, err := get[order](v, "/v1/orders/"+id, nil)
	if err != nil {
		return err
	}
	query := maps.Clone(v.query)
	query.Set("limit", "100")
	found, err := getOptional[page[entry]](v, "/v1/orders/"+id+"/timeline", query)
	if err != nil {
		return err
	}
	v.addUnavailable(found.Unavailable)
	p := timelinePage{order: o, Streams: []choice{{Path + "/streams/order/" + o.ID, "Order"}, {Path + "/sagas/" + o.CheckoutID, "Checkout"}}}
	if o.PaymentID != nil {
		p.Streams = append(p.Streams, choice{Path + "/streams/payment/" + *o.PaymentID, "Payment"})
	}
	for _, e := range found.Data {
		t := timed{entry: e, After: e.At.Sub(found.Data[0].At)}
		if e.FinishedAt != nil {
			t.Took = e.FinishedAt.Sub(e.At)
		}
		p.Entries = append(p.Entries, t)
	}
	if found.NextCursor != nil {
		p.More = Path + "/orders/" + id + "?" + url.Values{"cursor": {*found.NextCursor}}.Encode()
	}
	return v.show("timeline", "streams", "Order "+o.Number, p)
}
