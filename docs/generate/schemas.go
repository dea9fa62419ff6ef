package main

import (
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const maxSKU = 64 // characters

// finishSchema sets the formats of the properties. A problem may have additional properties; a request may not.
func finishSchema(name string, schema *openapi3.SchemaRef) {
	s := schema.Value
	if s == nil {
		return
	}
	finishEnum(s)
	for property, p := range s.Properties {
		if p.Value != nil && p.Ref == "" {
			finishProperty(property, p.Value)
			if only := p.Value; len(only.AllOf) == 1 && only.Description == "" && only.Example == nil && !only.Nullable {
				s.Properties[property] = openapi3.NewSchemaRef(only.AllOf[0].Ref, nil) // the reference says everything
			}
		}
	}
	switch {
	case name == problem:
		s.AdditionalProperties = openapi3.BoolSchema{Has: openapi3.Ptr(true)}
	case strings.HasSuffix(name, "Request"):
		s.AdditionalProperties = openapi3.BoolSchema{Has: openapi3.Ptr(false)}
	}
}

// finishProperty sets the format that follows from the name or type of a property.
func finishProperty(name string, p *openapi3.Schema) {
	if len(p.AllOf) > 0 { // the referenced schema has the enum
		p.Enum = nil
	}
	if p.Nullable && p.Type == nil {
		p.Type = &openapi3.Types{openapi3.TypeObject}
	}
	switch {
	case p.Type.Is("integer") && p.Format == "":
		p.Format = "int64"
	case !p.Type.Is("string") || p.Format != "":
	case isTime(name):
		p.Format = "date-time"
	case name == "email":
		p.Format = "email"
	case name == "sku":
		p.WithMinLength(1).WithMaxLength(maxSKU)
	case name == "currency":
		p.WithPattern("^[A-Z]{3}$")
	}
}

func isTime(property string) bool { return property == "at" || strings.HasSuffix(property, "_at") }

// finishEnum moves the meanings of the values to the description. It removes the Go names, and the empty value, which is internal.
func finishEnum(s *openapi3.Schema) {
	meanings, _ := s.Extensions["x-enum-descriptions"].([]any)
	var values []any
	for i, value := range s.Enum {
		if value == "" {
			continue
		}
		values = append(values, value)
		if i < len(meanings) && meanings[i] != "" {
			s.Description += fmt.Sprintf("\n- `%v`: %v", value, meanings[i])
		}
	}
	s.Enum = values
	for name := range s.Extensions {
		if strings.HasPrefix(name, "x-enum-") {
			delete(s.Extensions, name)
		}
	}
}
