package main

import (
	"errors"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const eventsHead = `# Events

What the logs hold, for ever. A kind never changes; when its JSON does, that is a new version of its schema, and what is older is lifted when it is read
([ADR 14](../adr/0014-upcasting.md)). Version 1 is what has none in its metadata. The example of each version is the golden file that the tests hold it to.

Amounts are integer minor units of the currency that stands beside them; money has both. A field with *?* may be absent. Operators read events with
` + "`GET /v1/admin/events`" + `; beside each stand its position, stream, version and time, and where it came from: the request or saga, the command, the actor.
`

// eventModules are the packages that write events, in the order of a checkout.
var eventModules = []string{"cart", "order", "payment", "saga"}

// kindOfEvent is a kind of event, and its type in Go.
type kindOfEvent struct{ kind, goType string }

// events is the page of the events, read from the types that they have in the code.
func events(root string) (string, error) {
	out, found := eventsHead, 0
	for _, name := range eventModules {
		if _, err := os.Stat(filepath.Join(root, name)); errors.Is(err, os.ErrNotExist) {
			continue
		}
		code, err := read(root, name)
		if err != nil {
			return "", err
		}
		text, n, err := code.eventsPage(root)
		if err != nil {
			return "", err
		}
		out, found = out+text, found+n
	}
	if found == 0 {
		return "", errors.New("no package declares an event")
	}
	return out, nil
}

func (f *folder) eventsPage(root string) (string, int, error) {
	kinds, parts := f.kinds(), &partsOf{folder: f}
	out := "\n## Module `" + f.name + "`\n"
	for _, k := range kinds {
		text, err := f.event(root, k, parts)
		if err != nil {
			return "", 0, err
		}
		out += text
	}
	for i := 0; i < len(parts.names); i++ { // a part may have parts
		name := parts.names[i]
		fields, err := f.fields(name, parts)
		if err != nil {
			return "", 0, err
		}
		out += fmt.Sprintf("\n### %s `%s`\n\n%s\n\n%s", f.name, name, f.says(name), fields)
	}
	return out, len(kinds), nil
}

// kinds are the kinds of the package, in the order of its code.
func (f *folder) kinds() (all []kindOfEvent) {
	for _, file := range f.files {
		for _, d := range file.Decls {
			fun, is := d.(*ast.FuncDecl)
			if !is || fun.Name.Name != "Kind" || fun.Recv == nil || len(fun.Body.List) != 1 {
				continue
			}
			r, is := fun.Body.List[0].(*ast.ReturnStmt)
			if !is || len(r.Results) != 1 {
				continue
			}
			receiver, named := fun.Recv.List[0].Type.(*ast.Ident)
			if kind, is := f.text(r.Results[0]); is && named && strings.Contains(kind, ".") {
				all = append(all, kindOfEvent{kind, receiver.Name})
			}
		}
	}
	return all
}

// event is the section of one kind.
func (f *folder) event(root string, k kindOfEvent, parts *partsOf) (string, error) {
	if f.docs[k.goType] == "" {
		return "", fmt.Errorf("%s: %s says nothing about itself", f.dir, k.goType)
	}
	version := 1 + f.upcasts(k.goType)
	var examples []string
	for v := 1; v <= version; v++ {
		file := fmt.Sprintf("%s/testdata/events/%s.v%d.json", f.dir, k.kind, v)
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			return "", fmt.Errorf("the example of %s: %w", k.kind, err)
		}
		examples = append(examples, fmt.Sprintf("[%d](../../%s)", v, file))
	}
	fields, err := f.fields(k.goType, parts)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("\n### `%s`\n\n%s\n\nVersions: %s\n%s", k.kind, f.says(k.goType), strings.Join(examples, ", "), prefixed("\n", fields)), nil
}

// says is what a type says of itself, without its name: it has another one for readers.
func (f *folder) says(goType string) string {
	said := strings.TrimPrefix(f.docs[goType], goType)
	for _, link := range []string{": ", " says that ", " says how ", " is ", " "} {
		if rest, is := strings.CutPrefix(said, link); is {
			said = rest
			break
		}
	}
	return strings.ToUpper(said[:1]) + said[1:]
}

func prefixed(with, text string) string {
	if text == "" {
		return ""
	}
	return with + text
}

