package gates

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/docs"
	"shopping-cart/e2e/harness"
)

var fuzzMinutes = flag.Float64("fuzz-minutes", 0, "how long TestFuzz asks; 0: some hundred requests, the same each time unless there is a -seed")

// asked is a request that was drawn from the API document.
type asked struct {
	operation    *openapi3.Operation
	method, path string
	token        string
	headers      []string
	body         any // nil: none
}

func (a asked) String() string {
	body, _ := json.Marshal(a.body)
	return fmt.Sprintf("%s %s %q %s", a.method, a.path, a.headers, body)
}

// fuzzer draws requests about things that there are, and remembers what they made.
type fuzzer struct {
	*harness.Site
	operations []asked // with the templates of their paths
	next       asked   // the one of the next request
	ada, eve   harness.Shopper
	pricing    string
	known      map[string][]string // by "cart", "checkout", … and by the names of members
	owners     map[string]string   // the token of whom a thing belongs to
	tags       map[string]string   // the last ETag seen of a path
	over       []string            // checkouts that have ended
	answers    map[string]int      // by operation and status
}

const fewRequests = 600

// TestFuzz sends what the API document says, and what it nearly says, to the program: it never breaks, and answers as documented.
func TestFuzz(t *testing.T) {
	t.Parallel()
	f := newFuzzer(t)
	first := uint64(1)
	switch {
	case *harness.Seed != 0:
		first = *harness.Seed
	case *fuzzMinutes > 0:
		first = rand.Uint64N(1_000_000_000)
	}
	t.Logf("again with -seed=%d", first)
	deadline, n := time.Now().Add(time.Duration(*fuzzMinutes*float64(time.Minute))), 0
	for ; *fuzzMinutes == 0 && n < fewRequests || time.Now().Before(deadline); n++ {
		at := int(first) + n
		f.next = f.operations[rand.New(rand.NewPCG(uint64(at), 0)).IntN(len(f.operations))] // rapid would prefer the first
		a := rapid.Custom(f.draw).Example(at)
		if err := f.asks(t.Context(), a); err != nil {
			t.Fatalf("-seed=%d, after %d requests, %s\n%v", at, n, a, err)
		}
	}
	idle := f.neverGranted()
	t.Logf("%d requests, %d kinds of answers, nothing was granted by %d of %d operations: %v", n, len(f.answers), len(idle), len(f.operations), idle)
	require.Less(t, len(idle), len(f.operations)/2, "requests are too wrong to test anything")
}

// neverGranted are operations that have only refused so far.
func (f *fuzzer) neverGranted() (idle []string) {
	granted := map[string]bool{}
	for answer := range f.answers {
		operation, status, _ := strings.Cut(answer, " ")
		granted[operation] = granted[operation] || status < "3"
	}
	for _, a := range f.operations {
		if !granted[a.operation.OperationID] {
			idle = append(idle, a.operation.OperationID)
		}
	}
	return idle
}

func newFuzzer(t *testing.T) *fuzzer {
	s := harness.Open(t, harness.OneDatabase)
	f := &fuzzer{Site: s, ada: s.Shopper(t), eve: s.Shopper(t), pricing: harness.Mint(t, s.Settings, "pricing", "pricing"),
		owners: map[string]string{}, tags: map[string]string{}, answers: map[string]int{}}
	things := harness.CreateOwned(t, s, f.ada, f.eve)
	f.owners[things["{other}"]] = f.eve.Token
	f.known = map[string][]string{
		"cart": {things["{cart}"], things["{other}"]}, "checkout": {things["{checkout}"]}, "order": {things["{order}"]}, "payment": {things["{payment}"]},
		"sku": {things["{sku}"], s.AddProduct(t, 1), s.AddProduct(t, 250_000)}, "provider": {"simulator"}, "name": {"daily_sales", "Mug"}, "webhook": {"simulator:evt_1"},
		"customer": {f.eve.ID.String()}, "module": {"cart", "order", "payment", "saga"}, "source_cart_id": {things["{other}"]}, "source_token": {f.eve.Token},
		"payment_method": {"sim_ok", "sim_requires_action", "sim_ok", "sim_declined", "sim_requires_action", "sim_insufficient_funds", "sim_capture_fails", "sim_flaky", "nobody"},
		"Prefer":         {"wait=1", "wait=0", "respond-async", "wait=x"}, "cursor": {},
	}
	f.over = []string{things["{checkout}"]}
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	require.NoError(t, err)
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			f.operations = append(f.operations, asked{operation: o, method: method, path: path})
		}
	}
	slices.SortFunc(f.operations, func(a, b asked) int { return strings.Compare(a.operation.OperationID, b.operation.OperationID) })
	return f
}

