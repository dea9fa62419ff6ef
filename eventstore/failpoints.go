package eventstore

import (
	"slices"
	"strings"

	"shopping-cart/platform/failpoint"
)

// reach tells of everything in a batch that it is about to be committed, or is: a test that waits for one event need not know
// what else came to be in its batch.
func reach(at failpoint.Point, works ...*storeBatch) {
	for _, w := range works {
		for _, e := range w.events {
			failpoint.Reach(at, e.Kind)
		}
		for _, s := range w.extraSQL {
			words := strings.Fields(s.sql)
			table := slices.IndexFunc(words, func(word string) bool { return strings.Contains(word, ".") })
			failpoint.Reach(at, words[0]+" "+words[table]) // as "insert orders.contacts"
		}
		for range w.handled {
			failpoint.Reach(at, w.store.schema+".outbox")
		}
	}
}
