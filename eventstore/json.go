package eventstore

import "strings"

// TextOf returns an SQL expression for a text or number in a JSON column, as text. It is NULL if the value is missing. All
// queries into JSON must use it: a plain ->> fails for the whole query if any document contains \u0000, because PostgreSQL
// cannot store NUL in text. The expression replaces NUL with a space.
func TextOf(column string, path ...string) string {
	text := column + "::text"
	return `((case when strpos(` + text + `, '\u0000') = 0 then ` + column + ` else replace(` + text + `, '\u0000', '\u0020')::json end)` +
		`#>>'{` + strings.Join(path, ",") + `}')`
}
