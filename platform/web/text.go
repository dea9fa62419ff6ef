package web

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const plainText = "It must be valid UTF-8 without control characters."

// Plain reports whether text may be stored and shown: it is valid UTF-8 without control characters, tab and newline included.
// PostgreSQL cannot store NUL, and the others do harm in terminals, logs and CSV files.
func Plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

// plainLines is Plain for text of several lines: tab, newline and carriage return are allowed.
func plainLines(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t'
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
