package saga

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/eventstore"
	"shopping-cart/internal/pgtest"
	"shopping-cart/payment"
	"shopping-cart/platform/web"
)

// toldEvent is an event as a client reads it.
type toldEvent struct {
	id       int64
	checkout CheckoutView
}

// following is a client of a stream.
type following struct {
	t *testing.T
	*http.Response
	lines *bufio.Scanner
}

// follows opens a stream of a process over real HTTP, as ann.
func follows(t *testing.T, p *process, id uuid.UUID, headers ...string) *following {
	t.Helper()
	server := web.New(web.Config{Auth: names{}, Log: p.Log})
	p.Routes(server)
	site := httptest.NewServer(server)
	t.Cleanup(site.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, site.URL+"/v1/checkouts/"+id.String()+"/stream", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer ann")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	a, err := site.Client().Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Body.Close() })
	return &following{t, a, bufio.NewScanner(a.Body)}
}

// next is the next event; false when the stream has ended.
func (f *following) next() (e toldEvent, more bool) {
	f.t.Helper()
	for f.lines.Scan() {
		name, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch name {
		case "event":
			require.Equal(f.t, "checkout", value)
		case "id":
			var err error
			e.id, err = strconv.ParseInt(value, 10, 64)
			require.NoError(f.t, err)
		case "data":
			require.NoError(f.t, json.Unmarshal([]byte(value), &e.checkout))
			return e, true
		}
	}
	require.NoError(f.t, f.lines.Err())
	return e, false
}

// until reads until a checkout stands there. Versions only grow.
func (f *following) until(status Status) (last toldEvent) {
	f.t.Helper()
	for last.checkout.Status != status {
		e, more := f.next()
		require.True(f.t, more, "it ended at %s", last.checkout.Status)
		require.Greater(f.t, e.id, last.id)
		last = e
	}
	return last
}

func (f *following) ends() {
	f.t.Helper()
	e, more := f.next()
	require.False(f.t, more, "%+v", e)
}

// atTheBank waits for the shopper's bank until it is woken.
func atTheBank(ctx context.Context, step string, n int) (payment.Outcome, error) {
	if step == ChargeMoney && n == 1 {
		return toBank, nil
	}
	return well(ctx, step, n)
}

func TestStream(t *testing.T) {
	t.Parallel()
	t.Run("TellsHowItIsThenEachChangeAndEnds", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, atTheBank)
		id := s.seals(1000)
		s.reaches(id, RequiresAction)
		f := follows(t, s.process, id)
		require.Equal(t, "text/event-stream", f.Header.Get("Content-Type"))
		first, _ := f.next()
		require.Equal(t, RequiresAction, first.checkout.Status)
		require.Equal(t, toBank.NextAction.URL, first.checkout.NextAction.URL)
		s.notifies(id)
		last := f.until(Completed)
		require.Greater(t, last.id, first.id)
		_, shown := s.call(http.MethodGet, "/v1/checkouts/"+id.String(), "")
		text, err := json.Marshal(shown)
		require.NoError(t, err)
		told, err := json.Marshal(last.checkout)
		require.NoError(t, err)
		require.JSONEq(t, string(text), string(told), "as GET shows it")
		f.ends()
	})
	t.Run("GoesOnAfterTheLastEventThatTheClientHas", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, atTheBank)
		id := s.seals(1000)
		s.reaches(id, RequiresAction)
		first, _ := follows(t, s.process, id).next()
		again := follows(t, s.process, id, "Last-Event-ID", strconv.FormatInt(first.id, 10))
		s.notifies(id)
		next, more := again.next()
		require.True(t, more)
		require.Greater(t, next.id, first.id, "what it has is not told again")
		for _, known := range []string{"0", "-1", "x", "", "99", strings.Repeat("9", 30)} {
			first, _ := follows(t, s.process, id, "Last-Event-ID", known).next()
			require.Positive(t, first.id, "of no use: %q", known)
		}
	})
	t.Run("WhoKnowsTheEndIsSentAway", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, well)
		id := s.seals(1000)
		s.reaches(id, Completed)
		f := follows(t, s.process, id)
		last, _ := f.next()
		require.Equal(t, Completed, last.checkout.Status)
		f.ends()
		again := follows(t, s.process, id, "Last-Event-ID", strconv.FormatInt(last.id, 10))
		require.Equal(t, http.StatusNoContent, again.StatusCode)
	})
	t.Run("StaysWithOneThatNeedsAPersonUntilThatHasActed", func(t *testing.T) {
		t.Parallel()
		settled := make(chan struct{})
		s := openShop(t, func(ctx context.Context, step string, n int) (payment.Outcome, error) {
			select {
			case <-settled:
			default:
				if step == ConfirmOrder {
					return payment.Outcome{}, errNotFound
				}
			}
			return well(ctx, step, n)
		})
		id := s.seals(1000)
		s.reaches(id, NeedsAttention)
		f := follows(t, s.process, id)
		f.until(NeedsAttention)
		close(settled)
		w, _ := s.call(http.MethodPost, "/v1/admin/sagas/"+id.String()+"/retry", "", "Authorization", "Bearer root")
		require.Equal(t, http.StatusAccepted, w.Code)
		f.until(Completed)
		f.ends()
	})
	t.Run("HearsOfWhatOtherProcessesDo", func(t *testing.T) {
		t.Parallel()
		url := pgtest.New(t)
		here, there := start(t, url, well), start(t, url, atTheBank)
		id := there.seals(1000)
		there.reaches(id, RequiresAction)
		f := follows(t, here, id)
		first, _ := f.next()
		require.Equal(t, RequiresAction, first.checkout.Status)
		there.notifies(id)
		f.until(Completed)
		f.ends()
	})
	t.Run("IsForThoseWhoMaySeeIt", func(t *testing.T) {
		t.Parallel()
		s := openShop(t, well)
		id := s.seals(1000)
		s.reaches(id, Completed)
		for _, who := range []string{"eve", "root"} {
			f := follows(t, s.process, id, "Authorization", "Bearer "+who)
			text, err := io.ReadAll(f.Body)
			require.NoError(t, err)
			require.Equal(t, who == "root", strings.Contains(string(text), "event: checkout"), "%s: %s", who, text)
		}
		for _, id := range []uuid.UUID{uuid.New(), uuid.Nil} {
			require.Equal(t, http.StatusNotFound, follows(t, s.process, id).StatusCode)
		}
		s.eventually("all streams are forgotten", func() bool { return len(s.notifier.streams.sagas()) == 0 })
	})
}

// TestStreamNeverShowsAnOlderState receives states out of order.
func TestStreamNeverShowsAnOlderState(t *testing.T) {
	t.Parallel()
	id, n, stream := uuid.New(), &notifier{}, &checkoutStream{}
	n.streams.add(id, stream)
	at := func(version int64) eventstore.Stream[State] {
		return eventstore.Stream[State]{ID: id, Version: version, State: State{Type: checkout.Type, Status: Running}}
	}
	n.notify(at(3))
	n.notify(at(2))
	n.notify(at(0))
	require.EqualValues(t, 3, stream.newest.Version, "it came before the stream was open")
	stream.sent = 3
	n.notify(at(2))
	require.False(t, stream.isBehind(3))
	require.True(t, stream.isBehind(4))
	n.streams.remove(id, func(*checkoutStream) bool { return true })
	n.notify(at(9))
	require.EqualValues(t, 3, stream.newest.Version)
	require.Empty(t, n.streams.sagas())
}
