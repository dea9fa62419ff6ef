package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"

	"shopping-cart/platform/fault"
)

const errorsHead = `# Error codes

Every refusal is ` + "`application/problem+json`" + ` ([what is in it](../http.md#what-every-route-has-in-common)). ` + "`code`" + ` is stable and meant for programs. ` + "`detail`" + ` is a
sentence for people: one of those below, or a more specific one. Every operation may answer the codes marked *any*.
`

// few is the longest list of operations that the page shows unfolded.
const few = 3

// errorsPage lists the error codes. The declared faults give the sentences, the API document the statuses and operations.
func errorsPage(doc *openapi3.T, faults []*fault.Fault) string {
	sentences := map[string][]string{}
	for _, f := range faults {
		if !slices.Contains(sentences[f.Code], f.Detail) {
			sentences[f.Code] = append(sentences[f.Code], f.Detail)
			slices.Sort(sentences[f.Code])
		}
	}
	answered := answeredBy(doc, sentences)
	out, unanswered := errorsHead, maps.Clone(sentences)
	for _, status := range slices.Sorted(maps.Keys(answered)) {
		out += fmt.Sprintf("\n## %d %s\n\n%s", status, http.StatusText(status), tableHead("Code", "Sentence", "Operations"))
		for _, code := range slices.Sorted(maps.Keys(answered[status])) {
			out += tableRow(coded(code), escaped(sentences[code]...), operationsOf(answered[status][code]))
			delete(unanswered, code)
		}
	}
	if len(unanswered) > 0 {
		out += "\n## Of no operation\n\nThese appear in `failure` of a checkout or a payment, or in the steps of a saga.\n\n" + tableHead("Code", "Sentence")
	}
	for _, code := range slices.Sorted(maps.Keys(unanswered)) {
		out += tableRow(coded(code), escaped(sentences[code]...))
	}
	return out
}

// answeredBy returns the operations that answer a code, by status and code. A code that every operation may answer has "any".
func answeredBy(doc *openapi3.T, known map[string][]string) map[int]map[string][]string {
	found := map[int]map[string][]string{}
	add := func(status int, code, operation string) {
		if status < http.StatusBadRequest || known[code] == nil { // a word of the description that is no code
			return
		}
		if found[status] == nil {
			found[status] = map[string][]string{}
		}
		if !slices.Contains(found[status][code], operation) {
			found[status][code] = append(found[status][code], operation)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		operations := doc.Paths.Value(path).Operations()
		for _, method := range slices.Sorted(maps.Keys(operations)) {
			for name, response := range operations[method].Responses.Map() {
				said := *response.Value.Description
				status, err := strconv.Atoi(name)
				for _, code := range aCode.FindAllString(said, -1) {
					if err != nil { // the default response
						add(anyStatus(said, code), code, "any")
					} else {
						add(status, code, method+" "+path)
					}
				}
			}
		}
	}
	return found
}

// anyStatus returns the last status before a code: 503 for busy in "404 not_found, 503 unavailable, busy".
func anyStatus(description, code string) (status int) {
	before, _, _ := strings.Cut(description, code)
	for _, word := range strings.Fields(before) {
		if n, err := strconv.Atoi(word); err == nil {
			status = n
		}
	}
	return status
}

// operationsOf lists operations. A long list is folded.
func operationsOf(all []string) string {
	if slices.Contains(all, "any") {
		return "*any*"
	}
	list := "`" + strings.Join(all, "`<br>`") + "`"
	if len(all) <= few {
		return list
	}
	return fmt.Sprintf("<details><summary>%d operations</summary>%s</details>", len(all), list)
}
