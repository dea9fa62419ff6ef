package stripetest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// failure is an error object.
type failure map[string]any

func ok(object any) answer { return answer{status: http.StatusOK, body: encoded(object)} }

func failed(status int, f failure) answer {
	return answer{status: status, body: encoded(map[string]any{"error": f})}
}

// refused answers a request that can never succeed.
func refused(f failure) answer {
	f["type"] = "invalid_request_error"
	return failed(http.StatusBadRequest, f)
}

func missing(param, id string) answer {
	return failed(http.StatusNotFound, failure{
		"type": "invalid_request_error", "code": "resource_missing", "param": param, "message": "No such object: '" + id + "'",
	})
}

func encoded(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types
	}
	return body
}

// get reads one object, or a page of a list.
func (s *Server) get(u *url.URL) answer {
	kind, id, one := strings.Cut(strings.TrimPrefix(u.Path, "/v1/"), "/")
	switch {
	case kind == "payment_intents" && one:
		if i := s.intent(id); i != nil {
			return ok(i)
		}
		return missing("intent", id)
	case kind == "payment_intents":
		return page(u, s.intents, func(i *intent) (string, bool) { return i.ID, isCreated(u.Query(), i.Created) })
	case kind == "refunds" && one:
		for _, r := range s.refunds {
			if r.ID == id {
				return ok(r)
			}
		}
		return missing("id", id)
	case kind == "refunds":
		return page(u, s.refunds, func(r *refund) (string, bool) { return r.ID, r.Intent == u.Query().Get("payment_intent") })
	case kind == "disputes":
		return page(u, s.disputes, func(d *dispute) (string, bool) { return d.ID, d.Intent == u.Query().Get("payment_intent") })
	}
	return missing("", u.Path)
}

func isCreated(q url.Values, at int64) bool {
	gte, _ := strconv.ParseInt(q.Get("created[gte]"), 10, 64)
	lt, err := strconv.ParseInt(q.Get("created[lt]"), 10, 64)
	return at >= gte && (err != nil || at < lt)
}

// page returns a page of the matching objects, newest first.
func page[T any](u *url.URL, all []T, fits func(T) (id string, ok bool)) answer {
	limit, err := strconv.Atoi(u.Query().Get("limit"))
	if err != nil {
		limit = 10
	}
	after, data, more := u.Query().Get("starting_after"), []T{}, false
	for _, one := range slices.Backward(all) {
		id, fits := fits(one)
		switch {
		case after != "":
			if id == after {
				after = ""
			}
		case fits && len(data) == limit:
			more = true
		case fits:
			data = append(data, one)
		}
	}
	return ok(map[string]any{"object": "list", "data": data, "has_more": more, "url": u.Path})
}
