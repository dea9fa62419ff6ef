package web

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const plainText = "It must be valid UTF-8 without control characters."

// Plain reports whether text from outside may be stored and shown: valid UTF-8 without control characters. PostgreSQL cannot
// hold NUL, and the others do harm in terminals, logs and CSV files. Tab and newline are control characters too.
func Plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) }

// plainLines is Plain for free text of several lines: tab, newline and carriage return may stand in it.
func plainLines(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t'
	})
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
