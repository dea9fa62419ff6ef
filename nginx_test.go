package main

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"shopping-cart/saga"
)

// nginxConfig is that of a proxy which compresses, as a shop has it in front. Everything that nginx writes lies in its prefix.
const nginxConfig = `
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  gzip on;
  gzip_proxied any;
  gzip_types application/json application/problem+json;
  server {
    listen 127.0.0.1:%d;
    location / { proxy_pass %s; proxy_http_version 1.1; }
  }
}
`

// TestNginx walks through a checkout behind a proxy that compresses, and so makes strong tags weak.
func TestNginx(t *testing.T) {
	t.Parallel()
	s := open(t, oneDatabase, withShop)
	direct := *s // the proxy is between its clients only
	s.behindNginx(t)
	sku := direct.sells(t, 1250)
	direct.stocks(t, sku, 10)

	buyer := s.shopper(t)
	filled := buyer.fills(t, sku)
	path := "/v1/carts/" + filled.ID.String()

	weak := s.compressed(t, path, buyer.token).Header.Get("ETag")
	require.Equal(t, `W/`+tag(filled.Version), weak, "the proxy must compress this answer, or the test shows nothing")

	s.knowsTags(t, buyer, filled, sku)
	t.Run("EventsComeWhenTheyHappen", func(t *testing.T) {
		asked := as[checkoutView](t, buyer.checksOut(t, buyer.fills(t, sku), "sim_requires_action", waiting), http.StatusAccepted)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+"/v1/checkouts/"+asked.ID.String()+"/stream", nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+buyer.token)
		request.Header.Set("Accept-Encoding", "gzip")
		stream, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		defer stream.Body.Close()
		require.Equal(t, "text/event-stream", stream.Header.Get("Content-Type"))
		require.Empty(t, stream.Header.Get("Content-Encoding"))
		lines := bufio.NewScanner(stream.Body)
		require.True(t, scans(lines, `"status":"requires_action"`), "the stream says how things are before anything else happens")
		require.Equal(t, http.StatusOK, s.bank(t, *asked.PaymentID, "approve").StatusCode)
		require.True(t, scans(lines, `"status":"completed"`))
	})
	t.Run("PagesAndTheDocument", func(t *testing.T) {
		for _, page := range []string{"/shop", "/swagger/index.html", "/console/sign-in", "/openapi.json"} {
			a, err := s.ask(t.Context(), http.MethodGet, page, "", nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, a.StatusCode, page)
		}
	})
}

// knowsTags edits a cart and checks it out, with the tags that a proxy made of ours.
func (s *site) knowsTags(t *testing.T, buyer shopper, filled cartView, sku string) {
	t.Helper()
	path := "/v1/carts/" + filled.ID.String()
	changed := s.compressed(t, path, buyer.token).Header.Get("ETag")
	t.Run("AReadKnowsTheTag", func(t *testing.T) {
		require.Equal(t, http.StatusNotModified, s.send(t, http.MethodGet, path, buyer.token, nil, "If-None-Match", changed).StatusCode)
	})
	t.Run("AnEditAndACheckoutTakeIt", func(t *testing.T) {
		more := as[cartView](t, buyer.adds(t, filled, sku, 1, "If-Match", changed), http.StatusOK)
		seen := s.compressed(t, path, buyer.token).Header.Get("ETag")
		refuses(t, buyer.checksOut(t, more, "sim_ok", noWait, "If-Match", changed), http.StatusPreconditionFailed, "version_mismatch")
		done := as[checkoutView](t, buyer.checksOut(t, more, "sim_ok", waiting, "If-Match", seen), http.StatusCreated)
		require.Equal(t, saga.Completed, done.Status)
	})
}

// scans reads until a line holds the text.
func scans(lines *bufio.Scanner, text string) bool {
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return true
		}
	}
	return false
}

// compressed asks as a browser does, and leaves the answer compressed.
func (s *site) compressed(t *testing.T, path, token string) *http.Response {
	t.Helper()
	a, err := s.ask(t.Context(), http.MethodGet, path, token, nil, "Accept-Encoding", "gzip")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))
	return a.Response
}

// behindNginx puts nginx before the program, and has the site be spoken to through it.
func (s *site) behindNginx(t *testing.T) {
	t.Helper()
	s.behind(t, "nginx", func(prefix string, port int) (config string, arguments []string) {
		return fmt.Sprintf(nginxConfig, port, s.base), []string{"-p", prefix, "-e", filepath.Join(prefix, "error.log"), "-c"}
	})
}

// behind puts a proxy of its own before the program, and has the site be spoken to through it. The file of the configuration
// is the last argument of the proxy.
func (s *site) behind(t *testing.T, name string, set func(prefix string, port int) (config string, arguments []string)) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		program = "/usr/sbin/" + name // not in everybody's PATH
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip(name + " is missing: apt-get install nginx-light apache2-bin")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // for a port that is free
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	prefix := t.TempDir()
	config, arguments := set(prefix, port)
	file := filepath.Join(prefix, name+".conf")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	proxy := exec.Command(program, append(arguments, file)...)
	require.NoError(t, proxy.Start())
	t.Cleanup(func() {
		_ = proxy.Process.Signal(syscall.SIGTERM)
		_ = proxy.Wait()
	})
	s.base = "http://127.0.0.1:" + strconv.Itoa(port)
	until(t, name+" answers", func() bool {
		a, err := s.ask(t.Context(), http.MethodGet, "/healthz", "", nil, "X-Request-Id", uuid.NewString())
		return err == nil && a.StatusCode == http.StatusOK
	})
}
