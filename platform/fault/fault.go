// Package fault defines the errors that clients read.
//
// A fault is declared once, beside its rule, with a kind, a stable code and a sentence.
//
//	var errCartClosed = fault.New(fault.Conflict, "cart_closed", "This cart is closed.")
//
// Details of one occurrence go into a copy. For errors.Is the copy is still the declared fault:
//
//	return errCartClosed.With("checkout_id", id)
//
// Only platform/web knows the HTTP status of a kind.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Kind is the class of a fault.
type Kind uint8

// The kinds, each with its status in platform/web.
const (
	Internal     Kind = iota // 500: not caused by the client; its text stays in the log
	Malformed                // 400: cannot be read
	Unauthorized             // 401: no token, or an invalid one
	Payment                  // 402: the payment was refused
	Forbidden                // 403: authenticated, but not allowed
	NotFound                 // 404: does not exist, for this caller
	Conflict                 // 409: conflicts with the current state
	Stale                    // 412: not the version that the client named
	TooLarge                 // 413: the body is too large
	Unsupported              // 415: not JSON
	Invalid                  // 422: readable, but invalid
	Precondition             // 428: a version must be named
	TooMany                  // 429: retry later
	Unavailable              // 503: a dependency is unavailable; retry later
)

// Field is one refused field.
type Field struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Fault is an error that a shopper or an operator can act on.
type Fault struct {
	Kind   Kind
	Code   string         // stable, snake_case
	Detail string         // a sentence
	Fields []Field        // one for each invalid field
	Extra  map[string]any // further members of the response, such as checkout_id
	Retry  time.Duration  // how long the client must wait; 0: unknown
}

var (
	mu       sync.Mutex
	declared []*Fault
)

// New declares a fault. Call it once for each fault, from a package-level variable: every fault stays in Declared.
func New(kind Kind, code, detail string) *Fault {
	f := &Fault{Kind: kind, Code: code, Detail: detail}
	mu.Lock()
	defer mu.Unlock()
	declared = append(declared, f)
	return f
}

// Declared returns the faults of all packages that the program links. The reference page of error codes lists them.
func Declared() []*Fault {
	mu.Lock()
	defer mu.Unlock()
	return slices.Clone(declared)
}

// Error returns the code and the sentence.
func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Is reports whether target is a fault with the same code, so that a copy with details matches its declaration.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault) // errors.Is passes each link of the chain
	return ok && t.Code == f.Code
}

// Detailf returns a copy with another sentence.
func (f *Fault) Detailf(format string, args ...any) *Fault {
	c := *f
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// With returns a copy with one more member in the response.
func (f *Fault) With(name string, value any) *Fault {
	c := *f
	c.Extra = maps.Clone(f.Extra)
	if c.Extra == nil {
		c.Extra = map[string]any{}
	}
	c.Extra[name] = value
	return &c
}

// After returns a copy that tells the client how long to wait before it tries again.
func (f *Fault) After(wait time.Duration) *Fault {
	c := *f
	c.Retry = wait
	return &c
}

// At returns a copy that names the invalid field.
func (f *Fault) At(field string) *Fault {
	c := *f
	c.Fields = append(append([]Field(nil), f.Fields...), Field{Field: field, Code: f.Code, Detail: f.Detail})
	return &c
}

// As returns the fault in an error's chain.
func As(err error) (*Fault, bool) {
	var f *Fault
	ok := errors.As(err, &f)
	return f, ok
}
