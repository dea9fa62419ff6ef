package api

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
)

// apacheConfig is that of a proxy which compresses with mod_deflate. Its modules lie where Debian puts them.
const apacheConfig = `
ServerRoot %[1]s
DefaultRuntimeDir %[1]s
PidFile apache.pid
ErrorLog error.log
ServerName localhost
Listen 127.0.0.1:%[2]d
LoadModule mpm_event_module %[3]s/mod_mpm_event.so
LoadModule authz_core_module %[3]s/mod_authz_core.so
LoadModule proxy_module %[3]s/mod_proxy.so
LoadModule proxy_http_module %[3]s/mod_proxy_http.so
LoadModule filter_module %[3]s/mod_filter.so
LoadModule deflate_module %[3]s/mod_deflate.so
User nobody
ProxyPass / %[4]s/
AddOutputFilterByType DEFLATE application/json application/problem+json
`

// TestApache walks through a checkout behind a proxy that appends the content coding to tags.
func TestApache(t *testing.T) {
	t.Parallel()
	const modules = "/usr/lib/apache2/modules"
	if _, err := os.Stat(filepath.Join(modules, "mod_deflate.so")); err != nil {
		t.Skip("Apache is missing: apt-get install apache2-bin")
	}
	s := harness.Open(t, harness.OneDatabase)
	direct := *s // the proxy is between its clients only
	s.PutBehind(t, "apache2", func(prefix string, port int) (config string, arguments []string) {
		return fmt.Sprintf(apacheConfig, prefix, port, modules, s.Base), []string{"-DFOREGROUND", "-f"}
	})
	sku := direct.AddProduct(t, 1250)
	direct.SetStock(t, sku, 10)
	buyer := s.Shopper(t)
	filled := buyer.Fill(t, sku)
	changed := compressed(t, s, "/v1/carts/"+filled.ID.String(), buyer.Token).Header.Get("ETag")
	require.Equal(t, strings.TrimSuffix(harness.Tag(filled.Version), `"`)+`-gzip"`, changed, "the proxy must change this tag, or the test shows nothing")
	knowsTags(t, s, buyer, filled, sku)

	t.Run("AProductWithStock", func(t *testing.T) {
		path := "/v1/products/" + harness.Escape(sku)
		changed := compressed(t, s, path, "").Header.Get("ETag")
		require.Regexp(t, `^"[0-9]+\.[0-9]+-gzip"$`, changed)
		require.Equal(t, http.StatusNotModified, s.Send(t, http.MethodGet, path, "", nil, "If-None-Match", changed).StatusCode)
		body := map[string]any{"name": "Mug, blue", "price": map[string]any{"amount": 500, "currency": "GBP"}}
		require.Equal(t, http.StatusOK, s.Send(t, http.MethodPut, path, s.Admin, body, "If-Match", changed).StatusCode)
		require.Equal(t, http.StatusPreconditionFailed, s.Send(t, http.MethodPut, path, s.Admin, body, "If-Match", changed).StatusCode)
	})
}
