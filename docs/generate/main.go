// Command generate writes docs/openapi.json from the annotations in the code.
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
	"os"
	"path/filepath"
)

func main() {
	check := flag.Bool("check", false, "write nothing, and fail when docs/openapi.json is stale")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

var errStale = errors.New("docs/openapi.json is stale: run `go generate ./docs`")

func run(check bool) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	document, err := Document(root)
	if err != nil {
		return err
	}
	path := filepath.Join(root, "docs", "openapi.json")
	if !check {
		return os.WriteFile(path, document, 0o644) // a source file like any other
	}
	present, err := os.ReadFile(path) // inside the module
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(present, document) {
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
