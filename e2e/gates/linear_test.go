package gates

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
)

// Gate 2: carts are linearizable. Clients edit and read a handful of carts over three replicas, with If-Match and without,
// with Idempotency-Key and without. They hang up on some requests, and repeat those that have a key until they are answered.
// Meanwhile replicas are killed and frozen. Then every answer must be explained by one order of all commands, which
// contradicts no clock: the model is in linear_model_test.go, the search for the order is porcupine's.
//
//	go test ./e2e/gates -run 'TestLinearizable$' -operations=20000 -seed=7 -v

var operations = flag.Int("operations", 1500, "length of the recorded history of carts")

const (
	editors   = 8
	handful   = 3   // carts that are edited at a time
	perCart   = 150 // operations on one, about; the search takes long when a history is long and much of it open
	openEdits = 3   // requests without a key that are cut off, for each cart: the search takes 2ⁿ of the open ones
	perFault  = 750 // operations from one fault to the next

	keyedLimit = 300 * time.Millisecond // after which another replica is asked
	frozenFor  = 400 * time.Millisecond // at most
)

// history is what clients asked and were told.
type history struct {
	*harness.Fleet
	token string
	shelf []string
	carts []uuid.UUID
	began time.Time

	asked atomic.Int64
	cuts  []atomic.Int64 // by cart: edits that nobody will repeat

	mu         sync.Mutex
	operations [][]porcupine.Operation // by cart

	conflicts, refused, unanswered, open, again atomic.Int64
}

func TestLinearizable(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills, freezes and starts replicas")
	}
	from := harness.SeedOf(t)
	h := &history{Fleet: harness.NewFleet(t, 3, pgtest.New(t)), token: harness.Mint(t, harness.Settings(), "ada"), began: time.Now()}
	h.opens(t)
	shopping, giveUp := context.WithCancel(t.Context())
	all, working := errgroup.WithContext(shopping)
	defer func() { // nobody shops on when the test has failed
		giveUp()
		_ = all.Wait()
	}()
	for i := range editors {
		all.Go(func() error {
			e := &editor{history: h, id: i, luck: rand.New(rand.NewPCG(from, uint64(i))), seen: map[int]int64{}}
			return e.edits(working)
		})
	}
	kills, freezes := h.breaks(t, working, rand.New(rand.NewPCG(from, editors)))
	require.NoError(t, all.Wait())
	h.Up(t).RequirePromises(t)
	last := &editor{history: h, id: editors, seen: map[int]int64{}}
	for i := range h.carts { // what was never answered shows at last
		require.NoError(t, last.asks(t.Context(), wish{cart: i, verb: reads}))
	}
	h.isLinear(t)
	require.Positive(t, min(h.conflicts.Load(), h.refused.Load(), h.unanswered.Load(), h.again.Load()), "too little was put to the test")
	t.Logf("%d operations on %d carts: %d conflicts, %d refused, %d requests unanswered, %d operations open for ever, "+
		"%d repeated after their answer; %d replicas killed, %d frozen", len(slices.Concat(h.operations...)), len(h.carts),
		h.conflicts.Load(), h.refused.Load(), h.unanswered.Load(), h.open.Load(), h.again.Load(), kills, freezes)
}

// opens fills the shelf and opens all the carts that will be needed.
func (h *history) opens(t *testing.T) {
	for range shelfSize {
		h.shelf = append(h.shelf, h.Up(t).AddProduct(t, 100))
	}
	for range handful * (1 + *operations/(handful*perCart)) {
		h.carts = append(h.carts, harness.Shopper{Site: h.Up(t), Token: h.token}.Fill(t).ID)
	}
	h.cuts, h.operations = make([]atomic.Int64, len(h.carts)), make([][]porcupine.Operation, len(h.carts))
}

