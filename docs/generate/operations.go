package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const (
	problem     = "Problem"
	problemType = "application/problem+json"
)

// finishOperation adds the shared parameters, the refusals and the headers of an operation.
func finishOperation(path, method string, o *openapi3.Operation) error {
	secured := o.Security != nil && len(*o.Security) > 0
	if secured { // annotations may call the scheme by another name
		if err := nameScopes(o); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		o.Security = openapi3.NewSecurityRequirements().With(openapi3.NewSecurityRequirement().Authenticate(bearer))
	} else {
		o.Security = openapi3.NewSecurityRequirements()
	}
	if o.RequestBody != nil && o.RequestBody.Value != nil {
		delete(o.RequestBody.Value.Extensions, "x-originalParamName")
	}
	if secured && method != http.MethodGet && strings.HasPrefix(path, "/v1/") {
		idempotencyKey.offer(o)
		if strings.Contains(path, "{") { // a new resource has no version yet
			ifMatch.offer(o)
		}
	}
	for _, p := range shared {
		p.describe(o)
	}
	if o.Responses == nil {
		o.Responses = openapi3.NewResponses()
	}
	if err := nameCodes(o, method, path, secured); err != nil {
		return err
	}
	finishResponses(o)
	return nil
}

// finishResponses makes every refusal a problem, adds the refusals that every operation may give, and adds the headers that
// follow from the request's parameters.
func finishResponses(o *openapi3.Operation) {
	o.Responses.Set("default", refusal(anyOther))
	for code, response := range o.Responses.Map() {
		if status, err := strconv.Atoi(code); err == nil && response.Value != nil {
			finishResponse(o, status, response.Value)
		}
	}
}

func finishResponse(o *openapi3.Operation, status int, r *openapi3.Response) {
	if status >= http.StatusBadRequest {
		asProblem(r)
	}
	if r.Description == nil || *r.Description == "" {
		r.Description = openapi3.Ptr(http.StatusText(status))
	}
	done := status < http.StatusMultipleChoices
	if done && idempotencyKey.of(o) != nil {
		answers(r, "Idempotent-Replayed", "true: this was done before, under the same key")
	}
	if done && prefer.of(o) != nil {
		answers(r, "Preference-Applied", "What was done of Prefer")
	}
	switch status {
	case http.StatusUnauthorized:
		answers(r, "WWW-Authenticate", "How to say who calls")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		answers(r, "Retry-After", "Seconds")
	case http.StatusPreconditionFailed:
		answers(r, "ETag", "The version now, quoted")
	}
}

func answers(r *openapi3.Response, header, description string) {
	if r.Headers == nil {
		r.Headers = openapi3.Headers{}
	}
	if r.Headers[header] == nil {
		r.Headers[header] = &openapi3.HeaderRef{Value: &openapi3.Header{Parameter: openapi3.Parameter{
			Description: description, Schema: openapi3.NewSchemaRef("", openapi3.NewStringSchema()),
		}}}
	}
}

func refusal(description string) *openapi3.ResponseRef {
	r := openapi3.NewResponse().WithDescription(description)
	asProblem(r)
	return &openapi3.ResponseRef{Value: r}
}

func asProblem(r *openapi3.Response) {
	schema := openapi3.NewSchemaRef("#/components/schemas/"+problem, nil)
	for _, media := range r.Content {
		if media.Schema != nil {
			schema = media.Schema
		}
	}
	r.Content = openapi3.NewContentWithSchemaRef(schema, []string{problemType})
}
