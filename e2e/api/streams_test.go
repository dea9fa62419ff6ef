package api

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"shopping-cart/e2e/harness"
	"shopping-cart/internal/pgtest"
	"shopping-cart/saga"
)

var openStreams = flag.Int("streams", 200, "how many checkouts TestStreams follows at once; from 5000 on the program must hold them within 300 MB")

// TestStreams follows many checkouts at one replica, and has another one end them all.
func TestStreams(t *testing.T) {
	t.Parallel()
	database := []string{"DATABASE_URL=" + pgtest.New(t), "PAYMENT_PROVIDER=simulator"}
	driver, teller := harness.NewHost(t, database), harness.NewHost(t, database)
	driver.Start(t)
	teller.Start(t)
	s := driver.Up(t)
	ada, sku := s.Shopper(t), s.AddProduct(t, 500)
	before := peak(t, teller)

	patient, cancel := context.WithTimeout(t.Context(), 10*harness.Patience)
	defer cancel()
	streams := make([]*stream, *openStreams)
	each := func(do func(i int) error) {
		var g errgroup.Group
		g.SetLimit(32)
		for i := range streams {
			g.Go(func() error { return do(i) })
		}
		require.NoError(t, g.Wait())
	}
	each(func(i int) (err error) {
		checkout, err := asks(patient, ada, sku)
		if err == nil {
			streams[i], err = follow(patient, teller.Up(t).Base, ada.Token, checkout)
		}
		return err
	})
	t.Cleanup(func() {
		for _, st := range streams {
			st.answer.Body.Close()
		}
	})
	require.Equal(t, len(streams), open(t, teller))
	opened := peak(t, teller)

	began := time.Now()
	each(func(i int) error {
		_, err := s.Try(patient, http.MethodPost, "/simulator/payments/"+streams[i].told.PaymentID.String()+"/approve", "", nil)
		return err
	})
	approved := time.Since(began)
	each(func(i int) error { return streams[i].reads(saga.Completed) })
	t.Logf("%d streams: %d MB before, %d MB when all were open, %d MB at the end; all approved after %v, all told after %v",
		len(streams), before>>20, opened>>20, peak(t, teller)>>20, approved, time.Since(began))
	harness.Until(t, "none is open", func() bool { return open(t, teller) == 0 })
	if *openStreams >= 5000 {
		require.Less(t, peak(t, teller), int64(300<<20))
	}
}

// asks begins a checkout that waits for the shopper's bank.
func asks(ctx context.Context, s harness.Shopper, sku string) (c harness.CheckoutView, err error) {
	var cart harness.CartView
	post := func(path string, body, into any, headers ...string) {
		var a harness.Answer
		if err == nil {
			a, err = s.Try(ctx, http.MethodPost, path, s.Token, body, headers...)
		}
		if err == nil && a.StatusCode >= http.StatusMultipleChoices {
			err = fmt.Errorf("%s: %s", path, a.Text)
		}
		if err == nil {
			err = a.Decode(into)
		}
	}
	post("/v1/carts", map[string]any{"currency": "GBP"}, &cart)
	post("/v1/carts/"+cart.ID.String()+"/items", map[string]any{"sku": sku, "quantity": 1}, &cart)
	post(harness.CheckoutPath(cart), harness.Paying("sim_requires_action"), &c, "Idempotency-Key", uuid.NewString(), "If-Match", harness.Tag(cart.Version), "Prefer", harness.Waiting)
	return c, err
}

// stream is a client that follows a checkout.
type stream struct {
	answer *http.Response
	lines  *bufio.Scanner
	told   harness.CheckoutView
}

func follow(ctx context.Context, base, token string, c harness.CheckoutView) (*stream, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/checkouts/"+c.ID.String()+"/stream", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	a, err := harness.Browser.Do(request)
	if err != nil {
		return nil, err
	}
	s := &stream{answer: a, lines: bufio.NewScanner(a.Body)}
	s.lines.Buffer(make([]byte, 0, 4<<10), 64<<10)
	return s, s.reads(c.Status)
}

// reads reads until the checkout stands there.
func (s *stream) reads(status saga.Status) error {
	for s.lines.Scan() {
		data, is := strings.CutPrefix(s.lines.Text(), "data: ")
		if !is {
			continue
		}
		if err := json.Unmarshal([]byte(data), &s.told); err != nil {
			return err
		}
		if s.told.Status == status {
			return nil
		}
	}
	return fmt.Errorf("the stream of %s ended at %s: %w", s.told.ID, s.told.Status, s.lines.Err())
}

var (
	openNow = regexp.MustCompile(`(?m)^shopping_cart_http_streams_open (\S+)$`)
	highest = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
)

// open is the number of streams that are open.
func open(t *testing.T, h *harness.Host) int {
	t.Helper()
	found := openNow.FindSubmatch(h.Up(t).Send(t, http.MethodGet, "/metrics", "", nil).Text)
	require.NotNil(t, found)
	n, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(t, err)
	return int(n)
}

// peak is the most memory that the process has had so far, in bytes; 0 where the system does not say.
func peak(t *testing.T, h *harness.Host) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.PID()))
	if err != nil {
		return 0
	}
	found := highest.FindSubmatch(text)
	require.NotNil(t, found)
	kb, err := strconv.ParseInt(string(found[1]), 10, 64)
	require.NoError(t, err)
	return kb << 10
}
