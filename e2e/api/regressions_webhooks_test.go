package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/payment"
	"shopping-cart/saga"
)

// webhook sends one as the simulator signs it.
func webhook(t testing.TB, s *harness.Site, id, kind string, reference uuid.UUID) (harness.Answer, error) {
	c := s.Settings
	require.NoError(t, c.FillSecrets())
	body := fmt.Sprintf(`{"id":%q,"type":%q,"reference":%q}`, id, kind, reference)
	at := fmt.Sprint(time.Now().Unix())
	mac := hmac.New(sha256.New, []byte(c.SimulatorSecret))
	mac.Write([]byte(at + "." + body))
	return s.Ask(t.Context(), http.MethodPost, "/v1/webhooks/payments/simulator", "", body,
		"Simulator-Signature", "t="+at+",v1="+hex.EncodeToString(mac.Sum(nil)))
}

// earlyWebhook: one that comes before there is an order that it could confirm counts all the same, and none is acknowledged
// before it is kept.
func earlyWebhook(t *testing.T, s *harness.Site) {
	t.Run("BeforeItsPaymentAnswers", func(t *testing.T) { t.Parallel(); webhookBeforeTheAnswer(t, s) })
	t.Run("BeforeItIsKept", func(t *testing.T) { t.Parallel(); webhookKeptFirst(t) })
}

// webhookBeforeTheAnswer: the shopper says yes, and the webhook that tells of it is handled, before the provider has answered
// that they must be asked. Nobody says so a second time.
func webhookBeforeTheAnswer(t *testing.T, s *harness.Site) {
	ada := s.Shopper(t)
	sku := s.AddProduct(t, 1000)
	handled := make(chan error, 1)
	ada.Site = besideWith(t, s, func(bank payment.Provider) payment.Provider {
		return authorizes{bank, func(ctx context.Context, c payment.Call) (payment.Answer, error) {
			answer, err := bank.Authorize(ctx, c)
			if answer.Status == payment.ActionRequired {
				handled <- saysYes(t.Context(), s, c.Reference)
			}
			return answer, err
		}}
	})
	c := ada.Fill(t, sku)
	begun := ada.StartCheckout(t, c, "sim_requires_action")
	require.NoError(t, <-handled)
	ada.RequireOutcome(t, c, ada.AwaitStatus(t, begun.ID, saga.Completed), harness.Outcome{Payment: "captured", Ledger: []string{"authorize", "capture"}})
}

const handledWebhook = "select exists (select from payment.webhooks where reference = $1 and handled_at is not null)"

// saysYes approves a payment, and returns when the webhook about it has been handled.
func saysYes(ctx context.Context, s *harness.Site, reference string) error {
	if _, err := s.Try(ctx, http.MethodPost, "/simulator/payments/"+reference+"/approve", "", nil); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, s.URLs["payment"])
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	ctx, cancel := context.WithTimeout(ctx, harness.Patience)
	defer cancel()
	harness.Eventually(ctx, func() (handled bool) {
		err = conn.QueryRow(ctx, handledWebhook, reference).Scan(&handled)
		return handled || err != nil
	})
	return err
}

const (
	webhookWaits = `select exists (select from pg_locks where not granted and relation = 'payment.webhooks'::regclass)`
	notified     = "select count(*) from payment.events where stream = $1 and type = 'payment.notified'"
)

// webhookKeptFirst: as long as a webhook cannot be stored it is not answered, and has no effect that a crash could leave alone.
func webhookKeptFirst(t *testing.T) {
	s := harness.Open(t, harness.DatabaseEach)
	conn, err := pgx.Connect(t.Context(), s.URLs["payment"])
	require.NoError(t, err)
	defer conn.Close(context.Background())
	ada := s.Shopper(t)
	c := ada.Fill(t, s.AddProduct(t, 1000))
	asked := ada.CheckOutAtBank(t, c, "sim_requires_action")
	release := locks(t, s, "payment", "lock table payment.webhooks in share mode")
	require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode)
	answered := make(chan harness.Answer, 1)
	go func() {
		a, err := webhook(t, s, "evt_"+uuid.NewString(), "payment.authorized", *asked.PaymentID)
		if err == nil {
			answered <- a
		}
	}()
	harness.Until(t, "it is being stored", func() (waits bool) {
		require.NoError(t, conn.QueryRow(t.Context(), webhookWaits).Scan(&waits))
		return waits
	})
	require.Empty(t, answered, "acknowledged before it was kept")
	var told int
	require.NoError(t, conn.QueryRow(t.Context(), notified, asked.PaymentID).Scan(&told))
	require.Zero(t, told, "applied before it was kept")
	release()
	require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, (<-answered).StatusCode)
	ada.RequireOutcome(t, c, ada.AwaitStatus(t, asked.ID, saga.Completed), harness.Outcome{Payment: "captured", Ledger: []string{"authorize", "capture"}})
}
