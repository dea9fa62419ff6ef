package web

import (
	"bytes"
	"reflect"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// refuseNulls refuses null for every member that a struct declares. After decoding, null looks like an absent member, and absence has a
// meaning: a refund without an amount refunds everything. A client that computed null must not cause that. Null may stand inside raw
// members but not in place of one.
func refuseNulls(raw []byte, t reflect.Type) error {
	if !bytes.Contains(raw, []byte("null")) {
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(raw))
	for {
		token, err := d.ReadToken()
		if err != nil { // the end, since the syntax was checked before
			return nil
		}
		if at := d.StackPointer(); token.Kind() == jsontext.KindNull && !nullable(t, at) {
			return Refused(pathOf(at), "null", "It must not be null. Give it a value, or leave it out where it is optional.")
		}
	}
}

// nullable reports whether null may stand at a place of a body.
func nullable(t reflect.Type, at jsontext.Pointer) bool {
	for token := range at.Tokens() {
		if free(t) {
			return true
		}
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		//exhaustive:ignore // the others have no members
		switch t.Kind() {
		case reflect.Struct:
			t = memberOf(t, token)
		case reflect.Slice, reflect.Array, reflect.Map:
			t = t.Elem()
		default:
			return false
		}
		if t == nil {
			return false
		}
	}
	return false
}

// free reports whether a type accepts any JSON.
func free(t reflect.Type) bool {
	return t.Kind() == reflect.Interface || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// memberOf returns the type of a struct's field by its name in JSON, or nil.
func memberOf(t reflect.Type, name string) reflect.Type {
	for _, f := range reflect.VisibleFields(t) {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return f.Type
		}
	}
	return nil
}
