package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

const (
	hotStreams    = 4
	middleStreams = 200
	coldEvents    = 8  // in a cold stream, about
	fewEvents     = 5  // of a command, at most
	manyEvents    = 40 // of one command in fifty
)

// tally is the aggregate of these tests: it counts its events, and stays small.
type tally struct {
	Count int64 `json:"count"`
}

// counted says what happens between the event and its commit.
type counted struct {
	Late    float64 `json:"late,omitempty"`    // it takes so many seconds
	Spoiled bool    `json:"spoiled,omitempty"` // it fails
}

var tallies = &eventstore.Aggregate[tally, counted]{
	Kind: "tally", StateVersion: 1,
	Types:  eventstore.Register(map[string]counted{"tally.counted": {}}),
	Evolve: func(t tally, _ counted) tally { return tally{t.Count + 1} },
	Index:  func(tally, time.Time) eventstore.Index { return eventstore.Index{} },
}

// writer sends one command after the other.
type writer struct {
	*process
	luck *rand.Rand
	told [][]any
	loaded
}

// wanted is a command, drawn by chance.
type wanted struct {
	id       uuid.UUID
	streams  []uuid.UUID
	events   []int   // for each stream
	late     float64 // seconds before the commit, with the position
	stalls   float64 // seconds before the position
	refused  bool
	spoiled  bool
	repeated bool // when it was answered
}

func (w *writer) writes(ctx context.Context, share int) error {
	for share > 0 {
		c := w.draws(share)
		told, err := w.asks(ctx, c)
		if err != nil {
			return err
		}
		for _, one := range told {
			share -= one[3].(int)
		}
		w.told = append(w.told, told...)
	}
	return nil
}

// draws a command of at most so many events.
func (w *writer) draws(most int) wanted {
	c := wanted{id: w.uuid()}
	for range 1 + w.luck.IntN(5)/4 {
		n := 1 + w.luck.IntN(fewEvents)
		if w.luck.IntN(50) == 0 {
			n = manyEvents
		}
		stream := w.stream()
		if n = min(n, most); n == 0 || slices.Contains(c.streams, stream) {
			continue
		}
		c.streams, c.events, most = append(c.streams, stream), append(c.events, n), most-n
	}
	switch chance := w.luck.IntN(1000); {
	case chance < 40:
		c.refused = true
	case chance < 50:
		c.spoiled = true
	case chance < 70:
		c.late = 0.010 * w.luck.Float64()
	case chance < 80:
		c.stalls = 0.010 * w.luck.Float64()
	case chance < 110:
		c.repeated = true
	}
	return c
}

func (w *writer) uuid() (id uuid.UUID) {
	for i := range id {
		id[i] = byte(w.luck.Uint32())
	}
	return id
}

// stream is a hot one, one of some that grow, or one of many that stay short. Other processes write to the same.
func (w *writer) stream() uuid.UUID {
	var name string
	switch chance := w.luck.IntN(100); {
	case chance < 30:
		name = fmt.Sprint("hot", w.luck.IntN(hotStreams))
	case chance < 65:
		name = fmt.Sprint("middle", w.luck.IntN(middleStreams))
	default:
		name = fmt.Sprint("cold", w.luck.IntN(1+w.Events/coldEvents))
	}
	return uuid.NewSHA1(uuid.Nil, []byte(name))
}

var errRefused = errors.New("refused")

// asks sends a command, sees that it is answered as it must be, and gives what it was told: of each stream, how many
// events up to which version.
func (w *writer) asks(ctx context.Context, c wanted) (told [][]any, err error) {
	command := eventstore.Command{ID: c.id, Decide: func(tx *eventstore.Tx) error {
		told = told[:0]
		if c.stalls > 0 {
			tx.Exec("select pg_sleep($1::float8)", c.stalls)
		}
		for i, stream := range c.streams {
			events := make([]counted, c.events[i])
			events[len(events)-1] = counted{Late: c.late, Spoiled: c.spoiled}
			tallies.Append(tx, stream, events...)
			told = append(told, []any{c.id, stream, tallies.Get(tx, stream).Version, c.events[i]})
		}
		if c.refused {
			return errRefused
		}
		return nil
	}}
	for _, stream := range c.streams {
		command.Streams = append(command.Streams, tallies.Ref(stream))
	}
	receipt, err := w.store.Do(ctx, command)
	switch {
	case c.refused && errors.Is(err, errRefused):
		w.Refused++
		return nil, nil
	case c.spoiled && err != nil:
		w.Spoiled++
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("command %s: %w", c.id, err)
	case c.refused || c.spoiled || receipt.Replayed || receipt.Version != told[0][2]:
		return nil, fmt.Errorf("command %s was answered %+v", c.id, receipt)
	}
	w.Commands++
	w.Slow += count(c.late > 0)
	w.Stalled += count(c.stalls > 0)
	if !c.repeated {
		return told, nil
	}
	w.Replayed++
	again, err := w.store.Do(ctx, command)
	if err == nil && (!again.Replayed || again.Version != receipt.Version || again.Stream != receipt.Stream) {
		err = fmt.Errorf("command %s was answered %+v, then %+v", c.id, receipt, again)
	}
	return told, err
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
