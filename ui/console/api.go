package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// client calls the API, in process.
type client struct{ handler http.Handler }

// problem is an error response of the API (RFC 9457).
type problem struct {
	Status    int    `json:"status"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
	Errors    []struct{ Field, Detail string }

	Unavailable []string `json:"unavailable"` // modules whose database does not answer
}

// Error returns the code and the sentence.
func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// Sentence returns the detail, with the invalid fields.
func (p *problem) Sentence() string {
	text := p.Detail
	for _, e := range p.Errors {
		text += " " + e.Field + ": " + e.Detail
	}
	return text
}

// answer records a response of the API.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header { return a.header }
func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}
func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// send calls the API with a token, and decodes the response into found, unless that is nil. It returns an error response as a
// *problem.
func (c client) send(ctx context.Context, token, method, path string, body, found any, headers ...string) error {
	var content bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&content).Encode(body); err != nil {
			return fmt.Errorf("encode the body of %s %s: %w", method, path, err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, path, &content) // #nosec G704 -- it goes to a handler of this program
	if err != nil {
		return fmt.Errorf("prepare %s %s: %w", method, path, err)
	}
	r.RequestURI = path
	r.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a := &answer{header: http.Header{}}
	c.handler.ServeHTTP(a, r)
	if a.status >= http.StatusBadRequest {
		p := &problem{Status: a.status}
		if err := json.Unmarshal(a.body.Bytes(), p); err != nil {
			return fmt.Errorf("read the error response of %s %s: %w", method, path, err)
		}
		return p
	}
	if found == nil || a.body.Len() == 0 {
		return nil
	}
	if err := json.Unmarshal(a.body.Bytes(), found); err != nil {
		return fmt.Errorf("read the response of %s %s: %w", method, path, err)
	}
	return nil
}

// page is a page of a list of the API.
type page[T any] struct {
	Data        []T      `json:"data"`
	NextCursor  *string  `json:"next_cursor"`
	Unavailable []string `json:"unavailable"` // modules whose entries are missing
}

// get reads a T from the API with the operator's token.
func get[T any](v *visit, path string, query url.Values) (found T, err error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	ctx, cancel := context.WithTimeout(v.request.Context(), v.readWithin())
	defer cancel()
	return found, v.console.api.send(ctx, v.token, http.MethodGet, path, nil, &found)
}

// given returns the members of query that have a value.
func given(query url.Values, names ...string) url.Values {
	out := url.Values{}
	for _, name := range names {
		if text := query.Get(name); text != "" {
			out.Set(name, text)
		}
	}
	return out
}
