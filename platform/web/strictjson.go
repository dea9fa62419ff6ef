package web

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decode reads exactly one JSON object into the struct that target points to. It is strict (RFC 8259, I-JSON): it refuses duplicate
// names, invalid UTF-8, names that the struct does not declare in this letter case, and control characters in any text. That holds
// inside raw members too. Every refusal names the wrong field by its path.
func decode(raw []byte, target any) error {
	t := reflect.TypeOf(target).Elem()
	if err := checkSyntax(raw, formOf(t)); err != nil {
		return err
	}
	if jsontext.Value(raw).Kind() != jsontext.KindBeginObject {
		return errValidation.Detailf("The body must be a JSON object.")
	}
	if err := json.Unmarshal(raw, target, json.RejectUnknownMembers(true)); err != nil {
		return semanticRefusal(err)
	}
	return refuseNulls(raw, t)
}

// checkSyntax reads one JSON value to its end and checks its text and its numbers.
func checkSyntax(raw []byte, f form) error {
	if !utf8.Valid(raw) {
		return errMalformedJSON.Detailf("The body is not valid UTF-8.")
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return errMalformedJSON.Detailf("The body is empty, and must be a JSON object.")
	}
	d := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(d)
	d.Reset(bytes.NewBuffer(raw)) // which the decoder reads in place
	var lists []list
	for {
		parent, members := d.StackIndex(d.StackDepth())
		isName := parent == jsontext.KindBeginObject && members%2 == 0
		token, err := d.ReadToken()
		if err != nil {
			return syntaxRefusal(err)
		}
		if token.Kind() == jsontext.KindString {
			if err := checkText(d, token.String(), isName, f); err != nil {
				return err
			}
		}
		if token.Kind() == jsontext.KindNumber && len(f.raw) > 0 && f.raw[topMember(d)] {
			if err := checkNumber(d, token.String()); err != nil {
				return err
			}
		}
		if lists, err = checkList(d, parent, token, lists); err != nil {
			return err
		}
		if d.StackDepth() == 0 {
			break
		}
	}
	if len(bytes.Trim(raw[d.InputOffset():], "\t\n\r ")) > 0 {
		return errMalformedJSON.Detailf("The body goes on after its JSON value.")
	}
	return nil
}

// decoders holds decoders for reuse, since a new one takes 500 bytes.
var decoders = sync.Pool{New: func() any { return jsontext.NewDecoder(&bytes.Buffer{}) }}

// list contains the strings and the numbers of a JSON list while it is read.
type list []string

// checkList refuses a list whose members form a card number together. d has just read a token in parent. It returns the open lists,
// innermost last.
func checkList(d *jsontext.Decoder, parent jsontext.Kind, token jsontext.Token, lists []list) ([]list, error) {
	last := len(lists) - 1
	//exhaustive:ignore // the others have no digits
	switch kind := token.Kind(); kind {
	case jsontext.KindBeginArray:
		return append(lists, nil), nil
	case jsontext.KindEndArray:
		if hasCardNumber(strings.Join(lists[last], ",")) {
			return nil, errCardNumber.At(pathOf(d.StackPointer()))
		}
		return lists[:last], nil
	case jsontext.KindString, jsontext.KindNumber:
		if parent != jsontext.KindBeginArray {
			break
		}
		text := token.String()
		if kind == jsontext.KindNumber {
			text = wholePart(text)
		}
		lists[last] = append(lists[last], text)
	}
	return lists, nil
}

// checkText checks a name or a string that d has just read.
func checkText(d *jsontext.Decoder, text string, isName bool, f form) error {
	if Plain(text) && !hasCardNumber(text) {
		return nil
	}
	at := d.StackPointer()
	if !Plain(text) {
		switch {
		case isName:
			return Refused(pathOf(at.Parent()), "invalid", "It has a name with control characters.")
		case d.StackDepth() > 1 || !f.lines[at.LastToken()]:
			return Refused(pathOf(at), "invalid", plainText)
		case !plainLines(text):
			return Refused(pathOf(at), "invalid", "It must be text without control characters other than tab and newline.")
		}
	}
	switch {
	case f.own[topMember(d)] || !hasCardNumber(text):
		return nil
	case isName:
		return errCardNumber.At(pathOf(at.Parent())) // report the parent: the name holds the card number
	case isPhone(at.LastToken(), text):
		return nil
	}
	return errCardNumber.At(pathOf(at))
}

