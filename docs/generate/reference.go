package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
)

// written stands at the head of each page of the reference.
const written = "<!-- Written by `go generate ./docs`: change the code, not this page. -->\n\n"

// reference are the pages of docs/reference, each read from the code that it is about. api is the API document.
func reference(root string, api []byte) (map[string][]byte, error) {
	pages := map[string][]byte{}
	for name, page := range map[string]func() (string, error){
		"settings.md": func() (string, error) { return settings(root) },
		"metrics.md":  func() (string, error) { return metrics(root) },
		"events.md":   func() (string, error) { return events(root) },
		"errors.md":   func() (string, error) { return refusals(root, api) },
	} {
		text, err := page()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		title, rest, _ := strings.Cut(text, "\n\n")
		pages[filepath.Join("docs", "reference", name)] = []byte(title + "\n\n" + written + rest)
	}
	return pages, nil
}

// table writes a table of Markdown.
type table struct {
	out     bytes.Buffer
	columns int
}

func newTable(heads ...string) *table {
	t := &table{columns: len(heads)}
	t.row(heads...)
	t.out.WriteString(strings.Repeat("|---", len(heads)) + "|\n")
	return t
}

// row adds a line. A bar in a cell would end it.
func (t *table) row(cells ...string) {
	for _, c := range cells {
		t.out.WriteString(strings.TrimRight("| "+strings.ReplaceAll(c, "|", "\\|"), " ") + " ")
	}
	t.out.WriteString("|\n")
}

func (t *table) String() string { return t.out.String() }

// coded is a word in the type of code; nothing is nothing.
func coded(word string) string {
	if word == "" {
		return ""
	}
	return "`" + word + "`"
}

// escaped are lines of text that no browser takes for tags.
func escaped(lines ...string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.Join(lines, "\n"), "<", "&lt;"), "\n", "<br>")
}
