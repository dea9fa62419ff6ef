package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const (
	bearer      = "BearerAuth"
	problem     = "Problem"
	problemType = "application/problem+json"
)

// header is a request header that many operations share.
type header struct{ name, description, example string }

var (
	idempotencyKey = header{"Idempotency-Key", "1 to 255 visible ASCII characters. The same key with the same request is done once: a retry gets the first answer again, marked Idempotent-Replayed.", "4f1c2d7e-checkout"}
	ifMatch        = header{"If-Match", "The version that this is meant for, quoted, as ETag gave it. Another version now: 412.", `"7"`}
	ifNoneMatch    = header{"If-None-Match", "The version that the client has, as ETag gave it. Still that version: 304.", `"7"`}
	prefer         = header{"Prefer", "wait=N holds the answer for up to N seconds, at most 30.", "wait=10"}
)

// finish adds what the annotations leave out, since it is the same everywhere or Swagger 2 could not say it.
func finish(doc *openapi3.T) {
	doc.Servers = openapi3.Servers{{URL: "/"}}
	if doc.Components.SecuritySchemes == nil {
		doc.Components.SecuritySchemes = openapi3.SecuritySchemes{}
	}
	doc.Components.SecuritySchemes[bearer] = &openapi3.SecuritySchemeRef{Value: openapi3.NewJWTSecurityScheme()}
	for name, schema := range doc.Components.Schemas {
		finishSchema(name, schema)
	}
	if doc.Paths == nil {
		doc.Paths = openapi3.NewPaths()
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			finishOperation(doc, path, method, operation)
		}
	}
}

// finishSchema gives times their format: whatever ends in _at is one. A problem may have further members.
func finishSchema(name string, schema *openapi3.SchemaRef) {
	if schema.Value == nil {
		return
	}
	for property, s := range schema.Value.Properties {
		if s.Value != nil && s.Value.Format == "" && s.Value.Type.Is("string") && isTime(property) {
			s.Value.Format = "date-time"
		}
	}
	if name == problem {
		schema.Value.AdditionalProperties = openapi3.BoolSchema{Has: openapi3.Ptr(true)}
	}
}

func isTime(property string) bool { return property == "at" || strings.HasSuffix(property, "_at") }

func finishOperation(doc *openapi3.T, path, method string, o *openapi3.Operation) {
	secured := o.Security != nil && len(*o.Security) > 0
	if secured { // there is one way to say who calls, whatever name an annotation gives it
		o.Security = openapi3.NewSecurityRequirements().With(openapi3.NewSecurityRequirement().Authenticate(bearer))
	}
	if o.RequestBody != nil && o.RequestBody.Value != nil {
		o.RequestBody.Value.Required = true
	}
	for _, h := range []header{idempotencyKey, ifMatch, ifNoneMatch, prefer} {
		describe(o, h)
	}
	if secured && method != http.MethodGet && strings.HasPrefix(path, "/v1/") {
		offer(o, idempotencyKey)
		offer(o, ifMatch)
	}
	if _, known := doc.Components.Schemas[problem]; known {
		finishResponses(o, secured)
	}
}

// describe fills in a header that the handler's annotations name.
func describe(o *openapi3.Operation, h header) {
	for _, p := range o.Parameters {
		if p.Value == nil || p.Value.In != openapi3.ParameterInHeader || !strings.EqualFold(p.Value.Name, h.name) {
			continue
		}
		p.Value.Name, p.Value.Description, p.Value.Example = h.name, h.description, h.example
	}
}

// offer adds a header that every write accepts, unless the annotations named it already.
func offer(o *openapi3.Operation, h header) {
	named := slices.ContainsFunc(o.Parameters, func(p *openapi3.ParameterRef) bool {
		return p.Value != nil && p.Value.In == openapi3.ParameterInHeader && strings.EqualFold(p.Value.Name, h.name)
	})
	if named {
		return
	}
	p := openapi3.NewHeaderParameter(h.name).WithDescription(h.description).WithSchema(openapi3.NewStringSchema())
	o.Parameters = append(o.Parameters, &openapi3.ParameterRef{Value: p})
}

// finishResponses makes every refusal a problem, and says that there can be others than those named.
func finishResponses(o *openapi3.Operation, secured bool) {
	if o.Responses == nil {
		o.Responses = openapi3.NewResponses()
	}
	for code, response := range o.Responses.Map() {
		if status, err := strconv.Atoi(code); err == nil && status >= http.StatusBadRequest && response.Value != nil {
			asProblem(response.Value)
		}
	}
	if secured && o.Responses.Value("401") == nil {
		o.Responses.Set("401", refusal("No access token, or a bad one"))
	}
	o.Responses.Set("default", refusal("Any other refusal"))
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
