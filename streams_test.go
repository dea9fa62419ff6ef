package main

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

	"shopping-cart/internal/pgtest"
	"shopping-cart/saga"
)

var openStreams = flag.Int("streams", 200, "how many checkouts TestStreams follows at once; from 5000 on the program must hold them within 300 MB")

// TestStreams follows many checkouts at one replica, and has another one end them all.
func TestStreams(t *testing.T) {
	t.Parallel()
	database := []string{"DATABASE_URL=" + pgtest.New(t), "PAYMENT_PROVIDER=simulator"}
	driver, teller := newHost(t, database), newHost(t, database)
	driver.start(t)
	teller.start(t)
	s := driver.up(t)
	ada, sku := s.shopper(t), s.sells(t, 500)
	before := teller.peak(t)

	patient, cancel := context.WithTimeout(t.Context(), 10*patience)
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
		checkout, err := ada.asks(patient, sku)
		if err == nil {
			streams[i], err = follow(patient, teller.up(t).base, ada.token, checkout)
		}
		return err
	})
	t.Cleanup(func() {
		for _, st := range streams {
			st.answer.Body.Close()
		}
	})
	require.Equal(t, len(streams), teller.open(t))
	opened := teller.peak(t)

	began := time.Now()
	each(func(i int) error {
		_, err := s.try(patient, http.MethodPost, "/simulator/payments/"+streams[i].told.PaymentID.String()+"/approve", "", nil)
		return err
	})
	approved := time.Since(began)
	each(func(i int) error { return streams[i].reads(saga.Completed) })
	t.Logf("%d streams: %d MB before, %d MB when all were open, %d MB at the end; all approved after %v, all told after %v",
		len(streams), before>>20, opened>>20, teller.peak(t)>>20, approved, time.Since(began))
	until(t, "none is open", func() bool { return teller.open(t) == 0 })
	if *openStreams >= 5000 {
		require.Less(t, teller.peak(t), int64(300<<20))
	}
}

// asks begins a checkout that waits for the shopper's bank.
func (s shopper) asks(ctx context.Context, sku string) (c checkoutView, err error) {
	var cart cartView
	post := func(path string, body, into any, headers ...string) {
		var a answer
		if err == nil {
			a, err = s.try(ctx, http.MethodPost, path, s.token, body, headers...)
		}
		if err == nil && a.StatusCode >= http.StatusMultipleChoices {
			err = fmt.Errorf("%s: %s", path, a.body)
		}
		if err == nil {
			err = a.decode(into)
		}
	}
	post("/v1/carts", map[string]any{"currency": "GBP"}, &cart)
	post("/v1/carts/"+cart.ID.String()+"/items", map[string]any{"sku": sku, "quantity": 1}, &cart)
	post(checkoutPath(cart), paying("sim_requires_action"), &c, "Idempotency-Key", uuid.NewString(), "If-Match", tag(cart.Version), "Prefer", waiting)
	return c, err
}

// stream is a client that follows a checkout.
type stream struct {
	answer *http.Response
	lines  *bufio.Scanner
	told   checkoutView
}

func follow(ctx context.Context, base, token string, c checkoutView) (*stream, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/checkouts/"+c.ID.String()+"/stream", nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	a, err := browser.Do(request)
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
func (h *host) open(t *testing.T) int {
	t.Helper()
	found := openNow.FindSubmatch(h.up(t).send(t, http.MethodGet, "/metrics", "", nil).body)
	require.NotNil(t, found)
	n, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(t, err)
	return int(n)
}

// peak is the most memory that the process has had so far, in bytes; 0 where the system does not say.
func (h *host) peak(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.process.Process.Pid))
	if err != nil {
		return 0
	}
	found := highest.FindSubmatch(text)
	require.NotNil(t, found)
	kb, err := strconv.ParseInt(string(found[1]), 10, 64)
	require.NoError(t, err)
	return kb << 10
}
