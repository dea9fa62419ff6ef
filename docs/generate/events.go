package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"shopping-cart/platform/money"
)

const eventsHead = `# Events

The events in the logs. A type never changes. When the JSON of a type changes, it gets a new version of its schema, and older events are upcast when they are
read ([ADR 14](../adr/0014-upcasting.md)). An event without a version in its metadata has version 1. The example of each version is the golden file that the
tests check.

Amounts are integer minor units of the currency beside them; money holds both. A field with *?* may be absent. Operators read events with
` + "`GET /v1/admin/events`" + `, which adds the position, stream, version, time and origin of each: the request or saga, the command, the actor.
`

// eventsPage lists events by module: the package that declares their type. The types give the fields, and the source files of the
// packages, folders of root, give the words.
func eventsPage(root string, events map[string]reflect.Type) (string, error) {
	modules := map[string][]string{}
	for _, eventType := range slices.Sorted(maps.Keys(events)) {
		_, folder, _ := strings.Cut(events[eventType].PkgPath(), "/")
		modules[folder] = append(modules[folder], eventType)
	}
	out := eventsHead
	for _, folder := range slices.Sorted(maps.Keys(modules)) {
		section, err := moduleSection(root, folder, modules[folder], events)
		if err != nil {
			return "", fmt.Errorf("module %s: %w", folder, err)
		}
		out += section
	}
	return out, nil
}

func moduleSection(root, folder string, types []string, events map[string]reflect.Type) (string, error) {
	w, err := wordsOf(filepath.Join(root, folder))
	if err != nil {
		return "", err
	}
	module := path.Base(folder)
	out, p := "\n## Module `"+module+"`\n", &parts{module: module, words: w}
	for _, eventType := range types {
		files, err := filepath.Glob(filepath.Join(root, folder, "testdata", "events", eventType+".v*.json"))
		if err != nil || len(files) == 0 {
			return "", fmt.Errorf("there is no golden file of %s", eventType)
		}
		var versions []string
		for i, file := range files {
			versions = append(versions, fmt.Sprintf("[%d](../../%s/testdata/events/%s)", i+1, folder, filepath.Base(file)))
		}
		t := events[eventType]
		out += fmt.Sprintf("\n### `%s`\n\n%s\n\nVersions: %s\n%s", eventType, p.says(t), strings.Join(versions, ", "), p.fields(t))
	}
	for i := 0; i < len(p.types); i++ { // a part may have parts
		t := p.types[i]
		out += fmt.Sprintf("\n### %s `%s`\n\n%s\n%s", module, t.Name(), p.says(t), p.fields(t))
	}
	return out, p.err
}

// parts are the structs of a module that its events consist of, in the order of their first use.
type parts struct {
	words
	module string
	types  []reflect.Type
	err    error // of all types that cannot be described
}

func (p *parts) fail(format string, args ...any) string {
	p.err = errors.Join(p.err, fmt.Errorf(format, args...))
	return ""
}

// says returns the comment of a type without the type's name: readers know the type by another name.
func (p *parts) says(t reflect.Type) string {
	said := strings.TrimPrefix(p.comments[t.Name()], t.Name())
	for _, link := range []string{": ", " says that ", " says how ", " is ", " "} {
		if rest, is := strings.CutPrefix(said, link); is {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return p.fail("%s has no comment that begins with its name", t)
}

// fields returns the table of a struct's fields; nothing when it has none.
func (p *parts) fields(t reflect.Type) string {
	out := ""
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous {
			continue
		}
		if name == "" {
			p.fail("%s.%s has no name in JSON", t, f.Name)
		}
		owner, kind := t, p.typeOf(f.Type)
		if last := len(f.Index) - 1; last > 0 { // a field of an embedded struct
			owner = t.FieldByIndex(f.Index[:last]).Type
		}
		if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
			kind += " *?*"
		}
		out += tableRow(coded(name), kind, p.comments[owner.Name()+"."+f.Name])
	}
	if out == "" {
		return ""
	}
	return "\n" + tableHead("Field", "Type", "") + out
}

var foreignTypes = map[reflect.Type]string{
	reflect.TypeFor[uuid.UUID]():       "id (UUID)",
	reflect.TypeFor[time.Time]():       "time (RFC 3339)",
	reflect.TypeFor[money.Amount]():    "money `{amount, currency}`",
	reflect.TypeFor[json.RawMessage](): "any JSON",
}

var notInAnchor = regexp.MustCompile(`[^a-z0-9 _-]`)

// typeOf says what the values of a type are in JSON.
func (p *parts) typeOf(t reflect.Type) string {
	switch {
	case foreignTypes[t] != "":
		return foreignTypes[t]
	case t.Kind() == reflect.Pointer:
		return p.typeOf(t.Elem())
	case t.Kind() == reflect.Slice:
		return "list of " + p.typeOf(t.Elem())
	case t.Kind() == reflect.Struct:
		if !slices.Contains(p.types, t) {
			p.types = append(p.types, t)
		}
		heading := strings.ToLower(p.module + " " + t.Name())
		return fmt.Sprintf("[%s](#%s)", t.Name(), strings.ReplaceAll(notInAnchor.ReplaceAllString(heading, ""), " ", "-"))
	case len(p.values[t.Name()]) > 0:
		return strings.Join(p.values[t.Name()], ", ")
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int || t.Kind() == reflect.Int64:
		return "integer"
	}
	return p.fail("the JSON of %s is unknown", t)
}

// words are what reflection does not see of a package: comments and constants.
type words struct {
	comments map[string]string   // of types ("Line") and their fields ("Line.SKU")
	values   map[string][]string // of the types whose constants are strings, without the empty string
}

// wordsOf parses the files of a package.
func wordsOf(dir string) (words, error) {
	w := words{map[string]string{}, map[string][]string{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return w, err
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return w, err
		}
		ast.Inspect(file, w.collect)
	}
	return w, nil
}

func (w words) collect(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.GenDecl:
		if len(n.Specs) == 1 && n.Tok == token.TYPE && !n.Lparen.IsValid() { // the comment belongs to the declaration
			n.Specs[0].(*ast.TypeSpec).Doc = n.Doc
		}
	case *ast.TypeSpec:
		w.comments[n.Name.Name] = oneLine(n.Doc)
		if s, is := n.Type.(*ast.StructType); is {
			for _, f := range s.Fields.List {
				for _, name := range f.Names {
					w.comments[n.Name.Name+"."+name.Name] = oneLine(f.Comment)
				}
			}
		}
	case *ast.ValueSpec:
		of, typed := n.Type.(*ast.Ident)
		if typed && len(n.Values) == 1 {
			literal, _ := n.Values[0].(*ast.BasicLit)
			if literal != nil && literal.Kind == token.STRING && literal.Value != `""` {
				text, _ := strconv.Unquote(literal.Value)
				w.values[of.Name] = append(w.values[of.Name], coded(text))
			}
		}
	}
	return true
}

func oneLine(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }
