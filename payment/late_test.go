package payment_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/payment"
	"shopping-cart/platform/web"
)

// hears sends a webhook with a valid signature of the simulator, and returns the status of the response.
func (s *shop) hears(id, kind string, reference uuid.UUID, createdAt time.Time) int {
	body := fmt.Sprintf(`{"id":%q,"type":%q,"reference":%q,"created_at":%q}`, id, kind, reference, createdAt.Format(time.RFC3339))
	t := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, []byte("whisper"))
	mac.Write([]byte(t + "." + body))
	return send(s.server, "POST", "/v1/webhooks/payments/simulator", "", body,
		"Simulator-Signature", "t="+t+",v1="+hex.EncodeToString(mac.Sum(nil))).Code
}

// kept returns the stored fields of a webhook.
func (s *shop) kept(t *testing.T, id string) (kind, body, note string) {
	t.Helper()
	err := s.pools.Query.QueryRow(t.Context(),
		"select type, convert_from(body, 'UTF8'), coalesce(note, '') from payment.webhooks where id = $1", id).Scan(&kind, &body, &note)
	require.NoError(t, err)
	return kind, body, note
}

// approves charges with a method that needs the shopper's approval, and approves.
func (s *shop) approves(t *testing.T, c payment.Charge) {
	t.Helper()
	require.Equal(t, payment.ResultActionRequired, s.charge(t, c).Result)
	require.Equal(t, 200, send(s.server, "POST", "/simulator/payments/"+c.PaymentID.String()+"/approve", "", "").Code)
}

func TestWebhookBeforeThePaymentIsKnown(t *testing.T) {
	t.Parallel()
	s, c := newShop(t), newCharge("sim_requires_action")
	require.Equal(t, 200, s.hears("evt_early", "payment.authorized", c.PaymentID, time.Now()))
	s.requireDelivered(t)
	_, body, note := s.kept(t, "evt_early")
	require.Contains(t, body, c.PaymentID.String())
	require.Equal(t, "There is no such payment.", note)
	require.Empty(t, s.types(t, c), "and none came of it")

	s.approves(t, c)
	require.NotEqual(t, "evt_early", s.waitWoken(t).Event.WebhookID)
	require.Equal(t, payment.ResultCaptured, s.charge(t, c).Result)
	require.Equal(t, 200, s.hears("evt_early", "payment.authorized", c.PaymentID, time.Now()))
	require.Equal(t, "evt_early", s.waitWoken(t).Event.WebhookID, "sent again, there is such a payment")
	s.requireDelivered(t)
	_, _, note = s.kept(t, "evt_early")
	require.Empty(t, note)
	require.Equal(t, []string{"authorize", "capture"}, s.ledger(c))
}

func TestWebhookOfUnknownType(t *testing.T) {
	t.Parallel()
	s, c := newShop(t), newCharge("sim_ok")
	require.Equal(t, payment.ResultCaptured, s.charge(t, c).Result)
	require.Equal(t, 200, s.hears("evt_odd", "moon.is_full", c.PaymentID, time.Now()))
	require.Equal(t, "moon.is_full", s.waitWoken(t).Event.Type)
	s.requireDelivered(t)
	kind, body, note := s.kept(t, "evt_odd")
	require.Equal(t, "moon.is_full", kind)
	require.True(t, strings.HasPrefix(body, `{"id":"evt_odd"`), "as it came: %s", body)
	require.Empty(t, note)
	require.Equal(t, payment.ResultCaptured, s.charge(t, c).Result)
	require.Equal(t, []string{"authorize", "capture"}, s.ledger(c))
}

