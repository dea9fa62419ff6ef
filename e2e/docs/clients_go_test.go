package docs

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/docs"
	"shopping-cart/e2e/harness"
)

// documenting forwards requests, and checks each answer against the API document.
type documenting struct{}

func (documenting) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		asked, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(asked)), nil }
		r.Body, _ = r.GetBody()
	}
	a, err := harness.Browser.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		return nil, err
	}
	a.Body = io.NopCloser(bytes.NewReader(text))
	return a, harness.CheckDocumented(a, text)
}

// documented serves what a site serves, as long as the API document describes it.
func documented(t *testing.T, s *harness.Site) (base string) {
	t.Helper()
	to, err := url.Parse(s.Base)
	require.NoError(t, err)
	server := httptest.NewServer(&httputil.ReverseProxy{
		Transport: documenting{},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Del("Accept-Encoding") // so that the transport reads compressed answers
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
	})
	t.Cleanup(server.Close)
	return server.URL
}

// TestGoClient makes the Go client of the API document and takes the tour with it, as docs/clients/go says.
func TestGoClient(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it compiles a generator, and a client of 20,000 lines")
	}
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join("docs", "clients", "go"))))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "openapi.json"), docs.OpenAPI, 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "client"), 0o700))
	s := harness.Open(t, harness.OneDatabase)
	environment := append(os.Environ(), "API_URL="+documented(t, s), "ADMIN_TOKEN="+s.Admin)
	goTool := func(arguments ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), "go", arguments...)
		cmd.Dir, cmd.Env = dir, environment
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := goTool("mod", "download"); err != nil {
		require.NotContains(t, out, "SECURITY ERROR")
		t.Skip("the modules of the client cannot be fetched: " + strings.TrimSpace(out))
	}
	out, err := goTool("tool", "oapi-codegen", "-package", "client", "-generate", "types,client", "-o", "client/client.gen.go", "openapi.json")
	require.NoError(t, err, out)
	out, err = goTool("test", "-count=1", ".")
	require.NoError(t, err, out)
}