// upcasts counts how often the schema of an event has changed: Upcasts has an entry <type>{}.Kind() with that many.
func (f *folder) upcasts(goType string) (n int) {
	for _, file := range f.files {
		ast.Inspect(file, func(node ast.Node) bool {
			pair, is := node.(*ast.KeyValueExpr)
			if !is {
				return true
			}
			call, is := pair.Key.(*ast.CallExpr)
			lifts, too := pair.Value.(*ast.CompositeLit)
			if !is || !too {
				return true
			}
			if s, is := call.Fun.(*ast.SelectorExpr); is && s.Sel.Name == "Kind" {
				if l, is := s.X.(*ast.CompositeLit); is {
					if name, is := l.Type.(*ast.Ident); is && name.Name == goType {
						n = len(lifts.Elts)
					}
				}
			}
			return true
		})
	}
	return n
}

// partsOf are the types of a package that events are made of, in the order in which they are met.
type partsOf struct {
	*folder
	names []string
}

func (p *partsOf) add(name string) {
	if !slices.Contains(p.names, name) {
		p.names = append(p.names, name)
	}
}

// fields are the fields of a struct as a table; none, no table.
func (f *folder) fields(goType string, parts *partsOf) (string, error) {
	s, err := f.structOf(goType)
	if err != nil {
		return "", err
	}
	rows, n := newTable("Field", "Type", ""), 0
	var add func(*ast.StructType) error
	add = func(s *ast.StructType) error {
		for _, field := range s.Fields.List {
			if len(field.Names) == 0 { // embedded: its fields stand beside ours
				inner, err := f.structOf(field.Type.(*ast.Ident).Name)
				if err == nil {
					err = add(inner)
				}
				if err != nil {
					return err
				}
				continue
			}
			name, more, _ := strings.Cut(tag(field, "json"), ",")
			if name == "" {
				return fmt.Errorf("%s: a field of %s has no name in JSON", f.dir, goType)
			}
			kind, err := parts.typeOf(field.Type)
			if err != nil {
				return err
			}
			if strings.Contains(more, "omitempty") || strings.Contains(more, "omitzero") {
				kind += " *?*"
			}
			rows.row(coded(name), kind, strings.TrimPrefix(sentences(field.Comment), "// "))
			n++
		}
		return nil
	}
	if err := add(s); err != nil || n == 0 {
		return "", err
	}
	return rows.String(), nil
}

var foreignTypes = map[string]string{
	"uuid.UUID": "id (UUID)", "time.Time": "time (RFC 3339)", "money.Amount": "money `{amount, currency}`", "json.RawMessage": "any JSON",
}

// typeOf says what a Go type is in JSON.
func (p *partsOf) typeOf(e ast.Expr) (string, error) {
	switch e := e.(type) {
	case *ast.StarExpr:
		return p.typeOf(e.X)
	case *ast.ArrayType:
		of, err := p.typeOf(e.Elt)
		return "list of " + of, err
	case *ast.SelectorExpr:
		name := e.X.(*ast.Ident).Name + "." + e.Sel.Name
		if known := foreignTypes[name]; known != "" {
			return known, nil
		}
		return "", fmt.Errorf("%s: what is %s in JSON?", p.dir, name)
	case *ast.Ident:
		return p.named(e.Name)
	}
	return "", fmt.Errorf("%s: an event has a field of a type that is new here: %T", p.dir, e)
}

var notInAnchor = regexp.MustCompile(`[^a-z0-9 _-]`)

// anchor is what a heading is linked by.
func anchor(heading string) string {
	return strings.ReplaceAll(notInAnchor.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}

func (p *partsOf) named(name string) (string, error) {
	switch name {
	case "string":
		return "text", nil
	case "bool":
		return "true or false", nil
	case "int", "int64":
		return "integer", nil
	}
	spec := p.types[name]
	if spec == nil {
		return "", fmt.Errorf("%s: there is no type %s", p.dir, name)
	}
	if _, is := spec.Type.(*ast.StructType); is {
		p.add(name)
		return fmt.Sprintf("[%s](#%s)", name, anchor(p.name+" `"+name+"`")), nil
	}
	values := p.valuesOf(name)
	if len(values) == 0 {
		return p.typeOf(spec.Type)
	}
	return strings.Join(values, ", "), nil
}

// valuesOf are the values of a type of words, in code; the empty one is ours alone.
func (f *folder) valuesOf(goType string) (values []string) {
	for v := range f.values() {
		named, is := v.Type.(*ast.Ident)
		if text, too := f.text(v.Values[0]); is && too && named.Name == goType && text != "" {
			values = append(values, coded(text))
		}
	}
	return values
}
