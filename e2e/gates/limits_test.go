package gates

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
)

var unkindSeconds = flag.Int("unkind-seconds", 2, "how long each attack of TestUnkindAddress lasts")

const (
	kind   = "127.0.0.3"
	unkind = "127.0.0.2"
)

// limited sets limits that the shopper of these tests does not meet, and that the attacker does.
func limited(t testing.TB, c *config.Config) {
	harness.OneDatabase(t, c)
	c.Limits, c.LimitReplicas = "true", 1
	c.LimitSessions, c.LimitReads, c.LimitEdits, c.LimitCheckouts = "100/s 200", "100/s 200", "200/s 400", "100/s 200"
	c.LimitMetrics, c.LimitBadTokens, c.LimitWebhooks = "5/s 20", "20/s 40", "100/s 200"
	c.PaymentActionTTL = time.Duration(*unkindSeconds+3) * time.Second // the promises hold once every checkout has ended
	c.MaxConnections, c.MaxConnectionsPerAddress = 200, 100
	c.MaxStreams, c.MaxStreamsPerAddress, c.MaxStreamsPerSubject, c.MaxStreamsPerCheckout = 50, 20, 16, 4
}

// TestUnkindAddress attacks with one address, while a shopper at another one buys.
func TestUnkindAddress(t *testing.T) {
	for name, attack := range map[string]func(*attacker){
		"Sessions": (*attacker).opensSessions, "Carts": (*attacker).opensCarts, "Connections": (*attacker).connects,
		"SlowBodies": (*attacker).sendsSlowly, "Streams": (*attacker).follows, "Metrics": (*attacker).scrapes,
		"UnknownAddresses": (*attacker).guesses, "Webhooks": (*attacker).forges,
	} {
		t.Run(name, func(t *testing.T) {
			s := harness.Open(t, limited)
			shelf := []string{s.AddProduct(t, 450), s.AddProduct(t, 1999)}
			shopper := s.From(t, kind, 4)
			before := purchases(t, shopper, shelf)
			a := &attacker{t: t, s: s.From(t, unkind, 64), shelf: shelf}
			a.begin(attack)
			during := purchases(t, shopper, shelf)
			require.Equal(t, http.StatusOK, shopper.Send(t, http.MethodGet, "/healthz", "", nil).StatusCode)
			granted, refused := a.end()
			t.Logf("purchases a second: %.1f before, %.1f during; the attacker was granted %d and refused %d", before, during, granted, refused)
			requireShown(t, harness.Get[web.LimitsView](t, s, "/v1/admin/limits", s.Admin))
			require.Contains(t, string(s.Send(t, http.MethodGet, "/metrics", "", nil).Text), `shopping_cart_limited_total{by="`)
		})
	}
}

// requireShown requires that operators see whom the program refuses.
func requireShown(t *testing.T, l web.LimitsView) {
	t.Helper()
	if l.Connections.Refused+l.Streams.Refused > 0 {
		return
	}
	require.Len(t, l.Refused, 1)
	require.Equal(t, unkind, l.Refused[0].Key)
}

// purchases buys one after the other for the time of an attack, and returns the rate. No purchase may fail.
func purchases(t *testing.T, s *harness.Site, shelf []string) float64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*harness.Patience) // purchases are slow on a small machine during an attack
	defer cancel()
	began, n := time.Now(), 0
	for ; time.Since(began) < time.Duration(*unkindSeconds)*time.Second; n++ {
		buys(ctx, t, s, shelf)
	}
	return float64(n) / time.Since(began).Seconds()
}

// attacker sends as fast as it can from one address.
type attacker struct {
	t                *testing.T
	s                *harness.Site
	shelf            []string
	ctx              context.Context
	stop             context.CancelFunc
	all              sync.WaitGroup
	granted, refused atomic.Int64
}

