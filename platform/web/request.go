package web

import (
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
)

// Request contains the parts of a request that changes something.
type Request[T any] struct {
	Caller Caller
	ID     uuid.UUID     // the path parameter "id", where the route has one
	SKU    string        // the path parameter "sku", where the route has one
	Body   T             // decoded and validated
	Write  Write         // the key, the version and the origin of the command
	Wait   time.Duration // how long the client prefers to wait; 0 unless Needs.Wait
}

// Needs configures Read, in addition to the route and the type of the body.
type Needs struct {
	// Visible refuses callers that must not know of the resource with this id. It runs before Read reads anything else.
	Visible func(id uuid.UUID) error
	// VisibleLast runs Visible only when the request is refused for another reason, and before that refusal is answered. It
	// saves good requests a read where the command checks the caller again.
	VisibleLast bool
	Named       bool // the path parameter "id" is a name and no UUID: the handler reads it with Param
	Optional    bool // the body may be left out
	Key         bool // an Idempotency-Key: otherwise 400 idempotency_key_required
	Version     bool // an If-Match with a version: otherwise 428 precondition_required
	Wait        bool // Prefer: wait=N is honoured
}

// Read reads a request that changes something. It refuses in the order that the API promises: id, visibility, SKU, body, checks,
// key, version. The type of the body decides which bodies are accepted: a struct with fields requires one, struct{} accepts none or an
// empty object, and any accepts and ignores every body. The checks add to the validate tags of the body.
func Read[T any](c echo.Context, needs Needs, checks ...func(Request[T]) error) (Request[T], error) {
	r := Request[T]{Caller: CallerOf(c)}
	var err error
	if !needs.Named && slices.Contains(c.ParamNames(), "id") {
		if r.ID, err = ID(c, "id"); err != nil {
			return r, err
		}
	}
	if needs.Visible != nil && !needs.VisibleLast {
		if err := needs.Visible(r.ID); err != nil {
			return r, err
		}
	}
	err = r.readAfterID(c, needs, checks)
	if err != nil && needs.VisibleLast {
		if hidden := needs.Visible(r.ID); hidden != nil {
			err = hidden
		}
	}
	return r, err
}

func (r *Request[T]) readAfterID(c echo.Context, needs Needs, checks []func(Request[T]) error) (err error) {
	if slices.Contains(c.ParamNames(), "sku") {
		if r.SKU, err = SKU(c); err != nil {
			return err
		}
	}
	if r.Body, err = bodyOf[T](c, needs.Optional); err != nil {
		return err
	}
	for _, check := range checks {
		if err := check(*r); err != nil {
			return err
		}
	}
	if r.Write, err = writeOf(c, needs); err != nil {
		return err
	}
	if needs.Wait {
		r.Wait = Wait(c)
	}
	return nil
}

// bodyOf reads the body that the type T accepts.
func bodyOf[T any](c echo.Context, optional bool) (body T, err error) {
	switch t := reflect.TypeFor[T](); {
	case t.Kind() == reflect.Interface:
		return body, nil
	case optional || t == reflect.TypeFor[struct{}]():
		return OptionalBody[T](c)
	}
	return Body[T](c)
}

// requestContext is the context of a request that a Server serves. Its state needs no entry in the map of Echo's context, which would be
// made for each request.
type requestContext struct {
	echo.Context
	state requestState
}

// requestState stores data of a request while the server answers it.
type requestState struct {
	id      string // of the request
	routed  bool   // it reached a route, even if a guard then refused it
	class   Class  // of the route
	caller  Caller
	refusal error  // the answer, unless the request was granted
	body    []byte // as it was sent, once it was read
	read    bool
}

const stateKey = "web.request"

// stateOf returns the state of the request of c, or a new one when c does not come from a Server.
func stateOf(c echo.Context) *requestState {
	if own, ok := c.(*requestContext); ok {
		return &own.state
	}
	state, ok := c.Get(stateKey).(*requestState)
	if !ok {
		state = &requestState{}
		c.Set(stateKey, state)
	}
	return state
}

// CallerOf returns the sender of the request.
func CallerOf(c echo.Context) Caller { return stateOf(c).caller }

// RequestID returns the id of the request in answers and logs.
func RequestID(c echo.Context) string { return stateOf(c).id }
