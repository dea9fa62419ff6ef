package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// example is a request and its responses by status, as the tests recorded them.
type example struct {
	Request   any            `json:"request,omitempty"`
	Responses map[string]any `json:"responses,omitempty"`
}

// addExamples adds the examples of a folder to the document. Each file is named after an operation.
func addExamples(doc *openapi3.T, dir string) error {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		id, is := strings.CutSuffix(file.Name(), ".json")
		if !is {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, file.Name())) // of the module
		if err != nil {
			return err
		}
		var e example
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("read the example of %s: %w", id, err)
		}
		o := operation(doc, id)
		if o == nil {
			return fmt.Errorf("there is an example of %s, but no such operation", id)
		}
		if err := e.addTo(o); err != nil {
			return fmt.Errorf("the example of %s: %w", id, err)
		}
	}
	return nil
}

func (e example) addTo(o *openapi3.Operation) error {
	if e.Request != nil {
		if o.RequestBody == nil {
			return errors.New("the operation takes no body")
		}
		for _, media := range o.RequestBody.Value.Content {
			media.Example = e.Request
		}
	}
	for status, body := range e.Responses {
		r := o.Responses.Value(status)
		if r == nil || len(r.Value.Content) == 0 {
			return fmt.Errorf("the operation has no response %s with a body", status)
		}
		for _, media := range r.Value.Content {
			media.Example = body
		}
	}
	return nil
}

func operation(doc *openapi3.T, id string) *openapi3.Operation {
	for _, item := range doc.Paths.Map() {
		for _, o := range item.Operations() {
			if o.OperationID == id {
				return o
			}
		}
	}
	return nil
}
