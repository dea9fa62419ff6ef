package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"path/filepath"
	"slices"
	"strings"
)

const metricsHead = `# Metrics

` + "`GET /metrics`" + ` answers in the formats that Prometheus reads, with those of the Go runtime (` + "`go_…`" + `) and the process (` + "`process_…`" + `) beside these. A
histogram has ` + "`_bucket`, `_sum` and `_count`" + `. Durations are seconds. Which of them are worth an alarm: [operations](../operations.md#health).

`

// metric is one family that the program registers.
type metric struct {
	name, kind, help string
	labels           []string
}

// metrics is the page of the metrics, read from where platform/telemetry registers them.
func metrics(root string) (string, error) {
	code, err := read(root, filepath.Join("platform", "telemetry"))
	if err != nil {
		return "", err
	}
	all := code.metrics()
	if len(all) == 0 {
		return "", fmt.Errorf("%s registers no metrics", code.dir)
	}
	slices.SortFunc(all, func(a, b metric) int { return cmp.Compare(a.name, b.name) })
	rows := newTable("Metric", "Type", "Labels", "")
	for _, m := range all {
		if m.help == "" {
			return "", fmt.Errorf("%s has no help", m.name)
		}
		labels := make([]string, len(m.labels))
		for i, l := range m.labels {
			labels[i] = coded(l)
		}
		rows.row(coded(code.texts["namespace"]+"_"+m.name), m.kind, strings.Join(labels, ", "), m.help)
	}
	return metricsHead + rows.String(), nil
}

// metrics are those that the package makes: with the functions that it has for that, or with a description of its own.
func (f *folder) metrics() (all []metric) {
	add := func(kind string, labels []string, name, help ast.Expr) {
		if text, is := f.text(name); is {
			said, _ := f.text(help)
			all = append(all, metric{text, kind, said, labels})
		}
	}
	f.calls(func(c *ast.CallExpr) {
		switch called(c) {
		case "histograms":
			add("histogram", f.strings(c.Args[3:]), c.Args[0], c.Args[1])
		case "counters":
			add("counter", f.strings(c.Args[2:]), c.Args[0], c.Args[1])
		case "options":
			add("histogram", nil, c.Args[0], c.Args[1])
		case "m.age":
			add("gauge", keysOf(c.Args[2]), c.Args[0], c.Args[1])
		case "prometheus.NewGaugeFunc":
			if o := options(c.Args[0]); o["Help"] != nil {
				add("gauge", nil, o["Name"], o["Help"])
			}
		}
	})
	for _, file := range f.files {
		for _, d := range file.Decls {
			if fun, is := d.(*ast.FuncDecl); is {
				all = append(all, f.described(fun)...)
			}
		}
	}
	return all
}

// described are those that a function describes by a short form of its own: desc := func(name, help string, more ...string).
func (f *folder) described(fun *ast.FuncDecl) (all []metric) {
	prefix, base := "", []string(nil)
	ast.Inspect(fun, func(n ast.Node) bool {
		c, is := n.(*ast.CallExpr)
		switch {
		case !is:
		case called(c) == "prometheus.NewDesc": // namespace + "_pool_" + name, help, labels
			if sum, is := c.Args[0].(*ast.BinaryExpr); is {
				whole, _ := f.text(sum.X)
				prefix = strings.TrimPrefix(whole, f.texts["namespace"]+"_")
			}
			base = f.strings([]ast.Expr{c.Args[2]})
		case called(c) == "desc":
			name, _ := f.text(c.Args[0])
			help, _ := f.text(c.Args[1])
			kind := "gauge"
			if strings.HasSuffix(name, "_total") {
				kind = "counter"
			}
			all = append(all, metric{prefix + name, kind, help, append(slices.Clone(base), f.strings(c.Args[2:])...)})
		}
		return true
	})
	return all
}

// strings are the strings in expressions, in their order.
func (f *folder) strings(expressions []ast.Expr) (all []string) {
	for _, e := range expressions {
		ast.Inspect(e, func(n ast.Node) bool {
			if l, is := n.(*ast.BasicLit); is {
				if text, is := f.text(l); is {
					all = append(all, text)
				}
			}
			return true
		})
	}
	return all
}

// keysOf are the keys of a literal map.
func keysOf(e ast.Expr) (keys []string) {
	if l, is := e.(*ast.CompositeLit); is {
		for _, element := range l.Elts {
			if pair, is := element.(*ast.KeyValueExpr); is {
				if key, is := pair.Key.(*ast.BasicLit); is {
					keys = append(keys, strings.Trim(key.Value, `"`))
				}
			}
		}
	}
	return keys
}

// options are the members of a literal struct.
func options(e ast.Expr) map[string]ast.Expr {
	all := map[string]ast.Expr{}
	if l, is := e.(*ast.CompositeLit); is {
		for _, element := range l.Elts {
			if pair, is := element.(*ast.KeyValueExpr); is {
				if key, is := pair.Key.(*ast.Ident); is {
					all[key.Name] = pair.Value
				}
			}
		}
	}
	return all
}