// begin starts the attack, and returns once it was refused something.
func (a *attacker) begin(attack func(*attacker)) {
	a.ctx, a.stop = context.WithCancel(context.Background())
	a.t.Cleanup(func() { a.end() })
	attack(a)
	harness.Until(a.t, "the attacker is refused", func() bool { return a.refused.Load() > 0 })
}

func (a *attacker) end() (granted, refused int64) {
	a.stop()
	a.all.Wait()
	return a.granted.Load(), a.refused.Load()
}

// repeat runs do in many goroutines until the attack ends. do returns the status of an answer; 0 for a closed connection.
func (a *attacker) repeat(many int, do func() int) {
	for range many {
		a.all.Go(func() {
			for a.ctx.Err() == nil {
				switch status := do(); {
				case a.ctx.Err() != nil:
				case status == 0, status == http.StatusTooManyRequests:
					a.refused.Add(1)
				case status < http.StatusMultipleChoices:
					a.granted.Add(1)
				}
			}
		})
	}
}

func (a *attacker) ask(method, path, token string, body any) int {
	answer, err := a.s.Ask(a.ctx, method, path, token, body)
	if err != nil {
		return 0
	}
	return answer.StatusCode
}

func (a *attacker) opensSessions() {
	a.repeat(64, func() int { return a.ask(http.MethodPost, "/v1/sessions", "", nil) })
}

// opensCarts makes a customer for each cart, so that no subject meets its limit.
func (a *attacker) opensCarts() {
	var n atomic.Int64
	a.repeat(64, func() int {
		token := harness.Mint(a.t, a.s.Settings, fmt.Sprint("customer-", n.Add(1)))
		return a.ask(http.MethodPost, "/v1/carts", token, map[string]any{"currency": "GBP"})
	})
}

func (a *attacker) scrapes() {
	a.repeat(8, func() int { return a.ask(http.MethodGet, "/metrics", "", nil) })
}

func (a *attacker) guesses() {
	a.repeat(64, func() int { return a.ask(http.MethodGet, "/nothing", "", nil) })
}

// forges sends webhooks with a signature that is not the provider's.
func (a *attacker) forges() {
	a.repeat(64, func() int {
		return a.ask(http.MethodPost, "/v1/webhooks/payments/simulator", "", map[string]any{"event": "forged"})
	})
}

// connect opens a connection that sends text and waits until the server closes it.
func (a *attacker) connect(text string) int {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(unkind), 0))}
	conn, err := dialer.DialContext(a.ctx, "tcp", strings.TrimPrefix(a.s.Base, "http://"))
	if err != nil {
		return 0
	}
	defer conn.Close()
	defer context.AfterFunc(a.ctx, func() { _ = conn.Close() })()
	_, _ = io.WriteString(conn, text)
	_, _ = io.Copy(io.Discard, conn)
	return 0
}

// connects holds more connections than there may be, without a word.
func (a *attacker) connects() { a.repeat(500, func() int { return a.connect("") }) }

// sendsSlowly leaves bodies unfinished.
func (a *attacker) sendsSlowly() {
	head := "POST /v1/sessions HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
	a.repeat(500, func() int { return a.connect(head) })
}

// follows opens streams of one checkout that waits for the bank.
func (a *attacker) follows() {
	session := harness.As[web.Session](a.t, a.s.Send(a.t, http.MethodPost, "/v1/sessions", "", nil), http.StatusCreated)
	guest := harness.Shopper{Site: a.s, Token: session.Token, ID: session.CustomerID}
	waits := guest.CheckOutAtBank(a.t, guest.Fill(a.t, a.shelf[0]), "sim_requires_action")
	a.repeat(32, func() int {
		r, err := http.NewRequestWithContext(a.ctx, http.MethodGet, a.s.Base+"/v1/checkouts/"+waits.ID.String()+"/stream", nil)
		if err != nil {
			return 0
		}
		r.Header.Set("Authorization", "Bearer "+guest.Token)
		answer, err := a.s.Client.Do(r)
		if err != nil {
			return 0
		}
		defer answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			a.granted.Add(1)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		return answer.StatusCode
	})
}
