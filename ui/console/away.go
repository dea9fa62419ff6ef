package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// kept are what the databases of the modules keep.
var kept = map[string]string{"cart": "carts", "order": "orders", "payment": "payments", "saga": "sagas"}

// What bounds each read of a page: a database that says nothing holds up one part of a page, and not the operator.
const (
	readsWithin = 15 * time.Second
	awayWithin  = 3 * time.Second // while the database of a module is away: it may be the one that is read
)

// getOptional is get for what a page can do without. Where its database is away it finds nothing, and the notice of the page says so.
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

// misses takes in that the databases of modules are away.
func (v *visit) misses(modules []string) {
	v.away = append(v.away, modules...)
	v.partial = v.partial || len(modules) > 0
}

// readWithin is how long a read may take.
func (v *visit) readWithin() time.Duration {
	if len(v.seen.Unavailable) > 0 {
		return awayWithin
	}
	return readsWithin
}

// knowsAway reports whether the database of a module was away just now.
func (v *visit) knowsAway(module string) bool { return slices.Contains(v.seen.Unavailable, module) }

// notice says which databases are away; "" where none is.
func (v *visit) notice() string {
	var names []string
	for _, module := range slices.Compact(slices.Sorted(slices.Values(append(v.away, v.seen.Unavailable...)))) {
		names = append(names, kept[module])
	}
	last := len(names) - 1
	switch {
	case last > 0:
		return "The " + strings.Join(names[:last], ", ") + " and " + names[last] + " databases do not answer. What stands here leaves them out."
	case last == 0:
		return "The " + names[0] + " database does not answer. What stands here leaves it out."
	case v.partial:
		return "A database does not answer. What stands here leaves it out."
	}
	return ""
}
