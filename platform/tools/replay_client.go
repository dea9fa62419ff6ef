package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"
)

// client speaks to a server and does not give up at once: what the network lost, or the server could not take just now,
// is sent again as it was, under the same Idempotency-Key, so that it takes effect once.
type client struct {
	http     *http.Client
	base     string
	patience time.Duration // how long one request is tried
	silent   bool
	waits    sync.Once
}

const (
	patience     = 2 * time.Minute // covers a restart of the server or its database
	shortestWait = 50 * time.Millisecond
	longestWait  = 2 * time.Second
	answerWithin = 60 * time.Second // longer than Prefer: wait may hold an answer
)

func newClient(base string, connections int) *client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = connections, connections
	return &client{http: &http.Client{Transport: transport, Timeout: answerWithin}, base: base, patience: patience}
}

// call is a request. A write has a key.
type call struct {
	method, path, token, key string
	ifMatch                  string
	wait                     bool // Prefer: wait
	body                     any
}

type answer struct {
	etag   string
	status int
	body   []byte
}

// refusal is the server's no.
type refusal struct {
	Status     int    `json:"status"`
	Code       string `json:"code"`
	Detail     string `json:"detail"`
	CheckoutID string `json:"checkout_id"`
	retryAfter time.Duration
}

func (r *refusal) Error() string { return fmt.Sprintf("%d %s: %s", r.Status, r.Code, r.Detail) }

// passing says whether the same request may do better later. A refusal that names a checkout tells how that ended.
func (r *refusal) passing() bool {
	busy := []int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}
	return slices.Contains(busy, r.Status) && r.CheckoutID == ""
}

// complain says, once, why nothing seems to happen.
func (c *client) complain(err error) {
	if !c.silent {
		fmt.Fprintf(os.Stderr, "%s does not answer as it should, and is asked again for up to %s: %v\n", shown(c.base), c.patience, err)
	}
}

// do sends a request until it is answered for good. What the server refuses is a *refusal.
func (c *client) do(ctx context.Context, call call) (answer, error) {
	var body []byte
	if call.body != nil {
		var err error
		if body, err = json.Marshal(call.body); err != nil {
			return answer{}, err
		}
	}
	until := time.Now().Add(c.patience)
	for wait := shortestWait; ; wait = min(2*wait, longestWait) {
		got, err := c.once(ctx, call, body)
		var no *refusal
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
			return answer{}, fmt.Errorf("%s %s: tried for %s: %w", call.method, call.path, c.patience, err)
		}
		if err := sleep(ctx, pause); err != nil {
			return answer{}, err
		}
	}
}

func sleep(ctx context.Context, pause time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pause):
		return nil
	}
}

// once sends a request once.
func (c *client) once(ctx context.Context, call call, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, call.method, c.base+call.path, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, value := range map[string]string{
		"Content-Type": "application/json", "Idempotency-Key": call.key, "If-Match": call.ifMatch,
	} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	if call.token != "" {
		request.Header.Set("Authorization", "Bearer "+call.token)
	}
	if call.wait {
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
	return answer{etag: response.Header.Get("ETag"), status: response.StatusCode, body: text}, nil
}

func refusalOf(response *http.Response, text []byte) *refusal {
	no := &refusal{}
	_ = json.Unmarshal(text, no) // a proxy may answer with anything: the status says enough
	no.Status = response.StatusCode
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		no.retryAfter = time.Duration(seconds) * time.Second
	}
	return no
}

// ask is do with the answer decoded.
func ask[T any](ctx context.Context, c *client, call call) (T, answer, error) {
	var into T
	got, err := c.do(ctx, call)
	if err == nil {
		if err = json.Unmarshal(got.body, &into); err != nil {
			err = fmt.Errorf("%s %s: %w", call.method, call.path, err)
		}
	}
	return into, got, err
}
