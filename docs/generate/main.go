// Command generate writes docs/openapi.json from the annotations in the code, and the pages of docs/reference from the program
// that it links: its settings, metrics, events and faults (reference.go).
//
// swag reads the annotations (swagger.go). Its output is Swagger 2, in which the schemas get names for clients (names.go).
// kin-openapi converts the document to OpenAPI 3 (convert.go). finish.go adds what Swagger 2 cannot express. The same code gives
// the same bytes.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	check := flag.Bool("check", false, "write nothing, and fail when docs/openapi.json or a page of docs/reference is stale")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

var errStale = errors.New("stale: run `go generate ./docs`")

// run works in the root of the module.
func run(check bool) error {
	document, err := Document(".")
	if err != nil {
		return err
	}
	files, err := reference(".", document)
	if err != nil {
		return err
	}
	files[filepath.Join("docs", "openapi.json")] = document
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := put(name, files[name], check); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// put writes a file. With check it writes nothing, and fails when the file is stale.
func put(path string, text []byte, check bool) error {
	if !check {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o644) // a source file like any other
	}
	present, err := os.ReadFile(path) // inside the module
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(present, text) {
		return errStale
	}
	return nil
}
