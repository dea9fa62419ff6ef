// Package client is the Go client of the API, for the program's own tools. It repeats a request after a lost connection or an
// overloaded server, under the same Idempotency-Key, and finds out whether a server is ready.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

// Client sends requests to a server. It repeats a request unchanged after a lost connection or a temporary refusal, under the
// same Idempotency-Key, so that the request takes effect once.
type Client struct {
	http     *http.Client
	Base     string
	Patience time.Duration // time limit of one request with its repetitions
	Silent   bool
	waits    sync.Once
}

const (
	patience     = 2 * time.Minute // covers a restart of the server or its database
	ShortestWait = 50 * time.Millisecond
	longestWait  = 2 * time.Second
	answerWithin = 60 * time.Second // longer than Prefer: wait may hold an answer
)

func New(base string, connections int) *Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = connections, connections
	return &Client{http: &http.Client{Transport: transport, Timeout: answerWithin}, Base: base, Patience: patience}
}

// Call is a request. A write has a key.
type Call struct {
	Method, Path, Token, Key string
	IfMatch                  string
	Wait                     bool // Prefer: wait
	Body                     any
}

type answer struct {
	ETag   string
	status int
	body   []byte
}

// Refusal is a refusal by the server.
type Refusal struct {
	Status     int    `json:"status"`
	Code       string `json:"code"`
	Detail     string `json:"detail"`
	CheckoutID string `json:"checkout_id"`
	retryAfter time.Duration
}

func (r *Refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail) }

// passing reports whether the same request may succeed later. A refusal that names a checkout is final.
func (r *Refusal) passing() bool {
	busy := []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	return slices.Contains(busy, r.Status) && r.CheckoutID == ""
}

// complain explains, once, why nothing seems to happen.
func (c *Client) complain(err error) {
	if !c.Silent {
		fmt.Fprintf(os.Stderr, "a request to %s failed and is retried for up to %s: %v\n", Redacted(c.Base), c.Patience, err)
	}
}

// Do sends a request until it gets a final answer. A refusal is a *Refusal.
func (c *Client) Do(ctx context.Context, call Call) (answer, error) {
	var body []byte
	if call.Body != nil {
		var err error
		if body, err = json.Marshal(call.Body); err != nil {
			return answer{}, err
		}
	}
	until := time.Now().Add(c.Patience)
	for wait := ShortestWait; ; wait = min(2*wait, longestWait) {
		got, err := c.once(ctx, call, body)
		var no *Refusal
		refused := errors.As(err, &no)
		if err == nil || refused && !no.passing() {
			return got, err
		}
		c.waits.Do(func() { c.complain(err) })
		pause := wait/2 + rand.N(wait/2)
		if refused {
			pause = max(pause, no.retryAfter)
		}
		if time.Now().Add(pause).After(until) {
			return answer{}, fmt.Errorf("%s %s: tried for %s: %w", call.Method, call.Path, c.Patience, err)
		}
		if err := Sleep(ctx, pause); err != nil {
			return answer{}, err
		}
	}
}

func Sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}

// once makes one attempt.
func (c *Client) once(ctx context.Context, call Call, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, call.Method, c.Base+call.Path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Idempotency-Key": call.Key, "If-Match": call.IfMatch,
	} {
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
		return answer{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return answer{}, refusalOf(response, text)
	}
	return answer{ETag: response.Header.Get("ETag"), status: response.StatusCode, body: text}, nil
}

func refusalOf(response *http.Response, text []byte) *Refusal {
	no := &Refusal{}
	_ = json.Unmarshal(text, no) // a proxy may answer with anything: the status is enough
	no.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		no.retryAfter = time.Duration(seconds) * time.Second
	}
	return no
}

// Ask calls Do and decodes the answer.
func Ask[T any](ctx context.Context, c *Client, call Call) (T, answer, error) {
	var into T
	got, err := c.Do(ctx, call)
	if err == nil {
		if err = json.Unmarshal(got.body, &into); err != nil {
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

// Parallel calls do with every index below n, at most many at a time, and stops at the first error.
func Parallel(ctx context.Context, many, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	next, mu := 0, sync.Mutex{}
	take := func() int {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1
	}
	for range min(many, n) {
		g.Go(func() error {
			for i := take(); i < n; i = take() {
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}