// TestWebhookYearsLate repeats a webhook after the first one and its receipt were deleted.
func TestWebhookYearsLate(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	paid, undone := newCharge("sim_requires_action"), newCharge("sim_requires_action")
	s.approves(t, paid)
	first := s.waitWoken(t)
	require.Equal(t, payment.ResultCaptured, s.charge(t, paid).Result)
	require.Equal(t, payment.ResultActionRequired, s.charge(t, undone).Result)
	s.undo(t, undone)
	s.requireDelivered(t)
	for _, sql := range []string{"delete from payment.webhooks", "delete from payment.receipts"} {
		_, err := s.pools.Query.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	then := time.Now().AddDate(-7, 0, 0)
	require.Equal(t, 200, s.hears(first.Event.WebhookID, "payment.authorized", paid.PaymentID, then))
	require.Equal(t, paid.CheckoutID, s.waitWoken(t).Event.CheckoutID)
	require.Equal(t, 200, s.hears("evt_old", "payment.authorized", undone.PaymentID, then))
	require.Equal(t, undone.CheckoutID, s.waitWoken(t).Event.CheckoutID)
	s.requireDelivered(t)
	require.Equal(t, payment.ResultCaptured, s.charge(t, paid).Result)
	require.Equal(t, []string{"authorize", "capture"}, s.ledger(paid))
	require.Equal(t, payment.ResultRefused, s.charge(t, undone).Result)
	s.undo(t, undone)
	require.Empty(t, s.ledger(undone))
}

// TestApprovedAndNobodyTold loses the webhook. The shopper has approved in time, and the next charge finds out, at the latest at the
// deadline.
func TestApprovedAndNobodyTold(t *testing.T) {
	t.Parallel()
	w, c := newWorld(t), newCharge("sim_requires_action") // its simulator delivers no webhooks
	server := web.New(web.Config{Auth: keys{}, Log: slog.New(slog.DiscardHandler)})
	s := &shop{world: w, process: w.start(w.sim, patient), server: server}
	w.sim.Routes(s.server)
	s.approves(t, c)
	require.Equal(t, payment.ResultCaptured, s.charge(t, c).Result, "asked, the bank says yes")
	require.Equal(t, []string{"authorize", "capture"}, w.ledger(c))
}

// TestApprovedWhileTheVoidIsOwed approves a payment after it was compensated, and before the provider received the void.
func TestApprovedWhileTheVoidIsOwed(t *testing.T) {
	t.Parallel()
	s, c := newShop(t), newCharge("sim_requires_action")
	require.Equal(t, payment.ResultActionRequired, s.charge(t, c).Result)
	away := s.start(around{s.sim, func(string, func() error) error { return &payment.Transient{Err: errDead} }}, patient)
	out, err := away.Undo(t.Context(), c.CheckoutID, undoOf(c))
	require.NoError(t, err)
	require.Equal(t, payment.ResultVoiding, out.Result)
	require.Equal(t, http.StatusOK, send(s.server, "POST", "/simulator/payments/"+c.PaymentID.String()+"/approve", "", "").Code)
	require.Equal(t, []string{"authorize"}, s.ledger(c))
	require.Equal(t, payment.ResultRefused, s.charge(t, c).Result, "a charge goes no further")
	s.undo(t, c)
	require.Equal(t, []string{"authorize", "void"}, s.ledger(c))
}

// TestAuthorizationExpires lets an authorization expire before its capture. Either the capture is refused, or a look-up tells.
func TestAuthorizationExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	silent := around{w.sim, func(operation string, call func() error) error {
		if err := call(); operation != "capture" || err != nil {
			return err
		}
		return errDead // the refusal is lost
	}}
	for name, provider := range map[string]payment.Provider{"AndTheCaptureHears": w.sim, "AndALookUpTells": silent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, c := w.start(provider, patient), newCharge("sim_authorization_expires")
			out := p.charge(t, c)
			require.Equal(t, payment.ResultRefused, out.Result)
			require.Equal(t, payment.CodeCaptureRefused, out.Failure.Code, "it was the bank, and nobody who cancelled")
			p.undo(t, c)
			require.Equal(t, []string{"authorize", "void"}, w.ledger(c))
		})
	}
}

// TestApprovedBeforeTheAnswerWasRecorded kills the first process after the authorization, and continues in another one.
func TestApprovedBeforeTheAnswerWasRecorded(t *testing.T) {
	t.Parallel()
	s, c := newShop(t), newCharge("sim_requires_action")
	require.True(t, s.crash(1, true, func(p *process) error {
		_, err := p.Charge(t.Context(), c.CheckoutID, c)
		return err
	}))
	require.Equal(t, http.StatusOK, send(s.server, "POST", "/simulator/payments/"+c.PaymentID.String()+"/approve", "", "").Code)
	s.waitWoken(t)
	require.Equal(t, payment.ResultCaptured, s.charge(t, c).Result, "nobody will say so a second time")
	require.Equal(t, []string{"authorize", "capture"}, s.ledger(c))
}
