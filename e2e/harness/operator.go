//go:build !windows

package harness

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/cart"
	"shopping-cart/order"
	"shopping-cart/payment"
	"shopping-cart/saga"
)

// Operator is a browser without JavaScript that visits the console.
type Operator struct {
	*Site
	Client *http.Client
}

// Operator returns a browser without a token.
func (s *Site) Operator(t *testing.T) Operator {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return Operator{s, &http.Client{Transport: Browser.Transport, Jar: jar}}
}

// Page is a page after all redirects.
type Page struct {
	*http.Response
	Text string
}

func (o Operator) Do(t *testing.T, method, path string, form url.Values, headers ...string) Page {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, o.Base+path, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", o.Base)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := o.Client.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return Page{resp, string(text)}
}

// HiddenField returns the value of a field from the first form that has it.
func (p Page) HiddenField(t *testing.T, name string) string {
	t.Helper()
	found := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(p.Text)
	require.NotNil(t, found, p.Text)
	return found[1]
}

func (o Operator) SignIn(t *testing.T, token, at string) Page {
	t.Helper()
	form := o.Do(t, "GET", at, nil)
	return o.Do(t, "POST", "/console/sign-in", url.Values{
		"token": {token}, "form_token": {form.HiddenField(t, "form_token")}, "next": {form.HiddenField(t, "next")}})
}

// CancellationOf returns the saga that cancels an order.
func (s *Site) CancellationOf(t testing.TB, order uuid.UUID) (id uuid.UUID) {
	t.Helper()
	Until(t, "the cancellation begins", func() bool {
		for _, v := range Get[List[saga.View]](t, s, "/v1/admin/sagas?limit=100&type=cancellation", s.Admin).Data {
			if v.OrderID == order {
				id = v.ID
			}
		}
		return id != uuid.Nil
	})
	return id
}

// AwaitAttention waits until a saga needs attention.
func (s *Site) AwaitAttention(t testing.TB, id uuid.UUID) (v saga.View) {
	t.Helper()
	Until(t, "it needs attention", func() bool {
		v = Get[saga.View](t, s, "/v1/admin/sagas/"+id.String(), s.Admin)
		return v.Status == saga.NeedsAttention
	})
	return v
}

func (s *Site) Operate(t testing.TB, id uuid.UUID, verb string, body any) Answer {
	t.Helper()
	return s.Send(t, http.MethodPost, "/v1/admin/sagas/"+id.String()+"/"+verb, s.Admin, body, "Idempotency-Key", uuid.NewString())
}

// Doubt is a checkout with a payment of unknown outcome.
type Doubt struct {
	*Site
	Ada  Shopper
	Cart CartView
	CheckoutView
}

// LeaveInDoubt starts a checkout whose provider stops responding after the operation last, "authorize" or "capture". The answer to the
// capture is lost.
func (s *Site) LeaveInDoubt(t *testing.T, sku, last string) Doubt {
	t.Helper()
	return s.LeaveInDoubtWith(t, sku, last, map[string]string{"capture": "sim_timeout_applied", "authorize": "sim_ok"}[last])
}

func (s *Site) LeaveInDoubtWith(t *testing.T, sku, last, method string) Doubt {
	t.Helper()
	s.Exec(t, "simulator", fmt.Sprintf(`create function simulator.falls_silent() returns trigger language plpgsql as
			$$ begin execute 'alter table simulator.payments rename to silent'; return null; end $$;
		create trigger falls_silent after insert on simulator.ledger for each row when (new.operation = '%s')
			execute function simulator.falls_silent()`, last))
	ada := s.Shopper(t)
	c := ada.Fill(t, sku)
	d := Doubt{s, ada, c, ada.StartCheckout(t, c, method)}
	d.CheckoutView = ada.AwaitStatus(t, d.ID, saga.NeedsAttention)
	require.Contains(t, Get[List[saga.View]](t, s, "/v1/admin/sagas?status=needs_attention", s.Admin).Data[0].ID.String(), d.ID.String())
	require.Equal(t, []saga.Action{"retry", "compensate", "settle"}, d.Saga(t).Actions)
	return d
}

