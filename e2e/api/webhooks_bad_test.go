package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
)

// TestUnreadableWebhooks: what is signed and cannot be stored is refused with its reason, and not a fault of the server, which
// providers answer by sending it again for days.
func TestUnreadableWebhooks(t *testing.T) {
	t.Parallel()
	const secret = "whsec_test"
	bodies := map[string]string{
		"AnId":        `{"id":"evt\u0000","object":"event","type":"payment_intent.succeeded","reference":"x","data":{"object":{}}}`,
		"ALongId":     `{"id":"` + strings.Repeat("e", 200_000) + `","object":"event","type":"x","reference":"x","data":{"object":{}}}`,
		"AType":       `{"id":"evt_1","object":"event","type":"a\u0000b","reference":"x","data":{"object":{}}}`,
		"AReference":  `{"id":"evt_1","object":"event","type":"x","reference":"a\u0000b","data":{"object":{"metadata":{"payment_id":"a\u0000b"}}}}`,
		"NoId":        `{"object":"event","type":"x","data":{"object":{}}}`,
		"Nothing":     ``,
		"NoJSON":      `evt_1`,
		"NoObject":    `[1]`,
		"AnEmptyOne":  `{}`,
		"ALongType":   `{"id":"evt_1","object":"event","type":"` + strings.Repeat("t", 256) + `","reference":"x","data":{"object":{}}}`,
		"ATypeOfMany": `{"id":"evt_1","object":"event","type":"a\u001bb","reference":"x","data":{"object":{}}}`,
	}
	for provider, header := range map[string]string{config.Simulator: "Simulator-Signature", config.Stripe: "Stripe-Signature"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			s := harness.Open(t, harness.OneDatabase, func(_ testing.TB, c *config.Config) {
				c.SimulatorSecret, c.StripeWebhookSecret = secret, secret
				if provider == config.Stripe {
					c.PaymentProvider, c.StripeSecretKey, c.StripeAPIBase = provider, "sk_test_1", "http://127.0.0.1:1"
				}
			})
			for name, body := range bodies {
				if provider == config.Stripe && name == "AReference" {
					continue // it stands elsewhere there
				}
				now := strconv.FormatInt(time.Now().Unix(), 10)
				mac := hmac.New(sha256.New, []byte(secret))
				fmt.Fprintf(mac, "%s.%s", now, body)
				a, err := s.Ask(t.Context(), http.MethodPost, "/v1/webhooks/payments/"+provider, "", body, header, "t="+now+",v1="+hex.EncodeToString(mac.Sum(nil)))
				require.NoError(t, err, name)
				p := harness.RequireProblem(t, a, http.StatusBadRequest, "bad_webhook")
				require.NotContains(t, p.Detail, "eeee", name)
			}
			require.Empty(t, harness.Get[harness.List[any]](t, s, "/v1/admin/webhooks", s.Admin).Data, "nothing is stored")
		})
	}
}
