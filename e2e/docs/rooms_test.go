package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
)

// room is a row of the import table: which packages it is about, and what of ours they may import.
type room struct {
	name    string
	holds   func(pkg string) bool
	imports func(of string) bool
}

// rooms are the import table, the narrowest rows first: the first that holds a package counts.
var rooms = []room{
	{"fault, money, e-mail addresses, fail points, PostgreSQL errors, pauses, statistics and migrations import nothing",
		anyOf("platform/fault", "platform/money", "platform/email", "platform/failpoint", "platform/pgerr", "platform/backoff", "internal/stats", "migrations"), nothing},
	{"bulkheads refuse", anyOf("platform/bulkhead"), anyOf("platform/fault")},
	{"the generator of the reference pages reads the program", anyOf("docs/generate"), either(anyOf("internal/app", "eventstore"), below("platform"))},
	{"the API document is only data", below("docs"), below("docs")},
	{"the user interfaces are clients of the API", below("ui"), anyOf("client", "platform/web", "platform/money")},
	{"the platform is the ground", below("platform"), anyOf("platform/fault", "platform/money", "platform/email", "platform/pgerr", "platform/backoff", "platform/bulkhead",
		"migrations", "platform/database")},
	{"golden files know the event store only", anyOf("eventstore/golden"), anyOf("eventstore")},
	{"the event store knows no room", below("eventstore"), anyOf("platform/fault", "platform/failpoint", "platform/pgerr", "platform/backoff", "platform/bulkhead")},
	{"Stripe in memory knows nobody", anyOf("payment/stripe/stripetest"), nothing},
	{"providers know payments only", either(below("payment/simulator"), below("payment/stripe"), anyOf("payment/conformance")),
		either(anyOf("payment"), below("platform"))},
	{"modules never know each other", either(below("cart"), below("order"), below("payment")), either(anyOf("eventstore"), below("platform"))},
	{"sagas compose the modules", below("saga"), either(anyOf("eventstore", "cart", "order", "payment"), below("platform"))},
	{"operators see across the modules", below("admin"), either(anyOf("eventstore", "cart", "order", "payment", "saga", "admin"), below("platform"))},
	{"the client speaks to the API alone", anyOf("client"), anyOf("platform/money")},
	{"the replay is a client", anyOf("internal/replay"), anyOf("client", "platform/money", "internal/stats")},
	{"the demo is a client, and sells what the replay reads", anyOf("internal/demo"), anyOf("client", "platform/money", "internal/replay")},
	{"the cluster starts processes", anyOf("internal/cluster"), below("platform")},
	{"chaos runs the program", anyOf("internal/chaos"), either(anyOf("internal/app", "internal/cluster", "client"), below("platform"))},
	{"the benchmark runs the program and its modules", anyOf("internal/bench"),
		either(anyOf("internal/app", "internal/stats", "client", "migrations", "cart", "order", "payment", "saga"), below("platform"))},
	{"databases for tests stand on the platform", anyOf("internal/pgtest"), either(below("platform"), anyOf("internal/cluster", "migrations"))},
	{"the composition root knows no command and no tool", anyOf("internal/app"), func(of string) bool {
		return !below("internal")(of) && of != "client"
	}},
	{"the command line may use everything", anyOf("internal/cli"), anything},
	{"the harness runs the whole program", anyOf("e2e/harness"), anything},
	{"main runs the command line", anyOf("."), anyOf("internal/cli")},
}

// forTests are packages that only tests may import.
var forTests = []string{"internal/pgtest", "eventstore/golden", "payment/conformance", "payment/stripe/stripetest", "e2e/harness"}

func nothing(string) bool { return false }

func anything(string) bool { return true }

func anyOf(packages ...string) func(string) bool {
	return func(pkg string) bool { return slices.Contains(packages, pkg) }
}

func below(root string) func(string) bool {
	return func(pkg string) bool { return pkg == root || strings.HasPrefix(pkg, root+"/") }
}

func either(rows ...func(string) bool) func(string) bool {
	return func(pkg string) bool {
		return slices.ContainsFunc(rows, func(row func(string) bool) bool { return row(pkg) })
	}
}

// breach is what is wrong with an import; "" when nothing is. Both packages are paths from the root of the module.
func breach(pkg, of string) string {
	if slices.Contains(forTests, of) && !slices.Contains(forTests, pkg) {
		return pkg + " imports " + of + ", which is for tests"
	}
	for _, row := range rooms {
		if row.holds(pkg) {
			if row.imports(of) {
				return ""
			}
			return pkg + " imports " + of + ": " + row.name
		}
	}
	return pkg + " stands in no room"
}

