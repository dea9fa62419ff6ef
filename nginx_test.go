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

	t.Run("AReadKnowsAWeakTag", func(t *testing.T) {
		require.Equal(t, http.StatusNotModified, s.send(t, http.MethodGet, path, buyer.token, nil, "If-None-Match", weak).StatusCode)
	})
	t.Run("AnEditAndACheckoutTakeIt", func(t *testing.T) {
		more := as[cartView](t, buyer.adds(t, filled, sku, 1, "If-Match", weak), http.StatusOK)
		seen := s.compressed(t, path, buyer.token).Header.Get("ETag")
		refuses(t, buyer.checksOut(t, more, "sim_ok", noWait, "If-Match", weak), http.StatusPreconditionFailed, "version_mismatch")
		done := as[checkoutView](t, buyer.checksOut(t, more, "sim_ok", waiting, "If-Match", seen), http.StatusCreated)
		require.Equal(t, saga.Completed, done.Status)
	})
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

// behindNginx puts a proxy of its own before the program, and has the site be spoken to through it.
func (s *site) behindNginx(t *testing.T) {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx" // not in everybody's PATH
	}
	if _, err := os.Stat(nginx); err != nil {
		t.Skip("nginx is missing: apt-get install nginx-light")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // for a port that is free
	require.NoError(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	require.NoError(t, listener.Close())
	prefix := t.TempDir()
	config := filepath.Join(prefix, "nginx.conf")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, nginxConfig, port, s.base), 0o600))
	proxy := exec.Command(nginx, "-p", prefix, "-c", config, "-e", filepath.Join(prefix, "error.log"))
	require.NoError(t, proxy.Start())
	t.Cleanup(func() {
		_ = proxy.Process.Signal(os.Interrupt)
		_ = proxy.Wait()
	})
	s.base = "http://127.0.0.1:" + strconv.Itoa(port)
	until(t, "nginx answers", func() bool {
		a, err := s.ask(t.Context(), http.MethodGet, "/healthz", "", nil, "X-Request-Id", uuid.NewString())
		return err == nil && a.StatusCode == http.StatusOK
	})
}
