package eventstore

import (
	"slices"
	"strings"

	"shopping-cart/platform/failpoint"
)

// reach reports every event, statement and outbox row of a batch to the fail points. So a test can wait for one event
// without knowing the rest of the batch.
func reach(at failpoint.Point, works ...*storeBatch) {
	for _, w := range works {
		for _, e := range w.events {
			failpoint.Reach(at, e.Type)
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
