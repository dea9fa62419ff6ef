package chaos

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
	"slices"
	"strconv"
	"strings"
	"time"

	"shopping-cart/platform/money"
)

// call is a request. A write has a key, under which it is repeated until it is answered.
type call struct {
	method, path, token, key string
	version                  int64         // If-Match, unless 0
	wait                     int           // Prefer: wait, in seconds
	header                   http.Header   // additional ones
	body                     any           // as JSON; []byte as it is
	hangUp                   time.Duration // the client disconnects after this time at first, then repeats; 0: never
}

type answer struct {
	status   int
	code     string // of a problem
	replayed bool
	body     []byte
}

// in decodes the answer as v. Unreadable fields stay zero, and a later comparison finds them.
func in[T any](a answer) (v T) {
	_ = json.Unmarshal(a.body, &v)
	return v
}

// checkout returns the checkout that a problem names.
func (a answer) checkout() string {
	return in[struct {
		CheckoutID string `json:"checkout_id"`
	}](a).CheckoutID
}

func (a answer) ok() bool { return a.status/100 == 2 }

// outcome returns the status of the answer, and the code of a problem.
func (a answer) outcome() string { return strings.TrimSpace(strconv.Itoa(a.status) + " " + a.code) }

const (
	patience     = 2 * time.Minute // without an answer
	answerWithin = 3 * time.Second // beyond the wait requested from the server: a frozen one answers nothing
)

func newHTTP(shoppers int) *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy, t.MaxIdleConns, t.MaxIdleConnsPerHost = nil, 0, 2*shoppers
	return &http.Client{Transport: t}
}

// retry sends a request to one replica after the other until one answers, and compares the answer with the promised ones, each
// a status with the code of a problem. ok reports a promised answer; the caller cannot continue otherwise.
func (s *shop) retry(ctx context.Context, c call, promised ...string) (_ answer, ok bool) {
	for until := time.Now().Add(patience); time.Now().Before(until); {
		a, err := s.attempt(ctx, c)
		c.hangUp = 0
		switch {
		case ctx.Err() != nil:
			return answer{}, false
		case err != nil:
			s.count("answers", "none: "+describeSilence(err))
			pause(ctx, 20*time.Millisecond+rand.N(80*time.Millisecond))
		case a.status == http.StatusServiceUnavailable && !slices.Contains(promised, a.outcome()):
			s.count("answers", a.outcome())
			pause(ctx, time.Second/2+rand.N(time.Second)) // Retry-After: 1
		case slices.Contains(promised, a.outcome()):
			s.count("answers", a.outcome())
			return a, true
		default:
			s.count("answers", a.outcome())
			s.addFinding("%s %s is answered %s, which the API does not promise: %s", c.method, c.path, a.outcome(), a.body)
			return a, false
		}
	}
	s.addFinding("%s %s: no answer for %s", c.method, c.path, patience)
	return answer{}, false
}

func describeSilence(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it took too long"
	}
	return "the connection broke"
}

// next returns the next replica, like a balancer. It skips a silent replica for a moment, unless all are silent.
func (s *shop) next() (r *replica, base string) {
	for n := range 2 * len(s.replicas) {
		r = s.replicas[int(s.turns.Add(1))%len(s.replicas)]
		if base = r.Base(); base != "" && (n >= len(s.replicas) || time.Now().UnixNano() > r.silentUntil.Load()) {
			return r, base
		}
	}
	return r, "http://127.0.0.1:1" // no server listens there
}

// leftAlone is the length of that moment.
const leftAlone = time.Second

// attempt makes one attempt. After an error the request may have taken effect, or still may.
func (s *shop) attempt(ctx context.Context, c call) (answer, error) {
	limit := answerWithin + time.Duration(c.wait)*time.Second
	if c.hangUp > 0 {
		limit = c.hangUp
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	replica, base := s.next()
	request, err := c.request(ctx, base)
	if err != nil {
		return answer{}, err
	}
	response, err := s.http.Do(request)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && c.hangUp == 0 {
			replica.silentUntil.Store(time.Now().Add(leftAlone).UnixNano())
		}
		return answer{}, err
	}
	defer response.Body.Close()
	a := answer{status: response.StatusCode, replayed: response.Header.Get("Idempotent-Replayed") == "true"}
	if a.body, err = io.ReadAll(response.Body); err != nil {
		return answer{}, err
	}
	if a.status >= http.StatusBadRequest {
		a.code = s.problem(c, response, a.body)
	}
	return a, nil
}

