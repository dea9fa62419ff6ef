// Package fault is the one kind of error that a client is meant to read.
//
// A fault is declared once, beside the rule that it speaks for: a kind, a stable code and a sentence.
//
//	var errCartClosed = fault.New(fault.Conflict, "cart_closed", "This cart is closed.")
//
// What belongs to one occurrence is added to a copy, which still is the declared fault for errors.Is:
//
//	return errCartClosed.With("checkout_id", id)
//
// Kinds say what is wrong; platform/web alone knows which HTTP status that is.
package fault

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Kind is the class of a fault.
type Kind uint8

// The kinds, each with the status that platform/web gives it.
const (
	Internal     Kind = iota // 500: not the client's doing; its text stays in the log
	Malformed                // 400: could not be read at all
	Unauthorized             // 401: no token, or a bad one
	Payment                  // 402: the money was refused
	Forbidden                // 403: known, but not allowed
	NotFound                 // 404: does not exist, for this caller
	Conflict                 // 409: does not fit the present state
	Stale                    // 412: another version than the one named
	TooLarge                 // 413: the body
	Unsupported              // 415: not JSON
	Invalid                  // 422: understood, but wrong
	Precondition             // 428: a version must be named
	TooMany                  // 429: come back later
	Unavailable              // 503: something that we need is away; come back later
)

// Field is one field that was refused.
type Field struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Fault is a refusal that a shopper or an operator can act on.
type Fault struct {
	Kind   Kind
	Code   string         // stable, snake_case
	Detail string         // a sentence
	Fields []Field        // what is wrong, field by field
	Extra  map[string]any // further members of the answer, such as checkout_id
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

// Error is the code and the sentence.
func (f *Fault) Error() string { return f.Code + ": " + f.Detail }

// Is reports whether target is a fault of the same code, so that a copy with details still matches its declaration.
func (f *Fault) Is(target error) bool {
	t, ok := target.(*Fault) // errors.Is hands over each link of the chain
	return ok && t.Code == f.Code
}

// Detailf is a copy with another sentence.
func (f *Fault) Detailf(format string, args ...any) *Fault {
	c := *f
	c.Detail = fmt.Sprintf(format, args...)
	return &c
}

// With is a copy with one more member in the answer.
func (f *Fault) With(name string, value any) *Fault {
	c := *f
	c.Extra = maps.Clone(f.Extra)
	if c.Extra == nil {
		c.Extra = map[string]any{}
	}
	c.Extra[name] = value
	return &c
}

// At is a copy that names the field to blame.
func (f *Fault) At(field string) *Fault {
	c := *f
	c.Fields = append(append([]Field(nil), f.Fields...), Field{Field: field, Code: f.Code, Detail: f.Detail})
	return &c
}

// As finds the fault in an error's chain.
func As(err error) (*Fault, bool) {
	var f *Fault
	ok := errors.As(err, &f)
	return f, ok
}
