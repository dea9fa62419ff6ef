package eventstore

import "strings"

// TextOf is an SQL expression for one text or number within a JSON column, as text: null where it is missing. Every query
// takes what it needs from JSON by it. A bare ->> fails for the whole query where any document holds \u0000 anywhere, since
// no text of PostgreSQL holds NUL; here such a NUL is read as a space.
func TextOf(column string, path ...string) string {
	text := column + "::text"
	return `((case when strpos(` + text + `, '\u0000') = 0 then ` + column + ` else replace(` + text + `, '\u0000', '\u0020')::json end)` +
		`#>>'{` + strings.Join(path, ",") + `}')`
}
