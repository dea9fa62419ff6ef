package web

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// storable reports whether text can go into the database: PostgreSQL holds no NUL, in text or in JSON.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// inspect compares parsed JSON with the type that it is meant for, and refuses the first thing that does not belong.
func inspect(tree any, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if _, object := tree.(map[string]any); t.Kind() == reflect.Struct && !object {
		return errValidation.Detailf("The body must be a JSON object.")
	}
	return (&inspector{}).value("", tree, t)
}

type inspector struct{}

// value walks the tree. A nil type means that any JSON is welcome from here on.
func (i *inspector) value(path string, tree any, t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil && ownForm(t) {
		return i.form(path, tree, t)
	}
	switch v := tree.(type) {
	case string:
		if !storable(v) {
			return Refused(path, "invalid", "It must be text without NUL.")
		}
	case []any:
		return i.list(path, v, t)
	case map[string]any:
		return i.object(path, v, t)
	}
	return nil
}

func (i *inspector) list(path string, items []any, t reflect.Type) error {
	var element reflect.Type
	if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
		element = t.Elem()
	}
	for n, item := range items {
		if err := i.value(path+"["+strconv.Itoa(n)+"]", item, element); err != nil {
			return err
		}
	}
	return nil
}

func (i *inspector) object(path string, members map[string]any, t reflect.Type) error {
	var known map[string]reflect.Type
	var element reflect.Type
	switch {
	case t != nil && t.Kind() == reflect.Struct:
		known = map[string]reflect.Type{}
		fields(t, known)
	case t != nil && t.Kind() == reflect.Map:
		element = t.Elem()
	}
	for _, name := range sortedNames(members) {
		at := join(path, name)
		if !storable(name) {
			return Refused(path, "invalid", "It has a name with NUL in it.")
		}
		if known != nil {
			next, ok := known[name]
			if !ok {
				return errUnknownField.Detailf("The field %q is not known here.", at).At(at)
			}
			element = next
		}
		if err := i.value(at, members[name], element); err != nil {
			return err
		}
	}
	return nil
}

// form tries a value on a type that reads itself, such as an id or a time, so that the refusal can name the field.
func (i *inspector) form(path string, tree any, t reflect.Type) error {
	if s, ok := tree.(string); ok && !storable(s) {
		return Refused(path, "invalid", "It must be text without NUL.")
	}
	raw, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(raw, reflect.New(t).Interface())
	}
	if err != nil {
		return Refused(path, "type", "It must be "+kindName(t)+".")
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		return i.value(path, tree, nil)
	}
	return nil
}

func ownForm(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// fields collects the JSON names of a struct, those of embedded structs included.
func fields(t reflect.Type, known map[string]reflect.Type) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
		case f.Anonymous && name == "" && f.Type.Kind() == reflect.Struct:
			fields(f.Type, known)
		case f.IsExported() && name == "":
			known[f.Name] = f.Type
		case f.IsExported():
			known[name] = f.Type
		}
	}
}

func sortedNames(members map[string]any) []string {
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
