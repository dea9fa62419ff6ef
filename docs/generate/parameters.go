package main

import (
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// parameter is what many operations share. It has an example only where the example is good for sending: Swagger UI
// fills it in.
type parameter struct{ in, name, description, example string }

var (
	idempotencyKey = parameter{"header", "Idempotency-Key", "1 to 255 visible ASCII characters, new for everything that is to be done. " +
		"The same key with the same request is done once: a retry gets the first answer again, marked Idempotent-Replayed.", ""}
	ifMatch     = parameter{"header", "If-Match", `The version that this is meant for, quoted as ETag gave it, such as "7". Another version now: 412.`, ""}
	ifNoneMatch = parameter{"header", "If-None-Match", `Of a read, the version that the client has, quoted as ETag gave it, such as "7". Still that version: 304. ` +
		"Of a write, only *, without If-Match: nothing exists there yet. Else 412.", ""}
	prefer = parameter{"header", "Prefer", "wait=N holds the answer for up to N seconds, at most 30.", "wait=10"}
	limit  = parameter{"query", "limit", "At most this many.", ""}
	cursor = parameter{"query", "cursor", "Where the list goes on: next_cursor of the page before.", ""}

	shared = []parameter{idempotencyKey, ifMatch, ifNoneMatch, prefer, limit, cursor}
)

const (
	maxKey       = 255
	maxLimit     = 100
	defaultLimit = 20
)

func (p parameter) is(other *openapi3.Parameter) bool {
	return other != nil && other.In == p.in && strings.EqualFold(other.Name, p.name)
}

// describe fills in a parameter that the handler's annotations name.
func (p parameter) describe(o *openapi3.Operation) {
	for _, ref := range o.Parameters {
		if !p.is(ref.Value) {
			continue
		}
		ref.Value.Name, ref.Value.Description = p.name, p.description
		if p.example != "" {
			ref.Value.Example = p.example
		}
		ref.Value.Schema = openapi3.NewSchemaRef("", p.schema())
	}
}

func (p parameter) schema() *openapi3.Schema {
	switch p {
	case idempotencyKey:
		return openapi3.NewStringSchema().WithMinLength(1).WithMaxLength(maxKey)
	case limit:
		return openapi3.NewIntegerSchema().WithMin(1).WithMax(maxLimit).WithDefault(defaultLimit)
	}
	return openapi3.NewStringSchema()
}

// offer adds a parameter, unless the annotations named it already.
func (p parameter) offer(o *openapi3.Operation) {
	if !p.offered(o) {
		o.Parameters = append(o.Parameters, &openapi3.ParameterRef{Value: &openapi3.Parameter{In: p.in, Name: p.name}})
	}
}

func (p parameter) offered(o *openapi3.Operation) bool {
	for _, ref := range o.Parameters {
		if p.is(ref.Value) {
			return true
		}
	}
	return false
}

func (p parameter) required(o *openapi3.Operation) bool {
	for _, ref := range o.Parameters {
		if p.is(ref.Value) {
			return ref.Value.Required
		}
	}
	return false
}
