package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"shopping-cart/client"
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
	client.Response
	code string // of a problem
}

// in decodes the answer as v. Unreadable fields stay zero, and a later comparison finds them.
func in[T any](a answer) (v T) {
	_ = json.Unmarshal(a.Body, &v)
	return v
}

// checkout returns the checkout that a problem names.
func (a answer) checkout() string {
	return in[struct {
		CheckoutID string `json:"checkout_id"`
	}](a).CheckoutID
}

func (a answer) ok() bool { return a.Status/100 == 2 }

func (a answer) replayed() bool { return a.Header.Get("Idempotent-Replayed") == "true" }

// outcome returns the status of the answer, and the code of a problem.
func (a answer) outcome() string { return strings.TrimSpace(strconv.Itoa(a.Status) + " " + a.code) }

const (
	patience     = 2 * time.Minute // without an answer
	answerWithin = 3 * time.Second // beyond the wait requested from the server: a frozen one answers nothing
)

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
		case a.Status == http.StatusServiceUnavailable && !slices.Contains(promised, a.outcome()):
			s.count("answers", a.outcome())
			pause(ctx, time.Second/2+rand.N(time.Second)) // Retry-After: 1
		case slices.Contains(promised, a.outcome()):
			s.count("answers", a.outcome())
			return a, true
		default:
			s.count("answers", a.outcome())
			s.addFinding("%s %s is answered %s, which the API does not promise: %s", c.method, c.path, a.outcome(), a.Body)
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
	response, err := s.client.Attempt(ctx, c.at(base))
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && c.hangUp == 0 {
			replica.silentUntil.Store(time.Now().Add(leftAlone).UnixNano())
		}
		return answer{}, err
	}
	a := answer{Response: response}
	if a.Status >= http.StatusBadRequest {
		a.code = s.problem(c, a)
	}
	return a, nil
}

// at returns the request to a replica.
func (c call) at(base string) client.Call {
	r := client.Call{Base: base, Method: c.method, Path: c.path, Token: c.token, Key: url.PathEscape(c.key), Header: c.header, Body: c.body}
	if c.version > 0 {
		r.IfMatch = `"` + strconv.FormatInt(c.version, 10) + `"`
	}
	if c.wait > 0 {
		r.Header = http.Header{"Prefer": {"wait=" + strconv.Itoa(c.wait)}}
	}
	return r
}

// problem returns the code of a refusal and requires that it is complete.
func (s *shop) problem(c call, a answer) string {
	p := in[struct {
		Status    int
		Code      string
		Detail    string
		RequestID string `json:"request_id"`
	}](a)
	wants := a.Status == http.StatusServiceUnavailable || a.Status == http.StatusTooManyRequests
	if p.Status != a.Status || p.Code == "" || p.Detail == "" || p.RequestID == "" ||
		a.Header.Get("Content-Type") != "application/problem+json" || wants && a.Header.Get("Retry-After") == "" {
		s.addFinding("%s %s: %d is not a documented problem: %v %s", c.method, c.path, a.Status, a.Header, a.Body)
	}
	return p.Code
}

// all reads all pages of a list.
func all[T any](ctx context.Context, s *shop, path string, query url.Values) (rows []T, err error) {
	query.Set("limit", "100")
	for {
		a, ok := s.retry(ctx, call{method: http.MethodGet, path: path + "?" + query.Encode(), token: s.operator}, "200")
		if !ok {
			return nil, fmt.Errorf("read %s: %s", path, a.Body)
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
