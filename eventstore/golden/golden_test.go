package golden_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/eventstore/golden"
)

// lamp is the aggregate of these tests. Its events were once written otherwise: a lamp was lit, and not dimmed.
type lamp struct {
	Percent int `json:"percent"`
}

type (
	lit    struct{}
	dimmed struct {
		Percent int `json:"percent"`
	}
	dimmedV1 struct {
		Tenths int `json:"tenths"`
	}
)

type lampEvent interface{ ofLamp() }

func (lit) ofLamp()    {}
func (dimmed) ofLamp() {}

func lampOf(fold int16, upcasts ...eventstore.Upcaster) *eventstore.Aggregate[lamp, lampEvent] {
	return &eventstore.Aggregate[lamp, lampEvent]{
		Kind: "lamp", StateVersion: fold, Upcasts: map[string][]eventstore.Upcaster{"lamp.dimmed": upcasts},
		Types: eventstore.Register(map[string]lampEvent{"lamp.lit": lit{}, "lamp.dimmed": dimmed{}}),
		Evolve: func(l lamp, e lampEvent) lamp {
			switch e := e.(type) {
			case lit:
				l.Percent = 100
			case dimmed:
				l.Percent = e.Percent
			}
			return l
		},
	}
}

var (
	fromTenths = eventstore.Upcast(func(old dimmedV1) dimmed { return dimmed{Percent: 10 * old.Tenths} })
	examples   = []lampEvent{lit{}, dimmed{Percent: 40}}
	thirty     = golden.Past[lampEvent]{Version: 1, Today: dimmed{Percent: 30}}
)

const code = `package lamp
func (lit) ofLamp()    {}
func (dimmed) ofLamp() {}
func (other) ofShade() {}
`

// folder is a package whose dimmed stands at its second version, with all its golden files.
func folder(t *testing.T) string {
	dir := t.TempDir()
	put(t, dir, "events.go", code)
	put(t, dir, "testdata/events/lamp.dimmed.v1.json", `{"tenths": 3}`)
	wrong := golden.Verify(dir, true, lampOf(2, fromTenths), examples, thirty)
	require.Empty(t, wrong)
	require.FileExists(t, filepath.Join(dir, "testdata/events/lamp.dimmed.v2.json"), "what is missing is written")
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestVerify(t *testing.T) {
	t.Parallel()
	type given struct {
		dir      string
		lamp     *eventstore.Aggregate[lamp, lampEvent]
		examples []lampEvent
		past     []golden.Past[lampEvent]
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, g *given)
		says  string // empty: all is well
	}{
		"AllIsWell": {func(*testing.T, *given) {}, ""},
		"AnEventChangesWithoutANewVersion": {func(_ *testing.T, g *given) {
			g.examples = []lampEvent{lit{}, dimmed{Percent: 41}} // as good as another name of the field
		}, "Leave the file, and give the event a new version"},
		"AFileOfTodayIsGone": {func(t *testing.T, g *given) {
			require.NoError(t, os.Remove(filepath.Join(g.dir, "testdata/events/lamp.lit.v1.json")))
		}, "lamp.lit.v1.json: open"},
		"AFileOfThePastIsGone": {func(t *testing.T, g *given) {
			require.NoError(t, os.Remove(filepath.Join(g.dir, "testdata/events/lamp.dimmed.v1.json")))
		}, "lamp.dimmed.v1.json: open"},
		"AFileOfThePastMeansSomethingElse": {func(_ *testing.T, g *given) {
			g.lamp = lampOf(2, eventstore.Upcast(func(old dimmedV1) dimmed { return dimmed{Percent: old.Tenths} }))
		}, "decodes to {Percent:3}, and not to {Percent:30}"},
		"AnUpcastFails": {func(_ *testing.T, g *given) {
			g.lamp = lampOf(2, func([]byte) ([]byte, error) { return nil, errors.New("torn") })
		}, "upcast lamp.dimmed from version 1: torn"},
		"AnUpcastWithoutATest": {func(_ *testing.T, g *given) { g.past = nil }, "lamp.dimmed.v1.json is tested by nothing"},
		"AnUpcastWithoutAFile": {func(_ *testing.T, g *given) { g.lamp = lampOf(2, fromTenths, fromTenths) }, "lamp.dimmed.v3.json"},
		"AnUpcastOfAnEventThatIsNone": {func(_ *testing.T, g *given) {
			g.lamp.Upcasts["lamp.dimed"] = []eventstore.Upcaster{fromTenths}
		}, "lamp.dimed has no example"},
		"AnEventWithoutAnExample": {func(_ *testing.T, g *given) { g.examples = g.examples[:1] }, "lamp.dimmed has no example"},
		"AnExampleHalfEmpty": {func(_ *testing.T, g *given) {
			g.examples = []lampEvent{lit{}, dimmed{}}
		}, "Percent is left empty"},
		"AFileOfNoVersion": {func(t *testing.T, g *given) {
			put(t, g.dir, "testdata/events/lamp.lit.v2.json", `{}`)
		}, "lamp.lit.v2.json belongs to no version"},
		"AVersionThatIsNotPast": {func(_ *testing.T, g *given) { g.past[0].Version = 2 }, "version 2 is not past"},
		"AnEventWithoutAType": {func(t *testing.T, g *given) {
			put(t, g.dir, "more.go", "package lamp\nfunc (torn) ofLamp() {}\n")
		}, "torn is in no table of the types of a lamp"},
		"AFoldChangesWithoutItsNumber": {func(_ *testing.T, g *given) {
			g.lamp.Evolve = func(l lamp, _ lampEvent) lamp { return lamp{l.Percent + 1} }
		}, `after lamp.lit.v1 it is {"percent":1}. Raise its StateVersion`},
		"AnEventJoinsAFoldWithoutItsNumber": {func(_ *testing.T, g *given) {
			g.examples = append(g.examples, g.examples[1])
		}, "lamp.dimmed.v2 is new. Raise its StateVersion"},
		"ANewVersionJoinsAFoldWithoutItsNumber": {func(t *testing.T, g *given) {
			put(t, g.dir, "testdata/events/lamp.dimmed.v3.json", `{"percent": 40}`)
			g.lamp = lampOf(2, fromTenths, func(data []byte) ([]byte, error) { return data, nil })
			g.past = append(g.past, golden.Past[lampEvent]{Version: 2, Today: dimmed{Percent: 40}})
		}, "after lamp.dimmed.v3"},
		"AFoldWithoutAFile": {func(_ *testing.T, g *given) { g.lamp = lampOf(3, fromTenths) }, "lamp.3.json: open"},
		"AFileOfNoFold": {func(t *testing.T, g *given) {
			put(t, g.dir, "testdata/folds/lamp.1.json", `[]`)
		}, "lamp.1.json belongs to no version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := given{folder(t), lampOf(2, fromTenths), slices.Clone(examples), []golden.Past[lampEvent]{thirty}}
			c.spoil(t, &g)
			err := errors.Join(golden.Verify(g.dir, false, g.lamp, g.examples, g.past...)...)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestVerifyOverwritesNothing(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	changed := []lampEvent{lit{}, dimmed{Percent: 50}}
	require.NotEmpty(t, golden.Verify(dir, true, lampOf(2, fromTenths), changed, thirty))
	require.Empty(t, golden.Verify(dir, false, lampOf(2, fromTenths), examples, thirty))
}
