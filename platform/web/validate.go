package web

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-playground/validator/v10"

	"shopping-cart/platform/email"
	"shopping-cart/platform/fault"
	"shopping-cart/platform/money"
)

var errValidation = fault.New(fault.Invalid, "validation_failed", "The request was understood, but some of it is wrong.")

// Refused returns a 422 validation_failed for one field, with a code and a sentence.
func Refused(field, code, detail string) *fault.Fault {
	f := *errValidation
	f.Fields = []fault.Field{{Field: field, Code: code, Detail: detail}}
	return &f
}

// EndedCurrency refuses a currency that is no longer in use with 422 validation_failed. It is for new resources.
func EndedCurrency(field, code string) error {
	if money.Successor(code) != "" {
		return Refused(field, "currency", currencyRule(code))
	}
	return nil
}

// currencyRule returns the reason why a currency is refused.
func currencyRule(code string) string {
	if successor := money.Successor(code); successor != "" {
		return code + " is not a currency any more. Use " + successor + "."
	}
	return "It must be an ISO 4217 currency, such as GBP."
}

// MaxSKU is the longest SKU, in characters.
const MaxSKU = 64

// skuRule describes the SKUs that ValidSKU accepts.
const skuRule = "It must be 1 to 64 printable characters without a slash, not . or .., without a space or an invisible character at either end."

// ValidSKU reports whether s can be the SKU of a new product. It may contain spaces and umlauts. Clients remove the segments "." and
// ".." from a path, so no browser could address these, and a space at either end is invisible.
func ValidSKU(s string) bool {
	if !storedSKU(s) || s == "." || s == ".." {
		return false
	}
	first, _ := utf8.DecodeRuneInString(s)
	last, _ := utf8.DecodeLastRuneInString(s)
	return !blank(first) && !blank(last)
}

// ErrSKU refuses an invalid SKU with 422 validation_failed.
var ErrSKU = Refused("sku", "sku", skuRule)

// blank reports whether a printable character shows nothing: a space, a filler, a variation selector, an empty Braille pattern.
func blank(r rune) bool {
	return r == ' ' || r == '\u2800' || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// storedSKU reports whether s can be a stored SKU. Older versions accepted more than ValidSKU does.
func storedSKU(s string) bool {
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > MaxSKU || strings.TrimSpace(s) == "" {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r == '/' || !unicode.IsPrint(r) })
}

// hasVisible reports whether text has a visible character, and not only spaces, fillers, control and format characters.
func hasVisible(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsPrint(r) && !blank(r) })
}

var checker = newChecker()

func newChecker() *validator.Validate {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return name
	})
	validEmail := func(address string) bool { return email.Flaw(address) == "" }
	for tag, valid := range map[string]func(string) bool{"sku": ValidSKU, "currency": money.ValidCurrency, "email": validEmail, "visible": hasVisible} {
		check := func(l validator.FieldLevel) bool { return valid(l.Field().String()) }
		if err := v.RegisterValidation(tag, check); err != nil {
			panic(err) // an empty tag
		}
	}
	return v
}

// validate checks the tags of a struct and names every wrong field.
func validate(body any) error {
	err := checker.Struct(body)
	if err == nil {
		return nil
	}
	var wrong validator.ValidationErrors
	if !errors.As(err, &wrong) { // body is not a struct
		return nil
	}
	f := *errValidation
	for _, w := range wrong {
		_, path, _ := strings.Cut(w.Namespace(), ".")
		f.Fields = append(f.Fields, fault.Field{Field: path, Code: w.Tag(), Detail: sentence(w)})
	}
	return &f
}

// sentence describes the requirement of a tag in plain English.
func sentence(w validator.FieldError) string {
	switch w.Tag() {
	case "required":
		return "It is required."
	case "visible":
		return "It must contain a visible character."
	case "sku":
		return skuRule
	case "currency":
		return currencyRule(fmt.Sprint(w.Value()))
	case "email":
		return email.Flaw(fmt.Sprint(w.Value()))
	case "oneof":
		return "It must be one of: " + strings.Join(strings.Fields(w.Param()), ", ") + "."
	case "min", "gte":
		return "It must be at least " + measure(w) + "."
	case "max", "lte":
		return "It must be at most " + measure(w) + "."
	}
	return "It is not valid."
}

// measure returns the limit with its unit.
func measure(w validator.FieldError) string {
	unit := ""
	//exhaustive:ignore // numbers have no unit
	switch w.Kind() {
	case reflect.String:
		unit = " character"
	case reflect.Slice, reflect.Array, reflect.Map:
		unit = " item"
	}
	if unit != "" && w.Param() != "1" {
		unit += "s"
	}
	return w.Param() + unit
}

// isWhole reports whether a Go type is a whole number.
func isWhole(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64
}

// kindName describes in plain English the JSON of a Go type that isWhole does not hold for.
func kindName(t reflect.Type) string {
	switch t.String() {
	case "uuid.UUID":
		return "a UUID"
	case "time.Time":
		return "a time in RFC 3339, such as 2026-01-31T12:00:00Z"
	}
	//exhaustive:ignore // JSON has no others
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "of another form"
}
