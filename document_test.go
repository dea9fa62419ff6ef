package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/stretchr/testify/require"

	"shopping-cart/docs"
	"shopping-cart/platform/web"
)

// asDocumented holds an answer against the API document, and what was asked too when it was granted: a test that goes
// through try finds what the document does not say.
func asDocumented(a *http.Response, text []byte) error {
	if a.Request.Method == http.MethodHead {
		return nil
	}
	if path := a.Request.URL.Path; path == "/openapi.json" || strings.HasPrefix(path, "/swagger") || strings.HasPrefix(path, "/console") {
		return nil // about the API, not of it
	}
	router, err := document()
	if err != nil {
		return err
	}
	asked := a.Request.Clone(a.Request.Context())
	asked.URL.RawQuery = withoutEmpty(asked.URL.Query())
	if a.Request.GetBody != nil {
		if asked.Body, err = a.Request.GetBody(); err != nil {
			return err
		}
	}
	route, parameters, err := router.FindRoute(asked)
	if err != nil && (a.StatusCode == http.StatusNotFound || a.StatusCode == http.StatusMethodNotAllowed) {
		return nil // the program does not know it either
	}
	if err != nil {
		return fmt.Errorf("the API document knows no %s %s: %w", asked.Method, asked.URL.Path, err)
	}
	request := &openapi3filter.RequestValidationInput{Request: asked, PathParams: parameters, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, RejectWhenRequestBodyNotSpecified: true,
		SchemaValidationOptions: formats,
	}}
	if a.StatusCode < http.StatusMultipleChoices {
		if err := openapi3filter.ValidateRequest(asked.Context(), request); err != nil {
			return fmt.Errorf("the API document would refuse %s %s: %w", asked.Method, asked.URL.Path, err)
		}
	}
	if err := openapi3filter.ValidateResponse(asked.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: a.StatusCode, Header: a.Header, Body: io.NopCloser(bytes.NewReader(text)), Options: request.Options,
	}); err != nil {
		return fmt.Errorf("%s %s does not answer as documented: %w", asked.Method, asked.URL.Path, err)
	}
	if a.StatusCode >= http.StatusBadRequest {
		return namesCode(route.Operation, a.StatusCode, text)
	}
	payload, err := bodyOf(a.Request)
	if err != nil {
		return err
	}
	return recorded.holds(route.Operation.OperationID, payload, a, text)
}

// withoutEmpty leaves out what counts for none.
func withoutEmpty(query url.Values) string {
	maps.DeleteFunc(query, func(_ string, values []string) bool { return strings.Join(values, "") == "" })
	return query.Encode()
}

func bodyOf(r *http.Request) ([]byte, error) {
	if r.GetBody == nil {
		return nil, nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	return io.ReadAll(body)
}

// namesCode looks whether the document names the code of a refusal, with its status or among those that all may give.
func namesCode(o *openapi3.Operation, status int, text []byte) error {
	var p web.Problem
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	named := o.Responses.Default()
	if own := o.Responses.Status(status); own != nil {
		named = own
	}
	if !slices.Contains(aCode.FindAllString(*named.Value.Description, -1), p.Code) {
		return fmt.Errorf("%s: the API document does not say that %d may be %s: %q", o.OperationID, status, p.Code, *named.Value.Description)
	}
	return nil
}

var aCode = regexp.MustCompile(`[a-z_]+`)

var formats = []openapi3.SchemaValidationOption{
	openapi3.WithStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562)),
}

// document is the API document, made stricter than it is for clients: here no object has members that it does not name.
var document = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	if err != nil {
		return nil, err
	}
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.PlainBodyDecoder)
	strict(doc)
	return gorillamux.NewRouter(doc)
})

func strict(doc *openapi3.T) {
	for _, schema := range doc.Components.Schemas {
		if s := schema.Value; len(s.Properties) > 0 && s.AdditionalProperties.Has == nil {
			s.AdditionalProperties.Has = openapi3.Ptr(false)
		}
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	cart := `"id":"01a20699-f1d4-7dcc-99a4-5197a21580d5","customer_id":"ada","currency":"GBP","status":"open","items":[],"adjustments":[],"adjustments_stale":false,` +
		`"total":{"amount":0,"currency":"GBP"},"version":1,"created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05.678901Z"`
	answered := func(method, path, body string, status int, text string) error {
		request, err := http.NewRequest(method, "http://127.0.0.1"+path, strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/json")
		return asDocumented(&http.Response{StatusCode: status, Request: request, Header: http.Header{"Content-Type": {"application/json"}}}, []byte(text))
	}
	require.NoError(t, answered("POST", "/v1/carts", `{"currency":"GBP"}`, 201, "{"+cart+`,"checkout_id":null}`))
	for name, err := range map[string]error{
		"AMissingMember":    answered("POST", "/v1/carts", `{"currency":"GBP"}`, 201, "{"+cart+"}"),
		"AnUnknownMember":   answered("POST", "/v1/carts", `{"currency":"GBP"}`, 201, "{"+cart+`,"checkout_id":null,"mood":"good"}`),
		"AnIdThatIsNone":    answered("POST", "/v1/carts", `{"currency":"GBP"}`, 201, "{"+cart+`,"checkout_id":"7"}`),
		"AnotherStatus":     answered("POST", "/v1/carts", `{"currency":"GBP"}`, 200, "{"+cart+`,"checkout_id":null}`),
		"AnUnknownQuestion": answered("POST", "/v1/carts", `{"currency":"GBP","mood":"good"}`, 201, "{"+cart+`,"checkout_id":null}`),
		"AnUnknownRoute":    answered("POST", "/v1/moods", "", 201, "{}"),
	} {
		require.Error(t, err, name)
	}
}
