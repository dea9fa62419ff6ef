package golden

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"shopping-cart/eventstore"
)

// step is an event of a golden file of states, with the state after it.
type step struct {
	Event string          `json:"event"`
	State json.RawMessage `json:"state"`
}

// fold applies the examples one after the other and compares the states with the golden file. The file names the events and
// their versions, so a change of any of them needs a new StateVersion.
func (c *check[S, E]) fold(examples []E) {
	var state S
	var steps []step
	for _, e := range examples {
		state = c.aggregate.Evolve(state, e)
		encoded, err := json.Marshal(state)
		if err != nil {
			c.fail("encode the state of a %s: %w", c.aggregate.Kind, err)
			return
		}
		eventType := eventstore.TypeOf(e)
		steps = append(steps, step{fmt.Sprintf("%s.v%d", eventType, c.aggregate.Schema(eventType)), encoded})
	}
	file := filepath.Join("testdata", "folds", fmt.Sprintf("%s.%d.json", c.aggregate.Kind, c.aggregate.StateVersion))
	encoded, stored, err := c.compare(file, steps)
	if err != nil {
		c.fail("%s: %w", file, err)
	} else if !sameJSON(encoded, stored) {
		c.fail("%s differs from the states of a %s: %s. Raise its StateVersion, and replace this file with a new one",
			file, c.aggregate.Kind, firstDifference(steps, stored))
	}
}

func firstDifference(now []step, stored []byte) string {
	var then []step
	if err := json.Unmarshal(stored, &then); err != nil {
		return err.Error()
	}
	for i, s := range now {
		if i >= len(then) {
			return s.Event + " is new"
		}
		if s.Event != then[i].Event || !sameJSON(s.State, then[i].State) {
			return fmt.Sprintf("after %s it is %s", s.Event, s.State)
		}
	}
	return then[len(now)].Event + " is gone"
}
