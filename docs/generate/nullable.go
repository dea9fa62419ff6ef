package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// liftNullable makes a schema nullable when every reference to it is. Most readers of OpenAPI 3.0 ignore nullable beside allOf,
// because the referenced schema does not allow null.
func liftNullable(doc *openapi3.T) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	lifted := map[string]int{}
	for _, schema := range doc.Components.Schemas {
		for name, property := range schema.Value.Properties {
			if p := property.Value; property.Ref == "" && p.Nullable && len(p.AllOf) == 1 {
				schema.Value.Properties[name] = openapi3.NewSchemaRef(p.AllOf[0].Ref, nil)
				lifted[p.AllOf[0].Ref]++
			}
		}
	}
	for ref, places := range lifted {
		if n := strings.Count(string(text), fmt.Sprintf(`"$ref":%q`, ref)); n != places {
			return fmt.Errorf("%s is nullable in %d of %d places: give the other places a schema of their own", ref, places, n)
		}
		doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")].Value.Nullable = true
	}
	return nil
}
