package chaos

import (
	"fmt"
	"maps"
	"slices"
	"sync"
)

// tally counts events and keeps findings.
type tally struct {
	mu     sync.Mutex
	counts map[string]map[string]int // by subject and outcome
	found  []string
}

func newTally() *tally { return &tally{counts: map[string]map[string]int{}} }

func (t *tally) count(what, how string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts[what] == nil {
		t.counts[what] = map[string]int{}
	}
	t.counts[what][how]++
}

// counted returns a copy.
func (t *tally) counted() map[string]map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := map[string]map[string]int{}
	for what, counts := range t.counts {
		all[what] = maps.Clone(counts)
	}
	return all
}

// finds records a broken promise as a sentence.
func (t *tally) finds(format string, values ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.found = append(t.found, fmt.Sprintf(format, values...))
}

func (t *tally) findings() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.found)
}
