package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// kept names the data of each module.
var kept = map[string]string{"cart": "carts", "order": "orders", "payment": "payments", "saga": "sagas"}

// Time limits of the reads of a page: a silent database delays one part of a page, and not the operator.
const (
	readsWithin = 15 * time.Second
	awayWithin  = 3 * time.Second // while the database of a module is away: the read may need it
)

// getOptional is get for optional content. When its database is away it returns nothing, and the notice of the page says so.
func getOptional[T any](v *visit, path string, query url.Values) (T, error) {
	found, err := get[T](v, path, query)
	if v.lacks(err) {
		err = nil
	}
	return found, err
}

// lacks reports whether an error says that a database is away. The notice of the page then says so.
func (v *visit) lacks(err error) bool {
	if err == nil {
		return false
	}
	p := problemOf(err)
	if p.Status != http.StatusServiceUnavailable || p.Code != "unavailable" {
		return false
	}
	v.partial = true
	v.misses(p.Unavailable)
	return true
}

// misses records modules whose databases are away.
func (v *visit) misses(modules []string) {
	v.away = append(v.away, modules...)
	v.partial = v.partial || len(modules) > 0
}

// readWithin returns the time limit of a read.
func (v *visit) readWithin() time.Duration {
	if len(v.seen.Unavailable) > 0 {
		return awayWithin
	}
	return readsWithin
}

// knowsAway reports whether the database of a module was away just now.
func (v *visit) knowsAway(module string) bool { return slices.Contains(v.seen.Unavailable, module) }

// notice returns a sentence about the databases that are away, or "".
func (v *visit) notice() string {
	var names []string
	for _, module := range slices.Compact(slices.Sorted(slices.Values(append(v.away, v.seen.Unavailable...)))) {
		names = append(names, kept[module])
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
