package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// dataOf names the data of each module.
var dataOf = map[string]string{"cart": "carts", "order": "orders", "payment": "payments", "saga": "sagas"}

// Time limits of the reads of a page: a silent database delays one part of a page, and not the operator.
const (
	readLimit            = 15 * time.Second
	readLimitUnavailable = 3 * time.Second // while the database of a module is unavailable: the read may need it
)

// getOptional is get for optional content. It returns nothing when the database is unavailable. The notice of the page then says so.
func getOptional[T any](v *visit, path string, query url.Values) (T, error) {
	found, err := get[T](v, path, query)
	if v.noteUnavailable(err) {
		err = nil
	}
	return found, err
}

// noteUnavailable reports whether an error says that a database is unavailable, and adds it to the notice of the page.
func (v *visit) noteUnavailable(err error) bool {
	if err == nil {
		return false
	}
	p := problemOf(err)
	if p.Status != http.StatusServiceUnavailable || p.Code != "unavailable" {
		return false
	}
	v.partial = true
	v.addUnavailable(p.Unavailable)
	return true
}

// addUnavailable adds modules whose databases are unavailable to the notice of the page.
func (v *visit) addUnavailable(modules []string) {
	v.unavailable = append(v.unavailable, modules...)
	v.partial = v.partial || len(modules) > 0
}

// readTimeout returns the time limit of a read.
func (v *visit) readTimeout() time.Duration {
	if len(v.overview.Unavailable) > 0 {
		return readLimitUnavailable
	}
	return readLimit
}

// isUnavailable reports whether the database of a module was unavailable when the request began.
func (v *visit) isUnavailable(module string) bool {
	return slices.Contains(v.overview.Unavailable, module)
}

// notice returns a sentence about the unavailable databases, or "".
func (v *visit) notice() string {
	var names []string
	for _, module := range slices.Compact(slices.Sorted(slices.Values(append(v.unavailable, v.overview.Unavailable...)))) {
		names = append(names, dataOf[module])
	}
	last := len(names) - 1
	switch {
	case last > 0:
		return "The " + strings.Join(names[:last], ", ") + " and " + names[last] + " databases do not answer. Their data is missing here."
	case last == 0:
		return "The " + names[0] + " database does not answer. Its data is missing here."
	case v.partial:
		return "A database does not answer. Its data is missing here."
	}
	return ""
}
