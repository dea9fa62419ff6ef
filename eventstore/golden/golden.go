// Package golden compares events and states with files of their stored form. It is for tests.
//
// There is a file for each type of event and each version of its schema, testdata/events/<type>.v<version>.json, and one for
// each state version, testdata/folds/<kind of aggregate>.<state version>.json. A file never changes:
//
//   - An event with changed JSON gets a new schema version: an Upcaster from the old version, a new file, and a [Past] for the
//     old file.
//   - A state that is built otherwise, or has a changed form, gets a new StateVersion and a new file. Without it an older
//     version of the program would use a state that it does not understand, and change it.
//
// Run the tests with -golden.write to write the files that are missing. It never overwrites one.
package golden

import (
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"shopping-cart/eventstore"
)

var write = flag.Bool("golden.write", false, "write golden files that are missing")

// Past is an event in an old version of its schema. Upcasting the golden file of Version must give Today.
type Past[E any] struct {
	Version int
	Today   E
}

// Check fails t if the golden files of the tested package do not match the aggregate. examples has one event of each type, with
// all fields filled.
func Check[S, E any](t *testing.T, a *eventstore.Aggregate[S, E], examples []E, past ...Past[E]) {
	t.Helper()
	for _, err := range Verify(".", *write, a, examples, past...) {
		t.Error(err)
	}
}

// Verify returns all mismatches for the package in a folder. With missing it writes the files that are missing.
func Verify[S, E any](
	dir string, missing bool, a *eventstore.Aggregate[S, E], examples []E, past ...Past[E],
) (wrong []error) {
	c := check[S, E]{dir: dir, missing: missing, aggregate: a, today: map[string]E{}, expected: map[string]bool{}}
	for _, e := range examples {
		c.today[eventstore.TypeOf(e)] = e
		c.example(e)
	}
	for _, p := range past {
		c.past(p)
	}
	c.types()
	c.fold(examples)
	c.strays("events")
	c.strays("folds")
	return c.wrong
}

type check[S, E any] struct {
	dir       string
	missing   bool
	aggregate *eventstore.Aggregate[S, E]
	today     map[string]E    // the examples, by type
	expected  map[string]bool // files
	wrong     []error
}

func (c *check[S, E]) fail(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Errorf(format, args...))
}

func eventFile(eventType string, version int) string {
	return filepath.Join("testdata", "events", fmt.Sprintf("%s.v%d.json", eventType, version))
}

// example compares a current event with the file of its version, in both directions.
func (c *check[S, E]) example(e E) {
	eventType := eventstore.TypeOf(e)
	version := c.aggregate.Schema(eventType)
	file := eventFile(eventType, version)
	if !strings.HasPrefix(eventType, c.aggregate.Kind+".") {
		c.fail("%s is no event of a %s: its type must begin with that", eventType, c.aggregate.Kind)
	}
	if empty := emptyField(reflect.ValueOf(e)); empty != "" {
		c.fail("%s: %s is left empty in its example, so its name is held to nothing", eventType, empty)
	}
	encoded, stored, err := c.compare(file, e)
	if err != nil {
		c.fail("%s: %w", file, err)
		return
	}
	if !sameJSON(encoded, stored) {
		c.fail("%s is not what a %s is stored as: %s. Leave the file, and give the event a new version", file, eventType, encoded)
	}
	c.decode(file, version, e, stored)
}

// past compares an older file with the current form of its event.
func (c *check[S, E]) past(p Past[E]) {
	eventType := eventstore.TypeOf(p.Today)
	file := eventFile(eventType, p.Version)
	if today := c.aggregate.Schema(eventType); p.Version < 1 || p.Version >= today {
		c.fail("%s: version %d is not past, today's is %d", eventType, p.Version, today)
		return
	}
	c.expected[file] = true
	stored, err := os.ReadFile(filepath.Join(c.dir, file))
	if err != nil {
		c.fail("%s: %w", file, err)
		return
	}
	c.decode(file, p.Version, p.Today, stored)
}

func (c *check[S, E]) decode(file string, version int, want E, stored []byte) {
	recorded := eventstore.Recorded{Type: eventstore.TypeOf(want), Data: stored, Meta: eventstore.Meta{Schema: version}}
	got, err := c.aggregate.Event(recorded)
	if err != nil {
		c.fail("%s: %w", file, err)
	} else if !reflect.DeepEqual(want, got) {
		c.fail("%s decodes to %+v, and not to %+v", file, got, want)
	}
}

// types requires an example for every type of event, and a tested file for every version of it.
func (c *check[S, E]) types() {
	for _, name := range c.unregistered() {
		c.fail("%s is in no table of the types of a %s", name, c.aggregate.Kind)
	}
	types := slices.AppendSeq(slices.Collect(maps.Keys(c.aggregate.Types)), maps.Keys(c.aggregate.Upcasts))
	slices.Sort(types)
	for _, eventType := range slices.Compact(types) {
		if _, ok := c.today[eventType]; !ok {
			c.fail("%s has no example", eventType)
			continue
		}
		for version := range c.aggregate.Schema(eventType) {
			if file := eventFile(eventType, version+1); !c.expected[file] {
				c.fail("%s is tested by nothing: add what it means today", file)
			}
		}
	}
}

// strays reports files that belong to the aggregate and to no test.
func (c *check[S, E]) strays(folder string) {
	files, err := fs.Glob(os.DirFS(c.dir), "testdata/"+folder+"/"+c.aggregate.Kind+".*")
	if err != nil {
		c.wrong = append(c.wrong, err)
	}
	for _, file := range files {
		if file = filepath.FromSlash(file); !c.expected[file] {
			c.fail("%s belongs to no version that the code knows", file)
		}
	}
}