// draw draws a request. Most are all right, so that something happens; others are a little wrong, or very.
func (f *fuzzer) draw(t *rapid.T) asked {
	v := values{T: t, known: f.known, wrong: rapid.SampledFrom([]int{0, 0, 3, 30}).Draw(t, "wrong")}
	a := f.next
	query, template := url.Values{}, a.path
	for _, ref := range a.operation.Parameters {
		p := ref.Value
		switch p.In {
		case openapi3.ParameterInPath:
			a.path = strings.Replace(a.path, "{"+p.Name+"}", f.inPath(v, a.path, template, p), 1)
		case openapi3.ParameterInQuery:
			if p.Required || v.one(3, "with "+p.Name) {
				query.Set(p.Name, flat(v.of(p.Schema.Value, p.Name)))
			}
		}
	}
	for _, ref := range a.operation.Parameters {
		if p := ref.Value; p.In == openapi3.ParameterInHeader && (p.Required || v.one(2, "with "+p.Name)) {
			if value := f.header(v, a.path, p); value != "" {
				a.headers = append(a.headers, p.Name, value)
			}
		}
	}
	a.token = f.whose(v, a)
	if len(query) > 0 {
		a.path += "?" + query.Encode()
	}
	if a.operation.RequestBody != nil {
		for _, media := range a.operation.RequestBody.Value.Content {
			a.body = v.of(media.Schema.Value, "body")
		}
	}
	return a
}

// whose is the token of somebody; of who may, where all is right.
func (f *fuzzer) whose(v values, a asked) string {
	switch {
	case a.operation.Security == nil || len(*a.operation.Security) == 0:
		return ""
	case v.wrong > 0:
		return pick(v, "who", f.Admin, f.ada.Token, f.eve.Token, f.pricing, "", "nonsense")
	case a.operation.Responses.Value("403") != nil && a.operation.OperationID != "mergeCarts":
		return f.Admin
	}
	for id, owner := range f.owners {
		if strings.Contains(a.path, id) {
			return owner
		}
	}
	return pick(v, "who", f.ada.Token, f.ada.Token, f.eve.Token)
}

// kinds of things stand in a path before their ids.
var kinds = map[string]string{
	"carts": "cart", "checkouts": "checkout", "sagas": "checkout", "orders": "order", "payments": "payment", "customers": "customer",
	"webhooks": "webhook", "parked": "parked", "streams": "", "cart": "cart", "order": "order", "payment": "payment", "saga": "checkout",
}

// inPath is a value of a path parameter: what it is about stands before it in the path.
func (f *fuzzer) inPath(v values, path, template string, p *openapi3.Parameter) string {
	before, _, _ := strings.Cut(path, "/{"+p.Name+"}")
	kind := kinds[before[strings.LastIndex(before, "/")+1:]]
	if kind == "" || p.Name == "provider" {
		kind = p.Name
	}
	known, value := f.known[kind], ""
	switch {
	case strings.HasSuffix(template, "/stream"): // of others it would not end
		value = pick(v, kind, f.over...)
	case template == "/v1/products/{sku}" && v.one(2, "another product"): // what is sold is priced by nobody else
		value = v.word("sku")
	case len(known) > 0 && !v.one(12, "no such "+kind):
		value = known[len(known)-rapid.IntRange(1, len(known)).Draw(v.T, kind)] // rather a new one
	default:
		value = flat(v.of(p.Schema.Value, p.Name))
	}
	if strings.Trim(value, "./") == "" || strings.Contains(value, "/") { // that would be another path
		value = v.id()
	}
	return url.PathEscape(value)
}

