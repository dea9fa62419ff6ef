package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"path/filepath"

	"github.com/swaggo/swag"
)

// foreign are types of other modules, as they stand on the wire.
var foreign = map[string]string{
	"github.com/google/uuid.UUID": "string",
	"encoding/json.RawMessage":    "object",
}

// swagger reads the annotations of a module into a Swagger 2 document.
func swagger(root string) ([]byte, error) {
	parser := swag.New(
		swag.SetDebugger(log.New(io.Discard, "", 0)),
		swag.SetOverrides(foreign),
		swag.SetExcludedDirsAndFiles(filepath.Join(root, "data")),
	)
	parser.RequiredByDefault = true // what is not there may be null, but it stands there, unless it is omitempty
	if err := parser.ParseAPI(root, filepath.Join("docs", "api.go"), 0); err != nil {
		return nil, fmt.Errorf("read annotations: %w", err)
	}
	return json.Marshal(parser.GetSwagger())
}
