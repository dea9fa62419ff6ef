// Command generate writes docs/openapi.json from the annotations in the code, and the pages of docs/reference from what they
// are about (reference.go).
//
// The annotations are those of swag, which knows Swagger 2 only; so the way is: swag reads the code (swagger.go), the
// schemas get names that a client would choose (names.go), kin-openapi converts the document to OpenAPI 3, what
// Swagger 2 could not say is added (finish.go), and the result is validated. The same code gives the same bytes.
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

func run(check bool) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	document, err := Document(root)
	if err != nil {
		return err
	}
	files, err := reference(root, document)
	if err != nil {
		return err
	}
	files[filepath.Join("docs", "openapi.json")] = document
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := put(filepath.Join(root, name), files[name], check); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// put writes a file, or holds it against what it should be.
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

// moduleRoot is the nearest folder upward with a go.mod: go generate starts in docs, people start at the root.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod here or above")
		}
		dir = filepath.Dir(dir)
	}
	return "", err
}