// breaks kills a replica and freezes another, in turns, while the clients are at work.
func (h *history) breaks(t *testing.T, working context.Context, luck *rand.Rand) (kills, freezes int) {
	for at := perFault / 3; at < *operations; at += perFault {
		harness.Until(t, "it has come so far", func() bool { return h.asked.Load() >= int64(at) || working.Err() != nil })
		if working.Err() != nil {
			break
		}
		victim := h.Replicas[luck.IntN(len(h.Replicas))]
		if kills <= freezes {
			victim.Kill(t)
			victim.Start(t)
			kills++
			continue
		}
		victim.Freeze(t)
		enough := h.Answers.Load() + perFault/5
		harness.Eventually(harness.Within(t, frozenFor), func() bool { return h.Answers.Load() >= enough })
		victim.Thaw()
		freezes++
	}
	return kills, freezes
}

func (h *history) now() int64 { return time.Since(h.began).Nanoseconds() }

func (h *history) records(client int, w wish, r heard, call, end int64) {
	if r.open {
		h.open.Add(1)
		end = never
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations[w.cart] = append(h.operations[w.cart],
		porcupine.Operation{ClientId: client, Input: w, Output: r, Call: call, Return: end})
}

// isLinear judges cart by cart. The first that is wrong can be looked at in a browser.
func (h *history) isLinear(t *testing.T) {
	t.Helper()
	for i, operations := range h.operations {
		result, found := porcupine.CheckOperationsVerbose(oneCart, operations, harness.Patience)
		if result == porcupine.Ok {
			continue
		}
		picture, err := os.CreateTemp("", "linear-*.html")
		require.NoError(t, err)
		require.NoError(t, porcupine.Visualize(oneCart, found, picture))
		require.NoError(t, picture.Close())
		t.Fatalf("the history of cart %s is %s: see %s", h.carts[i], result, picture.Name())
	}
}

// editor is one client.
type editor struct {
	*history
	id   int
	luck *rand.Rand
	seen map[int]int64 // the version of each cart that it was shown last
}

func (e *editor) edits(ctx context.Context) error {
	for {
		n := int(e.asked.Add(1))
		if n > *operations {
			return nil
		}
		first := n / (handful * perCart) * handful
		if err := e.asks(ctx, e.wishes(first+e.luck.IntN(handful))); err != nil {
			return err
		}
	}
}

func (e *editor) wishes(cart int) wish {
	w := wish{cart: cart, verb: adds, sku: 1 + e.luck.IntN(shelfSize), quantity: 1 + e.luck.Int64N(3), keyed: e.luck.IntN(2) == 0}
	switch n := e.luck.IntN(100); {
	case n < 25:
		w = wish{cart: cart, verb: reads}
	case n < 50:
		w.verb = sets
	case n < 62:
		w.verb, w.quantity = removes, 0
	case n < 67:
		w.verb, w.quantity, w.sku = clears, 0, 0
	}
	if e.luck.IntN(5) < 2 {
		w.version = e.seen[cart]
	}
	return w
}

// asks until it is answered, or as long as it may. A request that was not answered has come true or not, or will.
func (e *editor) asks(ctx context.Context, w wish) error {
	request := e.spells(w)
	call, doubt := e.now(), false
	for {
		begun := e.now()
		a, err := request(e.patient(ctx, w, doubt))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, syscall.ECONNREFUSED): // never came to be asked
			continue
		case err != nil || a.StatusCode == http.StatusServiceUnavailable:
			e.unanswered.Add(1)
			if doubt = true; w.keyed {
				continue
			}
			if w.verb != reads {
				e.records(e.id, w, heard{open: true}, call, never)
			}
			return nil
		}
		r, err := e.hears(a)
		if err != nil {
			return err
		}
		if doubt && r.status != http.StatusOK { // refused now: what went before may still come true, as it left no receipt
			e.records(e.id, w, heard{open: true}, begun, never)
			call = begun
		}
		e.records(e.id, w, r, call, e.now())
		e.seen[w.cart] = r.version
		if w.keyed && r.status == http.StatusOK && e.luck.IntN(10) == 0 {
			return e.repeats(ctx, request, a)
		}
		return nil
	}
}

