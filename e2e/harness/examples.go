//go:build !windows

package harness

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

var recordExamples = flag.Bool("record-examples", false, "record requests and answers in docs/examples for operations without an example")

// example is a recorded request of an operation with its answers by status.
type example struct {
	Request   any            `json:"request,omitempty"`
	Responses map[string]any `json:"responses,omitempty"`
}

// examples are those of docs/examples. They are real: the tests record them on request.
type examples struct {
	mu  sync.Mutex
	dir string
	of  map[string]*example // by operation; read at the first use
}

var recorded = &examples{dir: filepath.Join("docs", "examples"), of: map[string]*example{}}

// read returns the example of an operation; empty if there is none.
func (x *examples) read(operation string) (*example, error) {
	if e := x.of[operation]; e != nil {
		return e, nil
	}
	e := &example{Responses: map[string]any{}}
	text, err := os.ReadFile(x.path(operation))
	if err == nil {
		err = json.Unmarshal(text, e)
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	x.of[operation] = e
	return e, err
}

func (x *examples) path(operation string) string { return filepath.Join(x.dir, operation+".json") }

// holds compares an answer with the example of its operation, or records it.
func (x *examples) holds(operation string, asked []byte, a *http.Response, text []byte) error {
	if a.StatusCode >= http.StatusMultipleChoices {
		return nil
	}
	body, has := readable(a.Header.Get("Content-Type"), text)
	x.mu.Lock()
	defer x.mu.Unlock()
	e, err := x.read(operation)
	if err != nil || !has && len(asked) == 0 || isNothing(body) {
		return err
	}
	status := strconv.Itoa(a.StatusCode)
	if _, known := e.Responses[status]; known || !*recordExamples {
		return differs(operation, e.Responses[status], body)
	}
	return x.record(operation, e, asked, status, body)
}

// record writes an example with neutral ids and times.
func (x *examples) record(operation string, e *example, asked []byte, status string, body any) error {
	if e.Request == nil {
		_ = json.Unmarshal(asked, &e.Request) // some have no body
	}
	if body != nil {
		e.Responses[status] = body
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(e); err != nil {
		return err
	}
	if err := os.MkdirAll(x.dir, 0o755); err != nil {
		return err
	}
	text := anonymous(out.Bytes())
	if err := json.Unmarshal(text, e); err != nil {
		return fmt.Errorf("the example of %s is not valid JSON: %w", operation, err)
	}
	return os.WriteFile(x.path(operation), text, 0o644) // a source file like any other
}

// readable converts a body to its form in the document: JSON, or a text of events.
func readable(kind string, text []byte) (body any, has bool) {
	kind, _, _ = mime.ParseMediaType(kind)
	switch kind {
	case "text/event-stream":
		return string(text), true
	case "application/json":
		if json.Unmarshal(text, &body) != nil {
			return nil, false
		}
		return shortened(body), true
	}
	return nil, false
}

// isNothing reports an empty list, which shows nothing.
func isNothing(body any) bool {
	page, is := body.(map[string]any)
	data, list := page["data"].([]any)
	return is && list && len(data) == 0 && len(page) == 2
}

const longList = 4 // the steps of a checkout

// shortened keeps the first two items of a list, and the newest of other long arrays.
func shortened(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for name, member := range value {
			if list, is := member.([]any); is && name == "data" {
				member = list[:min(len(list), 2)]
			}
			value[name] = shortened(member)
		}
	case []any:
		if len(value) > longList {
			value = value[len(value)-2:]
		}
		for i := range value {
			value[i] = shortened(value[i])
		}
		return value
	}
	return value
}

var (
	anID     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	aTime    = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	aToken   = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]+`)
	anOrigin = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	noon     = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
)

// anonymous replaces ids, times, tokens and addresses, so that every recording gives the same text. Equal values stay equal, and
// times keep their order.
func anonymous(text []byte) []byte {
	text = regexp.MustCompile(`SKU (`+anID.String()+`)`).ReplaceAll(text, []byte("SKU 1"))
	text = aToken.ReplaceAll(text, []byte("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl"))
	text = anOrigin.ReplaceAll(text, []byte("http://localhost:8080"))
	var ids []string
	text = anID.ReplaceAllFunc(text, func(id []byte) []byte {
		at := slices.Index(ids, string(id))
		if at < 0 {
			at, ids = len(ids), append(ids, string(id))
		}
		return fmt.Appendf(nil, "019cae4f-5b00-7000-8000-%012x", at+1)
	})
	var times []time.Time
	for _, at := range aTime.FindAll(text, -1) {
		times = append(times, timeOf(at))
	}
	slices.SortFunc(times, time.Time.Compare)
	times = slices.CompactFunc(times, time.Time.Equal)
	return aTime.ReplaceAllFunc(text, func(at []byte) []byte {
		place := slices.IndexFunc(times, timeOf(at).Equal)
		return []byte(noon.Add(time.Duration(place) * 20 * time.Millisecond).Format("2006-01-02T15:04:05.000Z"))
	})
}

// timeOf returns the zero time for text that only resembles a time.
func timeOf(text []byte) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, string(text))
	return at
}

// differs reports members of an answer that the example lacks, and the reverse. It skips objects with data as members, whose
// neighbour names their kind.
func differs(operation string, example, answer any) error {
	if example == nil {
		return nil
	}
	x, isObject := example.(map[string]any)
	a, is := answer.(map[string]any)
	if isObject != is {
		return fmt.Errorf("the example of %s is of another kind than an answer", operation)
	}
	for name := range x {
		if _, has := a[name]; !has && !optional[name] {
			return fmt.Errorf("the example of %s shows %s, and an answer has no such member", operation, name)
		}
	}
	for name := range a {
		if _, has := x[name]; !has && !optional[name] {
			return fmt.Errorf("an answer of %s has %s, and its example shows no such member", operation, name)
		}
	}
	return nil
}

// optional lists members that only some answers have.
var optional = map[string]bool{"events": true}
