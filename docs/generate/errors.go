package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

const errorsHead = `# Error codes

Every refusal is ` + "`application/problem+json`" + ` ([what is in it](../http.md#what-every-route-has-in-common)). ` + "`code`" + ` is stable and for programs; ` + "`detail`" + ` is a sentence for
people, as below or one that says more of the very case. What stands behind *any* may be answered by every operation.
`

// few is how many operations are named beside a code in plain sight.
const few = 3

// refusals is the page of the codes: the sentences are those of the faults in the code, the statuses and operations those of the
// API document.
func refusals(root string, api []byte) (string, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api)
	if err != nil {
		return "", err
	}
	sentences, err := faults(root)
	if err != nil {
		return "", err
	}
	if len(sentences) == 0 {
		return "", errors.New("no package declares a fault")
	}
	answered := answeredBy(doc, sentences)
	out, said := errorsHead, map[string]bool{}
	for _, status := range slices.Sorted(maps.Keys(answered)) {
		rows := newTable("Code", "Sentence", "Operations")
		for _, code := range slices.Sorted(maps.Keys(answered[status])) {
			said[code] = true
			rows.row(coded(code), escaped(sentences[code]...), operationsOf(answered[status][code]))
		}
		out += fmt.Sprintf("\n## %d %s\n\n%s", status, http.StatusText(status), rows)
	}
	return out + unanswered(sentences, said), nil
}

// unanswered are codes that no operation is refused with.
func unanswered(sentences map[string][]string, said map[string]bool) string {
	rows := newTable("Code", "Sentence")
	n := 0
	for _, code := range slices.Sorted(maps.Keys(sentences)) {
		if !said[code] {
			rows.row(coded(code), escaped(sentences[code]...))
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return "\n## Of no operation\n\nThey stand in `failure` of a checkout or a payment, or in the steps of a saga.\n\n" + rows.String()
}

// faults are the sentences of each code that the program declares.
func faults(root string) (map[string][]string, error) {
	dirs, err := packages(root)
	if err != nil {
		return nil, err
	}
	var all []*folder
	constants := map[string]string{} // of other packages, as "package.Name"
	for _, dir := range dirs {
		f, err := read(root, dir)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
		for name, text := range f.texts {
			constants[f.name+"."+name] = text
		}
	}
	found := map[string][]string{}
	add := func(code, sentence string) {
		if !slices.Contains(found[code], sentence) {
			found[code] = append(found[code], sentence)
		}
	}
	for _, f := range all {
		f.calls(func(c *ast.CallExpr) {
			if called(c) != "fault.New" {
				return
			}
			code, is := f.text(c.Args[1])
			if s, foreign := c.Args[1].(*ast.SelectorExpr); foreign {
				code, is = constants[fmt.Sprintf("%s.%s", s.X, s.Sel.Name)]
			}
			if sentence, too := f.text(c.Args[2]); is && too {
				add(code, sentence)
			}
		})
		for code, sentence := range f.said() {
			add(code, sentence)
		}
	}
	return found, nil
}

// said are the sentences of a map of that name, by code.
func (f *folder) said() map[string]string {
	all := map[string]string{}
	for v := range f.values() {
		if v.Names[0].Name != "sentences" {
			continue
		}
		for _, e := range v.Values[0].(*ast.CompositeLit).Elts {
			pair := e.(*ast.KeyValueExpr)
			code, is := f.text(pair.Key)
			if sentence, too := f.text(pair.Value); is && too {
				all[code] = sentence
			}
		}
	}
	return all
}

// answeredBy says which operations answer a status with a code, by status and code. Those that any operation may answer have "any".
func answeredBy(doc *openapi3.T, known map[string][]string) map[int]map[string][]string {
	found := map[int]map[string][]string{}
	add := func(status int, code, operation string) {
		if found[status] == nil {
			found[status] = map[string][]string{}
		}
		if !slices.Contains(found[status][code], operation) {
			found[status][code] = append(found[status][code], operation)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			for name, r := range o.Responses.Map() {
				status, _ := strconv.Atoi(name)
				if status < http.StatusBadRequest && name != "default" {
					continue
				}
				for _, code := range aCode.FindAllString(*r.Value.Description, -1) {
					if known[code] == nil {
						continue // another word of the description
					}
					if status == 0 {
						add(anyStatus(*r.Value.Description, code), code, "any")
						continue
					}
					add(status, code, method+" "+path)
				}
			}
		}
	}
	for _, codes := range found {
		for _, operations := range codes {
			slices.SortFunc(operations, func(a, b string) int {
				_, x, _ := strings.Cut(a, " ")
				_, y, _ := strings.Cut(b, " ")
				return cmp.Or(cmp.Compare(x, y), cmp.Compare(a, b))
			})
		}
	}
	return found
}

// anyStatus is the status that stands before a code: "404 not_found, 503 unavailable, busy".
func anyStatus(description, code string) (status int) {
	before, _, _ := strings.Cut(description, code)
	for _, word := range strings.Fields(before) {
		if n, err := strconv.Atoi(word); err == nil {
			status = n
		}
	}
	return status
}

// operationsOf names operations; many of them behind a mark that opens.
func operationsOf(all []string) string {
	if slices.Contains(all, "any") {
		return "*any*"
	}
	named := make([]string, len(all))
	for i, o := range all {
		named[i] = coded(o)
	}
	list := strings.Join(named, "<br>")
	if len(all) <= few {
		return list
	}
	return fmt.Sprintf("<details><summary>%d operations</summary>%s</details>", len(all), list)
}
