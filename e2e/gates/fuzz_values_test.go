package gates

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// values draws what a schema of the API document describes, and now and then what it nearly describes.
type values struct {
	*rapid.T
	known map[string][]string // things that there are, by the name of the member or parameter that means them
	wrong int                 // of 100 values, so many are not what the schema says
}

// one is true one time of so many, or less often: rapid prefers small numbers.
func (v values) one(of int, what string) bool {
	return rapid.IntRange(1, of).Draw(v.T, what) == of
}

func (v values) percent(n int, what string) bool {
	return rapid.IntRange(1, 100).Draw(v.T, what) > 100-n
}

func pick[V any](v values, what string, from ...V) V { return rapid.SampledFrom(from).Draw(v.T, what) }

// of draws a value of a schema that stands under a name.
func (v values) of(s *openapi3.Schema, name string) any {
	if v.percent(v.wrong, name+" is off") {
		return v.off(s, name)
	}
	if len(s.AllOf) > 0 {
		return v.of(s.AllOf[0].Value, name)
	}
	switch {
	case s.Nullable && v.one(4, name+" is null"):
		return nil
	case len(s.Enum) > 0:
		return pick(v, name, s.Enum...)
	case s.Type.Is(openapi3.TypeBoolean):
		return rapid.Bool().Draw(v.T, name)
	case s.Type.Is(openapi3.TypeInteger), s.Type.Is(openapi3.TypeNumber):
		return v.number(s, name)
	case s.Type.Is(openapi3.TypeString):
		return v.text(s, name)
	case s.Type.Is(openapi3.TypeArray):
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(v.T, "length of "+name) {
			list = append(list, v.of(s.Items.Value, name))
		}
		return list
	}
	return v.object(s, name)
}

func (v values) object(s *openapi3.Schema, name string) any {
	object := map[string]any{}
	var members []string
	for member := range s.Properties {
		members = append(members, member)
	}
	slices.Sort(members) // or the draws would differ from run to run
	for _, member := range members {
		if slices.Contains(s.Required, member) || rapid.Bool().Draw(v.T, "with "+member) {
			object[member] = v.of(s.Properties[member].Value, member)
		}
	}
	if len(members) == 0 {
		for range rapid.IntRange(0, 2).Draw(v.T, "members of "+name) {
			object[v.word("member")] = pick[any](v, "member's value", 1, "x", nil, []any{}, map[string]any{"deep": []any{1.5, true}})
		}
	}
	return object
}

func (v values) number(s *openapi3.Schema, name string) any {
	from, to := int64(-10_000), int64(10_000)
	if s.Min != nil {
		from = int64(*s.Min)
	}
	if s.Max != nil {
		to = int64(*s.Max)
	}
	return pick(v, name, from, to, min(from+1, to), min(to, 500), rapid.Int64Range(from, to).Draw(v.T, name+" at random"))
}

func (v values) text(s *openapi3.Schema, name string) any {
	if known := v.known[name]; len(known) > 0 && !v.one(6, name+" is new") {
		return pick(v, name, known...)
	}
	switch s.Format {
	case "uuid":
		return v.id()
	case "date-time":
		return "2026-03-02T12:00:00Z"
	case "date":
		return pick(v, name, "2026-03-02", "0001-01-01", "9999-12-31")
	case "email":
		return pick(v, name, "ada@example.com", "grace+tag@example.co.uk")
	}
	if s.Pattern == "^[A-Z]{3}$" {
		return pick(v, name, "GBP", "GBP", "GBP", "GBP", "GBP", "GBP", "EUR", "JPY", "XXX")
	}
	word := v.word(name)
	if s.MaxLength != nil && uint64(len(word)) > *s.MaxLength {
		word = word[:*s.MaxLength]
	}
	return word
}

// id is one that nothing has, of any version.
func (v values) id() string {
	raw := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(v.T, "id")
	raw[6], raw[8] = 0x10*(1+raw[6]%8)|raw[6]&0x0f, 0x80|raw[8]&0x3f
	return uuid.UUID(raw).String()
}

func (v values) word(what string) string {
	return pick(v, what, "x", "TEAPOT", "Tea pot, blue", "Krug für Tee", "☕", "a'b\"c", "%", "-1", "0", "null", strings.Repeat("w", 64),
		rapid.StringN(1, 12, 64).Draw(v.T, what+" at random"))
}

// off is what the schema does not say, or says nothing about.
func (v values) off(s *openapi3.Schema, name string) any {
	object, _ := v.object(s, name).(map[string]any)
	object["unknown"] = 1
	return pick[any](v, name+", off", nil, "", 0, -1, 1.5, true, []any{}, map[string]any{}, object, "\x00", "a\x00b", "\u202e", strings.Repeat("é", 5000),
		int64(math.MaxInt64), int64(math.MinInt64), float64(1<<53), 1e300, "not-a-uuid", uuid.Nil.String(), "2026-02-30T25:61:00Z",
		[]any{nil, nil}, map[string]any{name: nil})
}

// flat is a value as it stands in a path, a query or a header.
func flat(value any) string {
	switch value := value.(type) {
	case string:
		return value
	case nil:
		return "null"
	}
	return fmt.Sprint(value)
}
