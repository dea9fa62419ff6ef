package main

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// anyOther lists the refusals that every operation may give. They stand in the default response only.
const anyOther = "Any other refusal: 404 not_found, 405 method_not_allowed, 422 unknown_parameter, validation_failed (the query cannot be read), " +
	"429 too_many_requests, 500 internal, 503 unavailable, busy, newer_version, issuer_unavailable or too_many_connections"

// usual returns the codes that follow from the kind of an operation, by status. Annotations add the codes of one operation.
func usual(o *openapi3.Operation, method, path string, secured bool) map[int][]string {
	codes := map[int][]string{}
	add := func(status int, code ...string) { codes[status] = append(codes[status], code...) }
	key := idempotencyKey.of(o)
	if secured {
		add(http.StatusUnauthorized, "unauthorized")
	}
	if strings.Contains(path, "{") {
		add(http.StatusNotFound, "not_found")
	}
	if key != nil || o.RequestBody != nil { // an operation without a body accepts an empty object and nothing else
		add(http.StatusBadRequest, "malformed_json")
		add(http.StatusUnprocessableEntity, "validation_failed", "unknown_field")
	}
	if key != nil {
		add(http.StatusBadRequest, "body_incomplete", "idempotency_key_invalid")
		add(http.StatusUnprocessableEntity, "idempotency_key_reused")
	}
	if o.RequestBody != nil && strings.HasPrefix(path, "/v1/") && !strings.HasPrefix(path, "/v1/webhooks/") { // every text is checked
		add(http.StatusUnprocessableEntity, "card_number")
	}
	if key != nil && key.Required {
		add(http.StatusBadRequest, "idempotency_key_required")
	}
	if ifMatch.of(o) != nil {
		add(http.StatusBadRequest, "malformed_if_match", "malformed_if_none_match")
	}
	if secured && method != http.MethodGet {
		add(http.StatusRequestTimeout, "request_timeout")
		add(http.StatusRequestEntityTooLarge, "body_too_large")
		add(http.StatusUnsupportedMediaType, "unsupported_media_type")
	}
	if slices.ContainsFunc(o.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.In == openapi3.ParameterInQuery }) {
		add(http.StatusUnprocessableEntity, "validation_failed")
	}
	if strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/simulator/") { // pages, assets and probes accept any query
		add(http.StatusUnprocessableEntity, "unknown_parameter")
	}
	if strings.Contains(path, "{sku}") { // the SKU may be invalid
		add(http.StatusUnprocessableEntity, "validation_failed")
	}
	if cursor.of(o) != nil {
		add(http.StatusUnprocessableEntity, "cursor_invalid")
	}
	return codes
}

// only holds the code of each status that has a single code.
var only = map[int]string{
	http.StatusForbidden: "forbidden", http.StatusNotFound: "not_found", http.StatusPreconditionFailed: "version_mismatch",
	http.StatusRequestTimeout: "request_timeout", http.StatusRequestEntityTooLarge: "body_too_large", http.StatusUnsupportedMediaType: "unsupported_media_type",
	http.StatusPreconditionRequired: "precondition_required",
}

var aCode = regexp.MustCompile(`[a-z]+(_[a-z]+)+|unauthorized|forbidden|busy|internal|unavailable`)

// nameCodes adds the codes to the description of every refusal. A refusal without a code is an error.
func nameCodes(o *openapi3.Operation, method, path string, secured bool) error {
	for status, codes := range usual(o, method, path, secured) {
		code := strconv.Itoa(status)
		if o.Responses.Value(code) == nil {
			o.Responses.Set(code, refusal(""))
		}
		alsoSay(o.Responses.Value(code).Value, status, codes)
	}
	for code, response := range o.Responses.Map() {
		status, err := strconv.Atoi(code)
		if err != nil || status < http.StatusBadRequest {
			continue
		}
		r := response.Value
		if only[status] != "" && (r.Description == nil || !aCode.MatchString(*r.Description)) {
			alsoSay(r, status, []string{only[status]})
		}
		if r.Description == nil || !aCode.MatchString(*r.Description) {
			return fmt.Errorf("%s %s: a refusal with %d names no code", method, path, status)
		}
	}
	return nil
}

// alsoSay adds the codes that are missing in a description.
func alsoSay(r *openapi3.Response, status int, codes []string) {
	said := ""
	if r.Description != nil && *r.Description != http.StatusText(status) { // the status says that already
		said = *r.Description
	}
	named := aCode.FindAllString(said, -1)
	codes = slices.DeleteFunc(slices.Clone(codes), func(c string) bool { return slices.Contains(named, c) })
	slices.Sort(codes)
	if codes = slices.Compact(codes); len(codes) == 0 {
		return
	}
	text := strings.Join(codes, ", ")
	if said != "" {
		text = said + "; " + text
	}
	r.Description = &text
}
