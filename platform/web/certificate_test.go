package web_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

// certificateFiles are the files of a self-signed certificate for shop.example.com.
type certificateFiles struct{ cert, key string }

func newCertificate(t *testing.T) certificateFiles {
	f := certificateFiles{filepath.Join(t.TempDir(), "tls.crt"), filepath.Join(t.TempDir(), "tls.key")}
	f.renew(t, 1)
	return f
}

// renew replaces the certificate by one with another serial number.
func (f certificateFiles) renew(t *testing.T, serial int64) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"shop.example.com"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	write := func(file, kind string, bytes []byte) {
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600))
	}
	write(f.cert, "CERTIFICATE", cert)
	write(f.key, "PRIVATE KEY", private)
}

// secured runs a site with TLS.
func secured(t *testing.T, configure ...func(*web.Config)) (*site, certificateFiles) {
	t.Helper()
	files := newCertificate(t)
	s := newSite(t, append(configure, func(c *web.Config) {
		var err error
		c.Certificate, err = web.OpenCertificate(files.cert, files.key, c.Log)
		require.NoError(t, err)
	})...)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, listener, nil) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	s.url = "https://" + listener.Addr().String()
	return s, files
}

// serial makes a connection, and returns the serial number of the server's certificate.
func (s *site) serial() int64 {
	conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), &tls.Config{InsecureSkipVerify: true})
	require.NoError(s.t, err)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestRenewedCertificate(t *testing.T) {
	t.Parallel()
	s, files := secured(t)
	require.EqualValues(t, 1, s.serial())

	files.renew(t, 2)
	require.Eventually(t, func() bool { return s.serial() == 2 }, 10*time.Second, 20*time.Millisecond)

	require.NoError(t, os.WriteFile(files.key, []byte("nonsense"), 0o600))
	require.Eventually(t, func() bool { return s.serial() == 2 && strings.Contains(s.logs.String(), "the old one stays in use") }, 10*time.Second, 20*time.Millisecond)

	require.NoError(t, os.Remove(files.key))
	files.renew(t, 3)
	require.Eventually(t, func() bool { return s.serial() == 3 }, 10*time.Second, 20*time.Millisecond)
}

func TestCertificateMustBeReadable(t *testing.T) {
	t.Parallel()
	files := newCertificate(t)
	_, err := web.OpenCertificate(files.cert, files.cert, nil)
	require.Error(t, err)
	_, err = web.OpenCertificate(files.cert, "none", nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestClientOnThisMachine checks that a client accepts the server's certificate for any address, and no other certificate.
func TestClientOnThisMachine(t *testing.T) {
	t.Parallel()
	s, files := secured(t, func(c *web.Config) { c.HSTS = true })
	s.Public.GET("/", ok)
	get := func(cert string) (*http.Response, error) {
		transport := &http.Transport{TLSClientConfig: web.TrustOnly(cert), ForceAttemptHTTP2: true}
		defer transport.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil)
		require.NoError(t, err)
		return transport.RoundTrip(r)
	}
	a, err := get(files.cert)
	require.NoError(t, err)
	require.NoError(t, a.Body.Close())
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, "HTTP/1.1", a.Proto, "a stream of events needs a connection of its own")
	require.Equal(t, "max-age=31536000", a.Header.Get("Strict-Transport-Security"))
	_, err = get(newCertificate(t).cert)
	require.ErrorContains(t, err, "the server's certificate is not the one in")
}

// TestLocalhostKeepsPlainHTTP: other programs of a developer share that name.
func TestLocalhostKeepsPlainHTTP(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *web.Config) { c.HSTS = true })
	require.NotEmpty(t, s.get("/healthz").Header.Get("Strict-Transport-Security"))
	s.url = strings.Replace(s.url, "127.0.0.1", "localhost", 1)
	require.Empty(t, s.get("/healthz").Header.Get("Strict-Transport-Security"))
	require.Empty(t, newSite(t).get("/healthz").Header.Get("Strict-Transport-Security"))
}

func TestEventsOverTLS(t *testing.T) {
	t.Parallel()
	s, files := secured(t)
	s.Public.GET("/events", func(c echo.Context) error {
		e, err := s.Events(c, "")
		if err == nil {
			e.Send(web.Event{Name: "checkout", ID: "1", Data: []byte("{}")})
			e.End()
		}
		return err
	})
	client := http.Client{Transport: &http.Transport{TLSClientConfig: web.TrustOnly(files.cert)}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/events", nil)
	require.NoError(t, err)
	a, err := client.Do(r)
	require.NoError(t, err)
	defer a.Body.Close()
	lines := bufio.NewScanner(a.Body)
	var text []string
	for lines.Scan() {
		text = append(text, lines.Text())
	}
	require.NoError(t, lines.Err(), "the stream ends well")
	require.Contains(t, strings.Join(text, "\n"), "event: checkout\nid: 1\ndata: {}")
}

// TestAdminListenerEndsWithTheOther: whichever listener fails ends both, and both drain.
func TestAdminListenerEndsWithTheOther(t *testing.T) {
	t.Parallel()
	for failing := range 2 {
		s := newSite(t, func(c *web.Config) { c.AdminApart = true })
		var both [2]net.Listener
		for i := range both {
			l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			both[i] = l
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Run(t.Context(), both[0], both[1]) }()
		require.NoError(t, both[failing].Close())
		require.Error(t, <-ended)
		_, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", both[1-failing].Addr().String())
		require.Error(t, err, "it must have stopped accepting")
	}
}
