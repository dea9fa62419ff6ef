package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"shopping-cart/eventstore"
	_ "shopping-cart/internal/app" // links every package that declares faults and events
	"shopping-cart/platform/config"
	"shopping-cart/platform/fault"
)

// written stands at the head of each page of the reference.
const written = "<!-- Written by `go generate ./docs`: change the code, not this page. -->\n\n"

// reference returns the pages of docs/reference, by path. They describe the program that is linked; root is the folder of its module.
func reference(root string, api []byte) (map[string][]byte, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api)
	if err != nil {
		return nil, err
	}
	example, err := os.ReadFile(filepath.Join(root, ".env.example")) // a file of the module
	if err != nil {
		return nil, err
	}
	registry, err := sampled()
	if err != nil {
		return nil, err
	}
	pages := map[string][]byte{}
	for name, page := range map[string]func() (string, error){
		"errors.md":   func() (string, error) { return errorsPage(doc, fault.Declared()), nil },
		"settings.md": func() (string, error) { return settingsPage(&config.Config{}, string(example)) },
		"metrics.md":  func() (string, error) { return metricsPage(registry) },
		"events.md":   func() (string, error) { return eventsPage(root, eventstore.Registered()) },
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

func tableHead(columns ...string) string {
	return tableRow(columns...) + strings.Repeat("|---", len(columns)) + "|\n"
}

// tableRow returns a line of a table. It escapes the bars in cells.
func tableRow(cells ...string) string {
	out := ""
	for _, c := range cells {
		out += strings.TrimRight("| "+strings.ReplaceAll(c, "|", "\\|"), " ") + " "
	}
	return out + "|\n"
}

// coded formats a word as code. It leaves an empty word empty.
func coded(word string) string {
	if word == "" {
		return ""
	}
	return "`" + word + "`"
}

// escaped joins lines to HTML in which no text is a tag.
func escaped(lines ...string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.Join(lines, "\n"), "<", "&lt;"), "\n", "<br>")
}
