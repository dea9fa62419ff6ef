// Package stripetest serves Stripe's API from memory: payment intents, refunds, idempotency keys and signed events. It is for tests.
//
// The payment methods behave by name, as Stripe's own test methods do. Some fail.
package stripetest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// The payment methods.
const (
	Good              = "pm_card_visa"
	Declined          = "pm_card_visa_chargeDeclined"
	InsufficientFunds = "pm_card_visa_chargeDeclinedInsufficientFunds"
	Secured           = "pm_card_threeDSecure2Required" // waits for the shopper
	CaptureFails      = "pm_card_captureFails"
	Flaky             = "pm_card_flaky"         // two times 429 by a lock before each success
	RateLimited       = "pm_card_rateLimited"   // two times 429 by the rate limit before each success
	Lost              = "pm_card_lost"          // the first call of each operation is lost without effect
	Silent            = "pm_card_silent"        // the first call of each operation takes effect and answers nothing
	RefundRefused     = "pm_card_refundRefused" // refuses every refund for good
	RefundsPending    = "pm_card_pendingRefund" // refunds wait until FinishRefunds
)

// The accepted secrets.
const (
	SecretKey     = "sk_test_of_the_server_in_memory"
	WebhookSecret = "whsec_of_the_server_in_memory"
)

// Fault says how a POST ends.
type Fault uint8

// The faults.
const (
	NoFault         Fault = iota
	Busy                  // 429 by a lock, without effect; not remembered
	TooMany               // 429 by the rate limit, without effect; not remembered
	LostRequest           // no effect, no answer
	LostAnswer            // takes effect, no answer
	ServerError           // 500 without effect; the key repeats it
	LateServerError       // 500 after the effect; the key repeats it
)

// Server imitates Stripe.
type Server struct {
	URL       string
	Now       func() time.Time                                              // dates new objects
	FaultFor  func(path string) Fault                                       // goes before the payment method; nil: never
	OnRequest func(r *http.Request, body []byte, status int, answer []byte) // sees every request; status 0: no answer

	mu       sync.Mutex
	intents  []*intent  // oldest first
	refunds  []*refund  // oldest first
	disputes []*dispute // oldest first
	keys     map[string]answer
	asked    map[string]string // by key: the request
	calls    map[string]int    // by key
	made     int
	seen     []string
}

// New starts a server. stop ends it.
func New() (s *Server, stop func()) {
	s = &Server{Now: time.Now, keys: map[string]answer{}, asked: map[string]string{}, calls: map[string]int{}}
	h := httptest.NewServer(s)
	s.URL = h.URL
	return s, func() {
		h.CloseClientConnections()
		h.Close()
	}
}

// Requests returns the received requests, such as "POST /v1/refunds", oldest first.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

// ForgetKeys drops all keys, as Stripe does after a day.
func (s *Server) ForgetKeys() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
	clear(s.asked)
	clear(s.calls)
}

// answer is the response to a request.
type answer struct {
	status   int
	body     []byte
	replayed bool
	lost     bool
}

// ServeHTTP answers as api.stripe.com does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // half a request counts as none
	}
	form, _ := url.ParseQuery(string(body))
	a := s.handle(r, form, body)
	if s.OnRequest != nil {
		status := a.status
		if a.lost {
			status = 0
		}
		s.OnRequest(r, body, status, a.body)
	}
	if a.lost {
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Request-Id", "req_"+strings.ReplaceAll(r.Header.Get("Idempotency-Key"), "/", "_"))
	if a.replayed {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

func (s *Server) handle(r *http.Request, form url.Values, body []byte) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, r.Method+" "+r.URL.Path)
	if r.Header.Get("Authorization") != "Bearer "+SecretKey {
		return failed(http.StatusUnauthorized, failure{"type": "invalid_request_error", "message": "Invalid API Key provided"})
	}
	if r.Method == http.MethodGet {
		return s.get(r.URL)
	}
	key, request := r.Header.Get("Idempotency-Key"), r.Method+" "+r.URL.Path+" "+string(body)
	if said, ok := s.keys[key]; ok {
		if s.asked[key] != request {
			return failed(http.StatusBadRequest, failure{"type": "idempotency_error", "message": "The parameters differ"})
		}
		said.replayed = true
		return said
	}
	return s.first(key, request, r.URL.Path, form)
}

// first answers a POST with an unknown key.
func (s *Server) first(key, request, path string, form url.Values) answer {
	s.calls[key]++
	a := failed(http.StatusInternalServerError, failure{"type": "api_error", "message": "An unknown error occurred"})
	mood := s.fault(path, form, s.calls[key])
	switch mood {
	case Busy:
		return failed(http.StatusTooManyRequests, failure{"type": "invalid_request_error", "code": "lock_timeout"})
	case TooMany:
		return failed(http.StatusTooManyRequests, failure{"type": "invalid_request_error", "code": "rate_limit"})
	case LostRequest:
		return answer{lost: true}
	case ServerError:
	case LateServerError:
		_ = s.post(path, form)
	case NoFault, LostAnswer:
		a = s.post(path, form)
	}
	s.keys[key], s.asked[key] = a, request
	a.lost = mood == LostAnswer
	return a
}

func (s *Server) fault(path string, form url.Values, n int) Fault {
	if s.FaultFor != nil {
		if mood := s.FaultFor(path); mood != NoFault {
			return mood
		}
	}
	switch method := s.paymentMethodOf(path, form); {
	case method == Flaky && n <= 2:
		return Busy
	case method == RateLimited && n <= 2:
		return TooMany
	case method == Lost && n == 1:
		return LostRequest
	case method == Silent && n == 1:
		return LostAnswer
	}
	return NoFault
}

// paymentMethodOf returns the payment method of a call.
func (s *Server) paymentMethodOf(path string, form url.Values) string {
	if method := form.Get("payment_method"); method != "" {
		return method
	}
	id := form.Get("payment_intent")
	if id == "" {
		id, _, _ = strings.Cut(strings.TrimPrefix(path, "/v1/payment_intents/"), "/")
	}
	if i := s.intent(id); i != nil {
		return i.PaymentMethod
	}
	return ""
}

// id returns the id of a new object.
func (s *Server) id(prefix string) string {
	s.made++
	return fmt.Sprintf("%s_test%08d", prefix, s.made)
}
