// Package client is the Go client of the API that the console and the tools of this program use. It repeats a request after a lost
// connection or a temporary refusal, under the same Idempotency-Key, and finds out whether a server is ready.
package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Client sends requests to a server.
type Client struct {
	http     *http.Client
	Base     string        // URL of the server, without a trailing slash
	Patience time.Duration // time limit of a request with its repetitions; 0: one attempt
	Silent   bool          // print no notice when a request is repeated
	notice   sync.Once
}

const (
	patience     = 2 * time.Minute // covers a restart of the server or its database
	ShortestWait = 50 * time.Millisecond
	longestWait  = 2 * time.Second
	answerWithin = 60 * time.Second // longer than Prefer: wait may hold an answer
)

// New returns a client of the server at base that keeps this many idle connections.
func New(base string, connections int) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = connections, connections
	return &Client{http: &http.Client{Transport: transport, Timeout: answerWithin}, Base: base, Patience: patience}
}

// InProcess returns a client of a handler in this program. It makes one attempt.
func InProcess(handler http.Handler) *Client {
	return &Client{http: &http.Client{Transport: inProcess{handler}}, Silent: true}
}

// Call is a request.
type Call struct {
	Base                string // instead of the client's; "": that one
	Method, Path, Token string
	Key                 string      // Idempotency-Key, for a write
	IfMatch             string      // ETag
	Wait                bool        // Prefer: wait
	Header              http.Header // further headers
	Body                any         // encoded as JSON, bytes unchanged; nil: none
}

// Response is the response to a request.
type Response struct {
	ETag   string
	Header http.Header
	Status int
	Body   []byte
}

// Refusal is an error response of the API (RFC 9457).
type Refusal struct {
	Status      int    `json:"status"`
	Code        string `json:"code"`
	Title       string `json:"title"`
	Detail      string `json:"detail"`
	RequestID   string `json:"request_id"`
	CheckoutID  string `json:"checkout_id"`
	Errors      []FieldError
	Unavailable []string `json:"unavailable"` // modules whose database does not answer
	retryAfter  time.Duration
}

// FieldError is an invalid field of a request.
type FieldError struct{ Field, Detail string }

// Error returns the status, the code and the detail.
func (r *Refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail) }

// Sentence returns the detail and the invalid fields.
func (r *Refusal) Sentence() string {
	text := r.Detail
	for _, e := range r.Errors {
		text += " " + e.Field + ": " + e.Detail
	}
	return text
}

// temporary reports whether the same request may succeed later. A refusal that names a checkout is final.
func (r *Refusal) temporary() bool {
	busy := []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	return slices.Contains(busy, r.Status) && r.CheckoutID == ""
}

// Do sends a request until it gets a final response. It returns an error response as a *Refusal.
func (c *Client) Do(ctx context.Context, call Call) (Response, error) {
	body, err := encode(call.Body)
	if err != nil {
		return Response{}, err
	}
	call.Body = body
	until := time.Now().Add(c.Patience)
	for wait := ShortestWait; ; wait = min(2*wait, longestWait) {
		got, err := c.Attempt(ctx, call)
		if err == nil && got.Status >= http.StatusBadRequest {
			got, err = Response{}, refusalOf(got)
		}
		var no *Refusal
		refused := errors.As(err, &no)
		if err == nil || refused && !no.temporary() {
			return got, err
		}
		if !c.Silent {
			c.notice.Do(func() {
				fmt.Fprintf(os.Stderr, "a request to %s failed and is retried for up to %s: %v\n", Redacted(c.Base), c.Patience, err)
			})
		}
		pause := wait/2 + rand.N(wait/2)
		if refused {
			pause += no.retryAfter // so that those who were refused together do not return together
		}
		if time.Now().Add(pause).After(until) {
			return Response{}, fmt.Errorf("%s %s: tried for %s: %w", call.Method, call.Path, c.Patience, err)
		}
		if err := Sleep(ctx, pause); err != nil {
			return Response{}, err
		}
	}
}

// Sleep pauses, or returns the error of ctx if that ends first.
func Sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}

// encode returns a body as JSON, and bytes unchanged.
func encode(body any) ([]byte, error) {
	switch body := body.(type) {
	case nil:
		return nil, nil
	case []byte:
		return body, nil
	}
	return json.Marshal(body)
}

// Attempt sends a request once, and returns the response, also an error response.
func (c *Client) Attempt(ctx context.Context, call Call) (Response, error) {
	body, err := encode(call.Body)
	if err != nil {
		return Response{}, err
	}
	request, err := http.NewRequestWithContext(ctx, call.Method, cmp.Or(call.Base, c.Base)+call.Path, bytes.NewReader(body))
	if err != nil {
		return Response{}, err
	}
	maps.Copy(request.Header, call.Header)
	if len(body) > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, value := range map[string]string{"Idempotency-Key": call.Key, "If-Match": call.IfMatch} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if call.Token != "" {
		request.Header.Set("Authorization", "Bearer "+call.Token)
	}
	if call.Wait {
		request.Header.Set("Prefer", "wait=30")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return Response{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return Response{}, err
	}
	return Response{ETag: response.Header.Get("ETag"), Header: response.Header, Status: response.StatusCode, Body: text}, nil
}

// CloseIdle closes the connections that are not in use.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

func refusalOf(response Response) *Refusal {
	no := &Refusal{}
	_ = json.Unmarshal(response.Body, no) // a proxy may answer with anything: the status is enough
	no.Status = response.Status
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		no.retryAfter = time.Duration(seconds) * time.Second
	}
	return no
}

// Ask sends a request with Do and decodes the body of the response.
func Ask[T any](ctx context.Context, c *Client, call Call) (T, Response, error) {
	var into T
	got, err := c.Do(ctx, call)
	if err == nil {
		if err = json.Unmarshal(got.Body, &into); err != nil {
			err = fmt.Errorf("%s %s: %w", call.Method, call.Path, err)
		}
	}
	return into, got, err
}

// All reads all pages of a list.
func All[T any](ctx context.Context, c *Client, path string, query url.Values, token string) ([]T, error) {
	type page struct {
		Data []T
		Next *string `json:"next_cursor"`
	}
	var rows []T
	query.Set("limit", "100")
	for {
		got, _, err := Ask[page](ctx, c, Call{Method: http.MethodGet, Path: path + "?" + query.Encode(), Token: token})
		if err != nil {
			return nil, err
		}
		rows = append(rows, got.Data...)
		if got.Next == nil {
			return rows, nil
		}
		query.Set("cursor", *got.Next)
	}
}

// Parallel calls do with every index below n, at most many at a time. It stops at the first error and returns it.
func Parallel(ctx context.Context, many, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(many)
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return do(ctx, i)
		})
	}
	return g.Wait()
}
