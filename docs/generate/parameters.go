package main

import (
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// parameter is a parameter that many operations share. Swagger UI sends the example unless the user changes it.
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

// of returns this parameter of an operation; nil when the operation has none.
func (p parameter) of(o *openapi3.Operation) *openapi3.Parameter {
	for _, ref := range o.Parameters {
		if ref.Value.In == p.in && strings.EqualFold(ref.Value.Name, p.name) {
			return ref.Value
		}
	}
	return nil
}

// describe completes the parameter where the annotations name it.
func (p parameter) describe(o *openapi3.Operation) {
	named := p.of(o)
	if named == nil {
		return
	}
	named.Name, named.Description = p.name, p.description
	if p.example != "" {
		named.Example = p.example
	}
	named.Schema = openapi3.NewSchemaRef("", p.schema())
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

// offer adds the parameter where the annotations do not name it.
func (p parameter) offer(o *openapi3.Operation) {
	if p.of(o) == nil {
		o.AddParameter(&openapi3.Parameter{In: p.in, Name: p.name})
	}
}
