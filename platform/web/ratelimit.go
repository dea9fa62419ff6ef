package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"shopping-cart/platform/fault"
)

// Class names the requests that share a rate limit.
type Class string

// The classes. A route has the class that Limit declares, else Reads for GET and HEAD, and Edits for the other methods.
const (
	Sessions  Class = "sessions"   // open a guest's session or sign in
	Reads     Class = "reads"      // the default of GET and HEAD
	Searches  Class = "searches"   // search or list the products
	Edits     Class = "edits"      // the default of all other methods
	Checkouts Class = "checkouts"  // start a checkout
	Webhooks  Class = "webhooks"   // of payment providers
	BadTokens Class = "bad_tokens" // have no valid token where one is needed, or lead to no route
	Metrics   Class = "metrics"    // read the metrics without a token
	Operators Class = "operators"  // of callers with a scope that the route needs

	unlimited Class = "" // probes
)

// Classes lists all classes.
var Classes = []Class{Sessions, Reads, Searches, Edits, Checkouts, Webhooks, BadTokens, Metrics, Operators}

// Rate is so many requests a second on average, and so many at once. The zero Rate is no limit.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Rates are the limits of a class for each subject and for each address. A request counts for both.
type Rates struct{ Subject, Address Rate }

// Limit sets the class of a route.
func Limit(class Class) Option { return func(e *endpoint) { e.class = class } }

// classOf returns the class of a route that declares none.
func classOf(method string) Class {
	if method == http.MethodGet || method == http.MethodHead {
		return Reads
	}
	return Edits
}

// limiter holds the token buckets of a class.
type limiter struct {
	class            Class
	subject, address *buckets // nil: no limit
}

// newLimiters returns the limiters of the classes that have a limit.
func newLimiters(rates map[Class]Rates) map[Class]*limiter {
	all := map[Class]*limiter{}
	for class, r := range rates {
		//exhaustive:ignore // the others count by both
		switch class {
		case Operators: // several may work at one address
			r.Address = Rate{}
		case Sessions, Webhooks, BadTokens, Metrics: // they have no subject
			r.Subject = Rate{}
		}
		if r != (Rates{}) {
			all[class] = &limiter{class, newBuckets(string(class), r.Subject), newBuckets(string(class)+"-address", r.Address)}
		}
	}
	return all
}

// limited refuses requests beyond the limits of the route's class. It runs before the body is read.
func (s *Server) limited(e *endpoint, next echo.HandlerFunc) echo.HandlerFunc {
	usual, operators := s.limiters[e.class], s.limiters[Operators]
	if e.class == unlimited || usual == nil && operators == nil {
		return next
	}
	return func(c echo.Context) error {
		l := usual
		if slices.ContainsFunc(e.access.Scopes, CallerOf(c).Is) {
			l = operators
		}
		if err := s.take(c, l); err != nil {
			return err
		}
		return next(c)
	}
}

// take takes a token from the buckets of the subject and of the address. It asks the subject's first, so that the refused requests of
// one subject leave the tokens of their address to others.
func (s *Server) take(c echo.Context, l *limiter) error {
	if l == nil {
		return nil
	}
	caller, now := CallerOf(c), time.Now()
	if l.subject != nil && caller.Subject != "" {
		if wait := l.subject.take(caller.Subject, now); wait > 0 {
			return s.refuse(c, l, l.subject, "subject", wait)
		}
	}
	if l.address != nil && caller.Address.IsValid() {
		if wait := l.address.take(AddressKey(caller.Address), now); wait > 0 {
			return s.refuse(c, l, l.address, "address", wait)
		}
	}
	return nil
}

func (s *Server) refuse(c echo.Context, l *limiter, b *buckets, by string, wait time.Duration) error {
	b.describe(c, wait)
	s.countLimited(string(l.class), by)
	if by == "address" {
		s.warnOfProxy(c)
	}
	if c.Request().Body != http.NoBody { // net/http reads the rest of the body before it answers
		_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(s.cfg.Limits.Delay + refusedBody))
	}
	return errTooMany.After(wait)
}

// heldBackMost limits the refused requests that wait for their answer, so that they need some megabytes of memory at most.
const heldBackMost = 2000

// holdBack waits if the error is a refusal for too many requests, and returns for how long. Beyond heldBackMost it ends the connection
// instead, since a new one is slow too.
func (s *Server) holdBack(ctx context.Context, c echo.Context, err error) (held time.Duration) {
	if f, ok := fault.As(err); !ok || f.Kind != fault.TooMany || s.cfg.Limits.Delay == 0 {
		return 0
	}
	select {
	case s.heldBack <- struct{}{}:
		defer func() { <-s.heldBack }()
	default:
		c.Response().Header().Set(echo.HeaderConnection, "close")
		return 0
	}
	began, end := time.Now(), time.NewTimer(s.cfg.Limits.Delay)
	defer end.Stop()
	select {
	case <-end.C:
	case <-ctx.Done():
	case <-s.draining:
	}
	return time.Since(began)
}