// patient is how long a request may take. Some are cut off: at any moment, or when they have just been sent.
func (e *editor) patient(ctx context.Context, w wish, again bool) (context.Context, time.Duration) {
	limit := harness.Patience
	if w.keyed {
		limit = keyedLimit
	}
	if e.luck == nil || again || e.luck.IntN(12) > 0 || !w.keyed && w.verb != reads && e.cuts[w.cart].Add(1) > openEdits {
		return ctx, limit
	}
	if e.luck.IntN(2) == 0 {
		return ctx, time.Duration(e.luck.Int64N(int64(6 * time.Millisecond)))
	}
	ctx, hangUp := context.WithCancel(ctx)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { hangUp() }}), limit
}

// repeats asks once more for what was answered: it is told the same, and nothing happens.
func (e *editor) repeats(ctx context.Context, request sender, told harness.Answer) error {
	a, err := request(ctx, harness.Patience)
	if err != nil || a.StatusCode == http.StatusServiceUnavailable {
		return ctx.Err()
	}
	e.again.Add(1)
	if string(a.Text) != string(told.Text) || a.Header.Get("Idempotent-Replayed") != "true" {
		return fmt.Errorf("%s %s answered %s, and again %s", a.Request.Method, a.Request.URL, told.Text, a.Text)
	}
	return nil
}

// sender sends the same request each time.
type sender func(ctx context.Context, limit time.Duration) (harness.Answer, error)

// spells is a wish in HTTP.
func (e *editor) spells(w wish) sender {
	path, method, body := "/v1/carts/"+e.carts[w.cart].String(), http.MethodGet, any(nil)
	line := func() string { return path + "/items/" + harness.Escape(e.shelf[w.sku-1]) }
	switch w.verb {
	case reads:
	case adds:
		path, method, body = path+"/items", http.MethodPost, map[string]any{"sku": e.shelf[w.sku-1], "quantity": w.quantity}
	case sets:
		path, method, body = line(), http.MethodPatch, map[string]any{"quantity": w.quantity}
	case removes:
		path, method = line(), http.MethodDelete
	case clears:
		path, method = path+"/items", http.MethodDelete
	}
	var headers []string
	if w.keyed {
		headers = append(headers, "Idempotency-Key", uuid.NewString())
	}
	if w.version != 0 && w.verb == reads {
		headers = append(headers, "If-None-Match", harness.Tag(w.version))
	} else if w.version != 0 {
		headers = append(headers, "If-Match", harness.Tag(w.version))
	}
	return func(ctx context.Context, limit time.Duration) (harness.Answer, error) {
		return e.Once(ctx, limit, method, path, e.token, body, headers...)
	}
}

// hears reads an answer. The version stands in its body and in its ETag, and must be the same.
func (e *editor) hears(a harness.Answer) (heard, error) {
	r := heard{status: a.StatusCode}
	var shown harness.CartView
	var why harness.Problem
	err := error(nil)
	switch r.status {
	case http.StatusOK:
		err = a.Decode(&shown)
		r.version = shown.Version
	case http.StatusPreconditionFailed:
		err = a.Decode(&why)
		r.version = why.Version
		e.conflicts.Add(1)
	case http.StatusNotModified:
		_, err = fmt.Sscanf(a.Header.Get("ETag"), `"%d"`, &r.version)
	case http.StatusNotFound:
		err = a.Decode(&why)
		e.refused.Add(1)
	default:
		err = errors.New("unexpected")
	}
	if etag := a.Header.Get("ETag"); err == nil && r.version != 0 && etag != harness.Tag(r.version) || why.Code == "not_found" {
		err = fmt.Errorf("at ETag %s", etag)
	}
	if err == nil && len(shown.Items) > shelfSize {
		err = errors.New("too many lines")
	}
	if err != nil {
		return r, fmt.Errorf("%s %s: %s %s: %w", a.Request.Method, a.Request.URL, a.Status, a.Text, err)
	}
	for i, item := range shown.Items {
		r.lines[i] = basketLine{1 + slices.Index(e.shelf, item.SKU), item.Quantity}
	}
	return r, nil
}
