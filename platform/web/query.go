package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
)

var errUnknownParameter = fault.New(fault.Invalid, "unknown_parameter", "The query has a parameter that is not known here.")

// Query declares the query parameters of a route. A route without a declaration takes none. A request with another parameter, or with
// one parameter twice, is refused with 422 unknown_parameter before the handler runs. A blank parameter is refused with 422
// validation_failed, since a client that computed nothing must not get the entries of everybody. An empty cursor is the first page:
//
//	s.Customer.GET("/v1/orders", m.listMine, web.Query("status", "created_after"), web.Paged)
//
// Declarations add up. The annotations of the operation (@Param … query …) name the same parameters, which a test checks.
func Query(names ...string) Option {
	return func(e *endpoint) { e.query = append(e.query, names...) }
}

// Paged declares the parameters that PageOf and CursorOf read.
func Paged(e *endpoint) { Query("limit", "cursor")(e) }

// Logged declares the parameters that AfterOf reads.
func Logged(e *endpoint) { Query("after", "limit", "cursor")(e) }

// AnyQuery accepts every query. It is for pages and assets: other sites add parameters such as utm_source to links, and a page ignores
// them.
func AnyQuery(e *endpoint) { e.anyQuery = true }

// refuseQuery refuses a query that cannot be parsed, contains text that cannot be stored, has an undeclared parameter or a blank one.
func (e *endpoint) refuseQuery(next echo.HandlerFunc) echo.HandlerFunc {
	if e.anyQuery {
		return next
	}
	return func(c echo.Context) error {
		if c.Request().URL.RawQuery == "" {
			return next(c)
		}
		if err := e.checkQuery(c.Request().URL.RawQuery); err != nil {
			return err
		}
		return next(c)
	}
}

// checkQuery parses strictly. Echo and net/url drop invalid parts, so a filter would be ignored without notice.
func (e *endpoint) checkQuery(raw string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return Refused("query", "invalid", "The query cannot be read: a percent sign needs two hexadecimal digits, and parameters are joined by &.")
	}
	for _, name := range sortedKeys(values) {
		switch {
		case !Plain(name):
			return Refused("query", "invalid", "The query has a name with control characters or invalid UTF-8.")
		case !slices.Contains(e.query, name):
			return errUnknownParameter.Detailf("There is no query parameter %q here. %s", shorten(name), e.suggest(name)).At(name)
		case len(values[name]) > 1:
			return errUnknownParameter.Detailf("The query parameter %q is given more than once.", name).At(name)
		case !Plain(values[name][0]):
			return Refused(name, "invalid", plainText)
		case name == "cursor" && values[name][0] == "": // the first page, as many clients request it
		case strings.TrimSpace(values[name][0]) == "":
			return Refused(name, "required", "It must not be blank. Leave the parameter out where there is nothing to say.")
		}
	}
	return nil
}

// suggest names the declared parameter that is similar to a wrong name, or all of them.
func (e *endpoint) suggest(wrong string) string {
	const near = 2 // edits: enough for two swapped letters
	if wrong == "" || len(e.query) == 0 {
		return e.allParameters()
	}
	best := slices.MinFunc(e.query, func(a, b string) int { return edits(wrong, a) - edits(wrong, b) })
	if len(wrong) <= len(best)+near && edits(wrong, best) <= near {
		return "Did you mean \"" + best + "\"?"
	}
	return e.allParameters()
}

func (e *endpoint) allParameters() string {
	if len(e.query) == 0 {
		return "This address takes none."
	}
	return "It takes: " + strings.Join(e.query, ", ") + "."
}

// maxNamed limits the text of a client that a problem repeats, in bytes.
const maxNamed = 100

func shorten(s string) string {
	if len(s) <= maxNamed {
		return s
	}
	return strings.ToValidUTF8(s[:maxNamed], "") + "…"
}

// edits returns the Levenshtein distance of two names, in bytes. It cuts the first one, since the client chooses its length.
func edits(a, b string) int {
	a = a[:min(len(a), maxNamed)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