func TestRooms(t *testing.T) {
	t.Parallel()
	t.Run("ImportOnlyWhatTheTableAllows", func(t *testing.T) {
		t.Parallel()
		seen := 0
		for _, f := range sources(t, ".") {
			for _, of := range f.ours() {
				seen++
				require.Empty(t, breach(f.pkg, of), f.name)
			}
		}
		require.Greater(t, seen, 50, "the test looks at the wrong place")
	})
	t.Run("EachRowRefuses", func(t *testing.T) {
		t.Parallel()
		for _, wrong := range [][2]string{
			{"platform/fault", "platform/money"}, {"platform/failpoint", "platform/fault"}, {"platform/pgerr", "platform/fault"}, {"platform/money", "platform/database"}, {"migrations", "platform/fault"},
			{"docs", "cart"}, {"docs/generate", "internal/cli"}, {"client", "cart"}, {"client", "platform/auth"}, {"internal/replay", "cart"}, {"internal/replay", "platform/auth"},
			{"internal/demo", "internal/app"}, {"internal/chaos", "cart"}, {"internal/cluster", "cart"}, {"internal/cluster", "internal/app"},
			{"internal/bench", "eventstore"}, {"internal/app", "internal/cli"}, {"internal/app", "internal/bench"},
			{"internal/app", "client"}, {"internal/pgtest", "cart"}, {".", "internal/app"}, {".", "cart"}, {"platform/web", "platform/auth"}, {"platform/web", "eventstore"},
			{"ui/shop", "platform/auth"}, {"ui/shop", "cart"}, {"ui/console", "saga"}, {"ui/console", "internal/app"}, {"client", "ui/console"},
			{"platform/database", "cart"}, {"eventstore", "platform/web"}, {"eventstore", "cart"}, {"cart", "order"}, {"order", "payment"},
			{"payment", "payment/simulator"}, {"payment", "saga"}, {"payment/simulator", "eventstore"}, {"payment/simulator", "order"},
			{"payment", "payment/stripe"}, {"payment/stripe", "payment/simulator"}, {"payment/stripe", "eventstore"},
			{"payment/stripe/stripetest", "payment"}, {"payment/stripe", "payment/stripe/stripetest"}, {"payment/stripe", "payment/conformance"},
			{"payment/conformance", "payment/simulator"}, {"saga", "payment/simulator"}, {"saga", "payment/stripe"}, {"saga", "."}, {"saga", "admin"}, {"admin", "payment/stripe"}, {"admin", "internal/app"},
			{"admin", "admin/reconcile"}, {"admin/reconcile", "payment/simulator"}, {"payment", "admin"}, {"cart", "internal/pgtest"}, {".", "internal/pgtest"}, {"internal/app", "internal/pgtest"},
			{"eventstore/golden", "cart"}, {"cart", "eventstore/golden"}, {".", "eventstore/golden"}, {"util", "platform/fault"},
		} {
			require.NotEmpty(t, breach(wrong[0], wrong[1]), "%s may import %s", wrong[0], wrong[1])
		}
	})
	t.Run("TheProgramNeedsNoTests", func(t *testing.T) {
		t.Parallel()
		for _, f := range sources(t, ".") {
			if slices.Contains(forTests, f.pkg) {
				continue
			}
			for _, spec := range f.Imports {
				require.NotEqual(t, `"testing"`, spec.Path.Value, f.name)
			}
		}
	})
	t.Run("OnlyWhatModulesPublishIsUsed", func(t *testing.T) {
		t.Parallel()
		public := []string{"commands.go", "events.go", "http.go", "lookup.go", "reconciliation.go"}
		published := map[string][]string{}
		for _, room := range []string{"cart", "order", "payment"} {
			for _, f := range sources(t, room) {
				if f.pkg == room && slices.Contains(public, filepath.Base(f.name)) {
					published[room] = append(published[room], f.exported()...)
				}
			}
			require.NotEmpty(t, published[room])
		}
		for _, f := range append(sources(t, "saga"), sources(t, "admin")...) {
			for room, names := range f.uses() {
				for _, name := range names {
					require.Contains(t, published[room], name, "%s uses %s.%s", f.name, room, name)
				}
			}
		}
	})
}

// source is a Go file that is no test.
type source struct {
	*ast.File
	name string // from the root of the module
	pkg  string
}

func sources(t *testing.T, root string) (all []source) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") ||
			slices.Contains(strings.Split(filepath.ToSlash(name), "/"), "testdata") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		all = append(all, source{file, name, path.Dir(filepath.ToSlash(name))})
		return err
	}))
	return all
}

// ours are the imports from this module, as paths from its root.
func (s source) ours() (all []string) {
	for _, spec := range s.Imports {
		if name, _ := strconv.Unquote(spec.Path.Value); name == harness.Module {
			all = append(all, ".")
		} else if of, ok := strings.CutPrefix(name, harness.Module+"/"); ok {
			all = append(all, of)
		}
	}
	return all
}

// exported are the names that a file declares for others. Methods come with their types.
func (s source) exported() (names []string) {
	for _, d := range s.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				names = append(names, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					names = append(names, spec.Name.Name)
				case *ast.ValueSpec:
					for _, name := range spec.Names {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return !ast.IsExported(name) })
}

// uses are the names that a file takes from each module, by the name under which it imports it.
func (s source) uses() map[string][]string {
	rooms, used := map[string]string{}, map[string][]string{}
	for _, spec := range s.Imports {
		of, _ := strconv.Unquote(spec.Path.Value)
		of, ok := strings.CutPrefix(of, harness.Module+"/")
		if !ok || of != "cart" && of != "order" && of != "payment" {
			continue
		}
		name := of
		if spec.Name != nil {
			name = spec.Name.Name
		}
		rooms[name] = of
		if name == "." {
			used[of] = append(used[of], "everything, without saying what")
		}
	}
	ast.Inspect(s.File, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := selector.X.(*ast.Ident); ok && rooms[x.Name] != "" {
				used[rooms[x.Name]] = append(used[rooms[x.Name]], selector.Sel.Name)
			}
		}
		return true
	})
	return used
}