// Depth returns the number of nested levels of a valid JSON value: 0 for a string, 1 for {}.
func Depth(raw []byte) int {
	depth := 0
	for d := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); ; depth = max(depth, d.StackDepth()) {
		if _, err := d.ReadToken(); err != nil {
			return depth
		}
	}
}

// topMember returns the name of the body's member that d is in.
func topMember(d *jsontext.Decoder) string {
	for token := range d.StackPointer().Tokens() {
		return token
	}
	return ""
}

// form describes the text of a body's members, by their names.
type form struct {
	lines map[string]bool // tag `text:"lines"`: free text of several lines, such as a reason
	own   map[string]bool // tag `text:"own"`: text of the shop or the program, such as a SKU. A bar code may look like a card number
	raw   map[string]bool // JSON of any form
}

// forms holds the result of formOf for each type.
var forms sync.Map

func formOf(t reflect.Type) form {
	if known, ok := forms.Load(t); ok {
		return known.(form)
	}
	f := form{lines: map[string]bool{}, own: map[string]bool{}, raw: map[string]bool{}}
	for _, field := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch field.Tag.Get("text") {
		case "lines":
			f.lines[name] = true
		case "own":
			f.own[name] = true
		}
		if field.Type == reflect.TypeFor[stdjson.RawMessage]() || field.Type == reflect.TypeFor[jsontext.Value]() {
			f.raw[name] = true
		}
	}
	forms.Store(t, f)
	return f
}

func syntaxRefusal(err error) error {
	var wrong *jsontext.SyntacticError
	switch {
	case !errors.As(err, &wrong):
		return errMalformedJSON.Detailf("The body ends before its JSON value does.")
	case errors.Is(err, jsontext.ErrDuplicateName):
		at := pathOf(wrong.JSONPointer)
		return errMalformedJSON.Detailf("The name %q is given more than once.", shorten(at)).At(at)
	}
	return errMalformedJSON.Detailf("The body is not one JSON value: it cannot be read after byte %d.", wrong.ByteOffset)
}

// semanticRefusal names a field that has a wrong type or is unknown.
func semanticRefusal(err error) error {
	var wrong *json.SemanticError
	switch {
	case !errors.As(err, &wrong):
		return errValidation.Detailf("The body holds a value of the wrong form.")
	case errors.Is(err, json.ErrUnknownName):
		at := pathOf(wrong.JSONPointer)
		return errUnknownField.Detailf("The field %q is not known here.", shorten(at)).At(at)
	}
	wanted := "of another form"
	switch {
	case wrong.GoType == nil:
	case isWhole(wrong.GoType):
		wanted = "a whole number, such as 2" + wrongNumber(wrong.JSONKind, wrong.JSONValue)
	default:
		wanted = kindName(wrong.GoType)
	}
	return Refused(pathOf(wrong.JSONPointer), "type", "It must be "+wanted+".")
}

// wrongNumber says how to turn a value into a whole number. 1.0 is refused too, since its sender may mean pounds where the API expects
// pence.
func wrongNumber(kind jsontext.Kind, value jsontext.Value) string {
	switch {
	case kind == jsontext.KindString:
		return ", without quotes"
	case kind != jsontext.KindNumber:
		return ""
	case strings.ContainsAny(string(value), ".eE"):
		return ", without a decimal point or an exponent"
	}
	return ", and in range"
}

// pathOf returns a place in a body as problems name it: lines[1].sku. The body is an object, so its first member is never an index.
func pathOf(p jsontext.Pointer) string {
	var path strings.Builder
	for token := range p.Tokens() {
		switch {
		case path.Len() == 0:
			path.WriteString(token)
		case isIndex(token):
			path.WriteString("[" + token + "]")
		default:
			path.WriteString("." + token)
		}
	}
	return path.String()
}

func isIndex(token string) bool {
	return token != "" && strings.Trim(token, "0123456789") == ""
}
