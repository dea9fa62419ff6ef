//go:build !windows

package harness

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// nginxConfig configures a compressing proxy. nginx writes only into its prefix.
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

// PutBehindNginx puts nginx before the program and sends the site's requests through it.
func (s *Site) PutBehindNginx(t *testing.T) {
	t.Helper()
	s.PutBehind(t, "nginx", func(prefix string, port int) (config string, arguments []string) {
		return fmt.Sprintf(nginxConfig, port, s.Base), []string{"-p", prefix, "-e", filepath.Join(prefix, "error.log"), "-c"}
	})
}

// PutBehind puts a proxy before the program and sends the site's requests through it. The last argument of the proxy is its
// configuration file.
func (s *Site) PutBehind(t *testing.T, name string, set func(prefix string, port int) (config string, arguments []string)) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		program = "/usr/sbin/" + name // not in every PATH
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip(name + " is missing: apt-get install nginx-light apache2-bin")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // finds a free port
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
	s.Base = "http://127.0.0.1:" + strconv.Itoa(port)
	Until(t, name+" answers", func() bool {
		a, err := s.Ask(t.Context(), http.MethodGet, "/healthz", "", nil, "X-Request-Id", uuid.NewString())
		return err == nil && a.StatusCode == http.StatusOK
	})
}
