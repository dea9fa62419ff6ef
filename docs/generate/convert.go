package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
)

var errNoOperation = errors.New("no annotation was found: swag skips folders named docs or vendor, so the module must not lie in one")

// Document returns the OpenAPI 3 document of the module at root: valid, sorted and indented.
func Document(root string) ([]byte, error) {
	raw, err := swagger(root)
	if err != nil {
		return nil, err
	}
	var old openapi2.T
	if err := json.Unmarshal(aRef.ReplaceAllFunc(raw, renamedRef), &old); err != nil {
		return nil, fmt.Errorf("read swagger 2: %w", err)
	}
	if err := rename(&old); err != nil {
		return nil, err
	}
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, fmt.Errorf("convert to openapi 3: %w", err)
	}
	if doc.Paths.Len() == 0 {
		return nil, errNoOperation
	}
	if err := finish(doc); err != nil {
		return nil, err
	}
	if err := liftNullable(doc); err != nil {
		return nil, err
	}
	if err := addExamples(doc, filepath.Join(root, "docs", "examples")); err != nil {
		return nil, err
	}
	return encode(doc)
}

// encode returns the JSON of a document, and validates it as a client reads it.
func encode(doc *openapi3.T) ([]byte, error) {
	raw, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	var tree any // which encoding/json sorts
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(tree); err != nil {
		return nil, err
	}
	loaded, err := openapi3.NewLoader().LoadFromData(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("load openapi 3: %w", err)
	}
	if err := loaded.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("validate openapi 3: %w", err)
	}
	return out.Bytes(), nil
}