func (c call) request(ctx context.Context, base string) (*http.Request, error) {
	body, raw := c.body.([]byte)
	if !raw && c.body != nil {
		var err error
		if body, err = json.Marshal(c.body); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, c.method, base+c.path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.header != nil {
		r.Header = c.header.Clone()
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Idempotency-Key": url.PathEscape(c.key)} {
		if value != "" && (name != "Content-Type" || len(body) > 0) {
			r.Header.Set(name, value)
		}
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.version > 0 {
		r.Header.Set("If-Match", `"`+strconv.FormatInt(c.version, 10)+`"`)
	}
	if c.wait > 0 {
		r.Header.Set("Prefer", "wait="+strconv.Itoa(c.wait))
	}
	return r, nil
}

// problem returns the code of a refusal and requires that it is complete.
func (s *shop) problem(c call, r *http.Response, body []byte) string {
	p := in[struct {
		Status    int
		Code      string
		Detail    string
		RequestID string `json:"request_id"`
	}](answer{body: body})
	wants := r.StatusCode == http.StatusServiceUnavailable || r.StatusCode == http.StatusTooManyRequests
	if p.Status != r.StatusCode || p.Code == "" || p.Detail == "" || p.RequestID == "" ||
		r.Header.Get("Content-Type") != "application/problem+json" || wants && r.Header.Get("Retry-After") == "" {
		s.addFinding("%s %s: %s is not a documented problem: %v %s", c.method, c.path, r.Status, r.Header, body)
	}
	return p.Code
}

// all reads all pages of a list.
func all[T any](ctx context.Context, s *shop, path string, query url.Values) (rows []T, err error) {
	query.Set("limit", "100")
	for {
		a, ok := s.retry(ctx, call{method: http.MethodGet, path: path + "?" + query.Encode(), token: s.operator}, "200")
		if !ok {
			return nil, fmt.Errorf("read %s: %s", path, a.body)
		}
		page := in[struct {
			Data        []T
			Next        *string `json:"next_cursor"`
			Unavailable []string
		}](a)
		if len(page.Unavailable) > 0 { // the page lacks their data
			if !pause(ctx, 100*time.Millisecond) {
				return nil, ctx.Err()
			}
			continue
		}
		if rows = append(rows, page.Data...); page.Next == nil {
			return rows, nil
		}
		query.Set("cursor", *page.Next)
	}
}

// The fields of the API that a run reads.
type (
	cartView struct {
		ID, Status string
		Version    int64
		Total      money.Amount
		Items      []itemView
		// Adjustments are those that takesOff set.
		Adjustments []struct{ Amount money.Amount }
	}
	itemView struct {
		SKU       string
		Quantity  int64
		LineTotal money.Amount `json:"line_total"`
	}
	checkoutView struct {
		ID, Status string
		OrderID    string  `json:"order_id"`
		PaymentID  *string `json:"payment_id"`
		Total      money.Amount
		Failure    *struct{ Code string }
	}
	orderView struct {
		ID, Status string
		CheckoutID string  `json:"checkout_id"`
		PaymentID  *string `json:"payment_id"`
		Total      money.Amount
		Refunded   money.Amount
		Items      []itemView
	}
	stockView struct {
		OnHand              int64 `json:"on_hand"`
		Reserved, Available int64
	}
	refundView struct {
		ID, Status string
		Amount     money.Amount
	}
)

func (v checkoutView) ended() bool {
	return v.Status == "completed" || v.Status == "failed" || v.Status == "cancelled"
}

// end returns the status and its reason.
func (v checkoutView) end() string {
	if v.Failure != nil && v.Status == "failed" {
		return v.Status + " " + v.Failure.Code
	}
	return v.Status
}
