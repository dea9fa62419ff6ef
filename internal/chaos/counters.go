package chaos

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// counters counts events and keeps findings.
type counters struct {
	mu     sync.Mutex
	counts map[string]map[string]int // by subject and outcome
	found  []string
}

func newCounters() *counters { return &counters{counts: map[string]map[string]int{}} }

func (t *counters) count(what, how string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts[what] == nil {
		t.counts[what] = map[string]int{}
	}
	t.counts[what][how]++
}

// copyCounts returns a copy.
func (t *counters) copyCounts() map[string]map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[string]map[string]int{}
	for what, counts := range t.counts {
		all[what] = maps.Clone(counts)
	}
	return all
}

// addFinding records a broken promise as a sentence.
func (t *counters) addFinding(format string, values ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.found = append(t.found, fmt.Sprintf(format, values...))
}

func (t *counters) findings() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.found)
}
