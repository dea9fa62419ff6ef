package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"path/filepath"

	"github.com/swaggo/swag"
)

// foreign maps types of other modules to their types in JSON.
var foreign = map[string]string{
	"github.com/google/uuid.UUID": "string",
	"encoding/json.RawMessage":    "object",
}

// swagger returns the Swagger 2 document of the annotations in a module.
func swagger(root string) ([]byte, error) {
	parser := swag.New(
		swag.SetDebugger(log.New(io.Discard, "", 0)),
		swag.SetOverrides(foreign),
		swag.SetExcludedDirsAndFiles(filepath.Join(root, "data")),
	)
	parser.RequiredByDefault = true // every property is present unless it is omitempty; it may be null
	if err := parser.ParseAPI(root, filepath.Join("docs", "api.go"), 0); err != nil {
		return nil, fmt.Errorf("read annotations: %w", err)
	}
	return json.Marshal(parser.GetSwagger())
}