// RestoreProvider restores the provider with its ledger.
func (d Doubt) RestoreProvider(t *testing.T, _ string) {
	t.Helper()
	d.Exec(t, "simulator", `alter table simulator.silent rename to payments; drop function simulator.falls_silent cascade`)
}

func (d Doubt) Saga(t *testing.T) saga.View {
	t.Helper()
	return Get[saga.View](t, d.Site, "/v1/admin/sagas/"+d.ID.String(), d.Admin)
}

func (d Doubt) Act(t *testing.T, action string, body map[string]any, headers ...string) Answer {
	t.Helper()
	var sent any
	if body != nil {
		sent = body
	}
	return d.Send(t, http.MethodPost, "/v1/admin/sagas/"+d.ID.String()+"/"+action, d.Admin, sent, headers...)
}

// Resolve resolves the payment twice. The repetition must change nothing.
func (d Doubt) Resolve(t *testing.T, outcome string) {
	t.Helper()
	body, key := map[string]any{"outcome": outcome, "reason": "Their support says so."}, []string{"Idempotency-Key", uuid.NewString()}
	for _, replayed := range []string{"", "true"} {
		a := d.Act(t, "settle", body, key...)
		As[saga.View](t, a, http.StatusAccepted)
		require.Equal(t, replayed, a.Header.Get("Idempotent-Replayed"))
	}
	Until(t, "the saga has recorded it", func() bool {
		for _, e := range d.Saga(t).Events {
			if e.Type == "saga.step_settled" {
				require.Equal(t, "operator", e.Actor)
				require.JSONEq(t, fmt.Sprintf("%q", body["reason"]), string(field(t, e.Data, "reason")))
				return true
			}
		}
		return false
	})
}

// RequireOrder requires the order before the provider is back.
func (d Doubt) RequireOrder(t *testing.T) {
	t.Helper()
	d.Ada.AwaitStatus(t, d.ID, saga.Completed)
	require.Equal(t, order.StatusConfirmed, d.Order(t).Status)
	require.Equal(t, cart.StatusCheckedOut, d.Ada.Cart(t, d.CartID).Status)
	require.Equal(t, saga.Running, d.Saga(t).Status, "it is still to be verified")
	paid := Get[PaymentView](t, d.Site, "/v1/payments/"+d.PaymentID.String(), d.Ada.Token)
	require.Equal(t, []any{"captured", d.Total.Amount}, []any{paid.Status, paid.Captured.Amount})
}

func (d Doubt) Order(t *testing.T) OrderView {
	t.Helper()
	return Get[OrderView](t, d.Site, "/v1/orders/"+d.OrderID.String(), d.Admin)
}

func (d Doubt) AwaitEnd(t *testing.T, status saga.Status, ledger ...string) {
	t.Helper()
	Until(t, "the saga is "+string(status), func() bool {
		now := d.Saga(t).Status
		if now == saga.NeedsAttention { // on a slow machine the deadline may pass again
			require.Contains(t, []int{http.StatusAccepted, http.StatusConflict}, d.Act(t, "retry", nil).StatusCode)
		}
		return now == status
	})
	require.Equal(t, ledger, d.Ledger(t, *d.PaymentID))
	if status == saga.Cancelled {
		d.Ada.RequireReopened(t, d.Cart, d.Ada.Cart(t, d.CartID))
	}
	timeline := Get[List[Entry]](t, d.Site, "/v1/orders/"+d.OrderID.String()+"/timeline?limit=100", d.Admin).Data
	require.Equal(t, "saga.ended", timeline[len(timeline)-1].Type)
}

func field(t *testing.T, data []byte, name string) json.RawMessage {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data, &members))
	return members[name]
}

func (s *Site) WebhooksOf(t *testing.T, paymentID uuid.UUID) []payment.WebhookView {
	t.Helper()
	return Get[List[payment.WebhookView]](t, s, "/v1/admin/webhooks?reference="+paymentID.String(), s.Admin).Data
}