func (f *fuzzer) header(v values, path string, p *openapi3.Parameter) string {
	value, right := "", v.wrong == 0
	switch {
	case p.Name == "Idempotency-Key" && right:
		value = uuid.NewString()
	case p.Name == "If-Match" && right:
		value = f.tags[thingOf(path)]
	case p.Name == "Idempotency-Key":
		value = pick(v, p.Name, uuid.NewString(), uuid.NewString(), uuid.NewString(), "again", "two words", "ü", strings.Repeat("k", 256))
	case p.Name == "If-Match", p.Name == "If-None-Match":
		known := f.tags[thingOf(path)]
		value = pick(v, p.Name, known, known, known, `"1"`, `"999"`, "*", `W/"2"`, "7", `"x"`)
	case p.Name == "Last-Event-ID":
		value = pick(v, p.Name, "1", "3", "-1", "x", "99999999999999999999")
	default:
		value = flat(v.of(p.Schema.Value, p.Name))
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f { // no client would send it
			return -1
		}
		return r
	}, value)
}

// asks sends a request, and holds the answer against the document.
func (f *fuzzer) asks(ctx context.Context, a asked) error {
	ctx, cancel := context.WithTimeout(ctx, harness.Patience)
	defer cancel()
	var body any
	if a.body != nil {
		text, err := json.Marshal(a.body)
		if err != nil {
			return err
		}
		body = string(text)
	}
	got, err := f.Ask(ctx, a.method, a.path, a.token, body, a.headers...)
	if err != nil {
		return err
	}
	if got.StatusCode >= http.StatusInternalServerError && got.StatusCode != http.StatusServiceUnavailable {
		return fmt.Errorf("%s: %s", got.Status, got.Text)
	}
	if err := harness.CheckDocumented(got.Response, got.Text); err != nil {
		return fmt.Errorf("%w\n%s: %s", err, got.Status, got.Text)
	}
	f.answers[fmt.Sprintf("%s %d", a.operation.OperationID, got.StatusCode)]++
	f.remember(a, got)
	return nil
}

// thingOf is the path of the cart or the order that a path is about.
func thingOf(path string) string {
	path, _, _ = strings.Cut(path, "?")
	parts := strings.SplitN(path, "/", 5)
	return strings.Join(parts[:min(4, len(parts))], "/")
}

const fewThings = 30

// remember keeps what an answer made, and the versions that it showed.
func (f *fuzzer) remember(a asked, got harness.Answer) {
	if tag := got.Header.Get("ETag"); tag != "" {
		f.tags[thingOf(a.path)] = tag
	}
	var made struct {
		ID         string `json:"id"`
		OrderID    string `json:"order_id"`
		PaymentID  string `json:"payment_id"`
		NextCursor string `json:"next_cursor"`
		Data       []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if got.StatusCode >= http.StatusMultipleChoices || got.Decode(&made) != nil {
		return
	}
	f.keep("cursor", made.NextCursor, "")
	switch a.operation.OperationID {
	case "openCart":
		f.keep("cart", made.ID, a.token)
		if a.token == f.eve.Token {
			f.keep("source_cart_id", made.ID, a.token)
		}
	case "addItem", "changeQuantity": // one that can be checked out
		f.keep("cart", made.ID, "")
	case "checkOut":
		f.keep("checkout", made.ID, a.token)
		f.keep("order", made.OrderID, a.token)
		f.keep("payment", made.PaymentID, a.token)
	case "listWebhooks":
		for _, one := range made.Data {
			f.keep("webhook", one.ID, "")
		}
	}
}

// keep remembers the newest things of a kind, the last one last.
func (f *fuzzer) keep(kind, id, owner string) {
	if id == "" {
		return
	}
	f.known[kind] = append(slices.DeleteFunc(f.known[kind], func(other string) bool { return other == id }), id)
	f.known[kind] = f.known[kind][max(0, len(f.known[kind])-fewThings):]
	if owner != "" {
		f.owners[id] = owner
	}
}