// limitUnknown counts a request to an unknown address like one with a bad token, since both are attempts to find something.
func (s *Server) limitUnknown(c echo.Context, err error) error {
	if stateOf(c).routed || !errors.Is(err, echo.ErrNotFound) && !errors.Is(err, echo.ErrMethodNotAllowed) {
		return err
	}
	return cmp.Or(s.take(c, s.limiters[BadTokens]), err)
}

// refusedBody limits the time in which the body of a refused request must arrive, after the answer was held back, so that slow bodies of refused requests hold no
// connections.
const refusedBody = time.Second

// warnOfProxy logs at most every ten seconds that the refused address may be a proxy's, which many clients share.
func (s *Server) warnOfProxy(c echo.Context) {
	forwarded := c.Request().Header.Get(echo.HeaderXForwardedFor)
	from, err := netip.ParseAddrPort(c.Request().RemoteAddr)
	if forwarded == "" || err != nil || s.isProxy(from.Addr().Unmap()) {
		return
	}
	s.refused.proxies.Do(func() {
		s.cfg.Log.Warn("requests with X-Forwarded-For are limited as those of one address: if it is a proxy's, name it in TRUSTED_PROXIES",
			"address", from.Addr().Unmap().String())
	})
}

// refusals counts the refusals because of limits, beside those of the rate limits.
type refusals struct {
	connections, streams atomic.Int64
	proxies              rate.Sometimes // between two warnings
}

// countLimited counts a refusal because of a limit.
func (s *Server) countLimited(what, by string) {
	if s.cfg.Limited != nil {
		s.cfg.Limited(what, by)
	}
}

// bucketsMost limits the keys of one class, so that callers from any number of addresses need a few megabytes at most. The key that was
// used least recently makes room.
const bucketsMost = 10_000

// buckets holds a token bucket for each subject or each address.
type buckets struct {
	rate    Rate
	policy  string // its name in the headers
	mu      sync.Mutex
	by      *simplelru.LRU[string, *bucket]
	refused int64
}

// bucket is the token bucket of one key.
type bucket struct {
	*rate.Limiter
	refused int
	last    time.Time // refusal
}

// refuse counts a refusal. The count begins anew after a minute without one.
func (b *bucket) refuse(now time.Time) {
	if now.Sub(b.last) >= recentRefusal {
		b.refused = 0
	}
	b.refused++
	b.last = now
}

// newBuckets returns nil for no limit.
func newBuckets(policy string, r Rate) *buckets {
	if r == (Rate{}) {
		return nil
	}
	by, _ := simplelru.NewLRU[string, *bucket](bucketsMost, nil) // it fails only without a size
	return &buckets{rate: r, policy: policy, by: by}
}

// take takes a token from the bucket of a key. Without one it returns the wait for the next.
func (b *buckets) take(key string, now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	one, known := b.by.Get(key)
	if !known {
		b.dropFull(now)
		one = &bucket{Limiter: rate.NewLimiter(rate.Limit(b.rate.PerSecond), b.rate.Burst)}
		b.by.Add(key, one)
	}
	if one.AllowN(now, 1) {
		return 0
	}
	one.refuse(now)
	b.refused++
	missing := (1 - one.TokensAt(now)) / b.rate.PerSecond
	return max(1, time.Duration(missing*float64(time.Second)))
}

// dropFull drops the two least recent buckets if they are full again, so that many short visits do not fill the memory for ever.
func (b *buckets) dropFull(now time.Time) {
	for range 2 {
		_, oldest, ok := b.by.GetOldest()
		if !ok || oldest.TokensAt(now) < float64(b.rate.Burst) {
			return
		}
		b.by.RemoveOldest()
	}
}

// describe sets the headers of draft-ietf-httpapi-ratelimit-headers-10 on a refusal: the policy (a burst of q, and w seconds until an empty
// bucket is full), and that nothing is left for t seconds. Granted requests have no such headers: they would cost 0.7 µs and 800 bytes
// each, and the limits are out of reach for callers that behave.
func (b *buckets) describe(c echo.Context, wait time.Duration) {
	full := time.Duration(float64(b.rate.Burst) / b.rate.PerSecond * float64(time.Second))
	h := c.Response().Header()
	h.Set("RateLimit-Policy", fmt.Sprintf(`"%s";q=%d;w=%d`, b.policy, b.rate.Burst, retryAfter(full)))
	h.Set("RateLimit", fmt.Sprintf(`"%s";r=0;t=%d`, b.policy, retryAfter(wait)))
}
