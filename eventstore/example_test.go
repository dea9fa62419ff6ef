package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"

	"shopping-cart/eventstore"
)

// An aggregate: a state, its events, and a pure function from one to the next.
type (
	shelf      struct{ Books int }
	shelfEvent interface{ ofShelf() }
	bookPut    struct{ Count int }
	bookTaken  struct{ Count int }
)

func (bookPut) ofShelf()   {}
func (bookTaken) ofShelf() {}

var shelves = &eventstore.Aggregate[shelf, shelfEvent]{
	Kind: "shelf", StateVersion: 1,
	Types: eventstore.Register(map[string]shelfEvent{"shelf.book_put": bookPut{}, "shelf.book_taken": bookTaken{}}),
	Upcasts: map[string][]eventstore.Upcaster{
		"shelf.book_put": {eventstore.Upcast(func(struct{ Title string }) bookPut { return bookPut{Count: 1} })},
	},
	Evolve: func(s shelf, e shelfEvent) shelf {
		switch e := e.(type) {
		case bookPut:
			s.Books += e.Count
		case bookTaken:
			s.Books -= e.Count
		}
		return s
	},
	Index: func(shelf, time.Time) eventstore.Index { return eventstore.Index{} },
}

// take is a pure decider: it returns events or a refusal.
func take(n int) func(*eventstore.Tx, eventstore.Stream[shelf]) ([]shelfEvent, error) {
	return func(_ *eventstore.Tx, s eventstore.Stream[shelf]) ([]shelfEvent, error) {
		if n > s.State.Books {
			return nil, errors.New("there are not so many books")
		}
		return []shelfEvent{bookTaken{n}}, nil
	}
}

func put2(*eventstore.Tx, eventstore.Stream[shelf]) ([]shelfEvent, error) {
	return []shelfEvent{bookPut{2}}, nil
}

// inMemory is a backend that keeps the streams in a map.
type inMemory map[uuid.UUID]eventstore.Row

func (m inMemory) Do(_ context.Context, chain []eventstore.Link) (results []eventstore.Result) {
	find, none := func(id uuid.UUID) eventstore.Row { return m[id] }, func(uuid.UUID) *eventstore.Receipt { return nil }
	for _, d := range eventstore.DecideOn(find, chain, none, time.Now()) {
		maps.Copy(m, d.Changed)
		results = append(results, d.Result)
	}
	return results
}

func (m inMemory) Load(_ context.Context, _ *eventstore.Store, id uuid.UUID) (eventstore.Row, error) {
	return m[id], nil
}

func (m inMemory) Processed(context.Context, *eventstore.Store, eventstore.IdempotencyKey) (bool, error) {
	return false, nil
}

// Handle decides a command on the current state. A refused command changes nothing.
func ExampleAggregate_Handle() {
	ctx, id := context.Background(), uuid.New()
	store := eventstore.Open(eventstore.Database{Committer: eventstore.NewCommitterOn(inMemory{})}, "library", shelves)

	receipt, err := shelves.Handle(ctx, store, id, eventstore.Command{}, put2)
	fmt.Println("version", receipt.Version, err)
	_, err = shelves.Handle(ctx, store, id, eventstore.Command{}, take(3))
	fmt.Println(err)
	current, err := shelves.Load(ctx, store, id)
	fmt.Println(current.State.Books, "books at version", current.Version, err)
	// Output:
	// version 1 <nil>
	// there are not so many books
	// 2 books at version 1 <nil>
}

// Event reads an event of any schema version as its current type. The first version of this one had a title and no count.
func ExampleAggregate_Event() {
	old := eventstore.Recorded{Type: "shelf.book_put", Data: []byte(`{"Title": "Emma"}`), Meta: eventstore.Meta{Schema: 1}}
	event, err := shelves.Event(old)
	fmt.Printf("%+v %v\n", event, err)
	// Output: {Count:1} <nil>
}
