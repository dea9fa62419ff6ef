package migrations

import (
	"regexp"
	"strings"
)

// Statement is one SQL statement of a migration.
type Statement struct {
	Line int    // in the file, from 1
	SQL  string // without comments and without the semicolon
}

// Statements splits the text of a migration at its semicolons. It does not know quotes: semicolons and double hyphens in quotes
// split the text too.
func Statements(text string) []Statement {
	var all []Statement
	line := 1
	for part := range strings.SplitSeq(comment.ReplaceAllString(text, ""), ";") {
		trimmed := strings.TrimLeft(part, " \t\r\n")
		blank := part[:len(part)-len(trimmed)]
		if trimmed != "" {
			all = append(all, Statement{line + strings.Count(blank, "\n"), strings.TrimSpace(trimmed)})
		}
		line += strings.Count(part, "\n")
	}
	return all
}

var comment = regexp.MustCompile(`--[^\n]*`)

// Index is an index that a migration builds concurrently.
type Index struct {
	Name, Table string
	Unique      bool
	On          string // the text after the name of the table: the columns and the condition
}

// Index reads "create index concurrently <name> on <table> …". It reports false for any other statement.
func (s Statement) Index() (Index, bool) {
	m := concurrently.FindStringSubmatch(s.SQL)
	if m == nil {
		return Index{}, false
	}
	return Index{Name: m[2], Table: m[3], Unique: m[1] != "", On: m[4]}, true
}

var concurrently = regexp.MustCompile(`(?is)^create\s+(unique\s+)?index\s+concurrently\s+([a-z_0-9]+)\s+on\s+([a-z_0-9]+)\s*([^a-z_0-9\s].*)$`)

// Indexes returns the indexes that a migration builds concurrently. Such a migration holds nothing else and runs outside a
// transaction. Indexes returns nil for any other migration.
func Indexes(text string) []Index {
	var all []Index
	for _, s := range Statements(text) {
		index, ok := s.Index()
		if !ok {
			return nil
		}
		all = append(all, index)
	}
	return all
}
