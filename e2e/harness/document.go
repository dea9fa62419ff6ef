//go:build !windows

package harness

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

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"shopping-cart/docs"
	"shopping-cart/platform/web"
)

// CheckDocumented compares an answer with the API document, and the request too if it was granted. So every test that uses Try finds
// undocumented behaviour.
func CheckDocumented(a *http.Response, text []byte) error {
	if a.Request.Method == http.MethodHead {
		return nil
	}
	if path := a.Request.URL.Path; path == "/openapi.json" || strings.HasPrefix(path, "/swagger") || strings.HasPrefix(path, "/console") {
		return nil // not described: it is not part of the API itself
	}
	router, err := Document()
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
		return fmt.Errorf("the API document lacks %s %s: %w", asked.Method, asked.URL.Path, err)
	}
	request := &openapi3filter.RequestValidationInput{Request: asked, PathParams: parameters, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, RejectWhenRequestBodyNotSpecified: true,
		SchemaValidationOptions: Formats,
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

// withoutEmpty removes parameters that count as absent.
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

// namesCode requires that the document names the code of a refusal, for the status or among the common ones.
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

var Formats = []openapi3.SchemaValidationOption{
	openapi3.WithStringFormatValidator("uuid", openapi3.NewRegexpFormatValidator(openapi3.FormatOfStringForUUIDOfRFC9562)),
}

// Document is the API document, stricter than for clients: no object may have undocumented members.
var Document = sync.OnceValues(func() (routers.Router, error) {
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	if err != nil {
		return nil, err
	}
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.PlainBodyDecoder)
	Strict(doc)
	return gorillamux.NewRouter(doc)
})

func Strict(doc *openapi3.T) {
	for _, schema := range doc.Components.Schemas {
		if s := schema.Value; len(s.Properties) > 0 && s.AdditionalProperties.Has == nil {
			s.AdditionalProperties.Has = openapi3.Ptr(false)
		}
	}
}
