package web

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// storable reports whether text can go into the database: PostgreSQL holds no NUL, in text or in JSON.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// inspect compares parsed JSON with the type that it is meant for, and refuses the first thing that does not belong.
func inspect(tree any, t reflect.Type) error {
	if _, object := tree.(map[string]any); t.Kind() == reflect.Struct && !object {
		return errValidation.Detailf("The body must be a JSON object.")
	}
	return inspectValue("", tree, t)
}

// inspectValue walks the tree. A nil type means that any JSON is welcome from here on; null is welcome anywhere, and
// leaves the field unset.
func inspectValue(path string, tree any, t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil && t.Kind() == reflect.Interface || t == reflect.TypeFor[json.RawMessage]() {
		t = nil
	}
	if t != nil && ownForm(t) {
		return inspectForm(path, tree, t)
	}
	switch v := tree.(type) {
	case []any:
		return inspectList(path, v, t)
	case map[string]any:
		return inspectObject(path, v, t)
	case string, json.Number, bool:
		return inspectForm(path, v, t)
	}
	return nil
}

func inspectList(path string, items []any, t reflect.Type) error {
	var element reflect.Type
	if t != nil {
		if t.Kind() != reflect.Slice && t.Kind() != reflect.Array {
			return wrongType(path, t)
		}
		element = t.Elem()
	}
	for n, item := range items {
		if err := inspectValue(path+"["+strconv.Itoa(n)+"]", item, element); err != nil {
			return err
		}
	}
	return nil
}

func inspectObject(path string, members map[string]any, t reflect.Type) error {
	var known map[string]reflect.Type
	var element reflect.Type
	switch {
	case t == nil:
	case t.Kind() == reflect.Struct:
		known = fieldsOf(t)
	case t.Kind() == reflect.Map:
		element = t.Elem()
	default:
		return wrongType(path, t)
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if !storable(name) {
			return Refused(path, "invalid", "It has a name with NUL in it.")
		}
		at := join(path, name)
		if known != nil {
			var ok bool
			if element, ok = known[name]; !ok {
				return errUnknownField.Detailf("The field %q is not known here.", at).At(at)
			}
		}
		if err := inspectValue(at, members[name], element); err != nil {
			return err
		}
	}
	return nil
}

// inspectForm tries one value on its type, so that the refusal can name the field by its whole path.
func inspectForm(path string, tree any, t reflect.Type) error {
	if s, ok := tree.(string); ok && !storable(s) {
		return Refused(path, "invalid", "It must be text without NUL.")
	}
	if t == nil {
		return nil
	}
	raw, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(raw, reflect.New(t).Interface())
	}
	if err != nil {
		return wrongType(path, t)
	}
	return nil
}

func wrongType(path string, t reflect.Type) error {
	return Refused(path, "type", "It must be "+kindName(t)+".")
}

func ownForm(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

var knownFields sync.Map // of the types of bodies, which are few: map[string]reflect.Type by reflect.Type

// fieldsOf are the types of the fields of a struct, by JSON name.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	if known, ok := knownFields.Load(t); ok {
		return known.(map[string]reflect.Type)
	}
	known := map[string]reflect.Type{}
	fields(t, known)
	knownFields.Store(t, known)
	return known
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

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
