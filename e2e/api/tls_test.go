package api

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
	"shopping-cart/platform/web"
	"shopping-cart/saga"
)

// TestTLS serves both listeners by HTTPS: shoppers, operators, the simulator's webhooks and the command line meet there.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := harness.OpenUnchecked(t, harness.OneDatabase, adminApart, withCertificate)
	s.Client = &http.Client{Transport: &http.Transport{TLSClientConfig: web.TrustOnly(s.Settings.TLSCert)}}
	t.Cleanup(s.Client.CloseIdleConnections)
	require.True(t, strings.HasPrefix(s.Base, "https://") && strings.HasPrefix(s.Public, "https://"))

	ada, sku := s.Shopper(t), s.AddProduct(t, 1999)
	begun := ada.StartCheckout(t, ada.Fill(t, sku), "sim_requires_action")
	asked := ada.AwaitStatus(t, begun.ID, saga.RequiresAction)
	require.Equal(t, s.Public+"/simulator/payments/"+asked.PaymentID.String(), asked.NextAction.URL)
	require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode)
	ada.AwaitStatus(t, asked.ID, saga.Completed)
	require.NotEmpty(t, harness.Get[harness.List[any]](t, s, "/v1/admin/webhooks", s.Admin).Data, "the webhook arrived")

	signIn, err := s.Ask(t.Context(), http.MethodGet, "/console/sign-in", "", nil)
	require.NoError(t, err)
	require.Contains(t, signIn.Header.Get("Set-Cookie"), "__Host-console_form=")
	require.Equal(t, "max-age=31536000", signIn.Header.Get("Strict-Transport-Security"))

	settings := []string{
		"HTTP_ADDR=" + strings.TrimPrefix(s.Public, "https://"), "ADMIN_ADDR=" + strings.TrimPrefix(s.Base, "https://"), "TLS_CERT=" + s.Settings.TLSCert,
		"TLS_KEY=" + s.Settings.TLSKey, "AUTH_SECRET=" + harness.Secret, "ADMIN_SECRET=" + harness.AdminSecret,
	}
	for _, arguments := range [][]string{{"health"}, {"verify", "--quiet"}} {
		said, complained, status := command(t, settings, arguments...)
		require.Zero(t, status, "%s%s", said, complained)
	}
}

// withCertificate makes the program serve HTTPS.
func withCertificate(t testing.TB, c *config.Config) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	c.TLSCert, c.TLSKey = filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")
	require.NoError(t, os.WriteFile(c.TLSCert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), 0o600))
	require.NoError(t, os.WriteFile(c.TLSKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
}
