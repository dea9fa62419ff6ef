package web

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Certificate is a certificate in files. It is read again when they change, so that a renewed one needs no restart.
type Certificate struct {
	certFile, keyFile string
	log               *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	read    [2]stamp // of the files, when they were read last, well or not
	checked time.Time
}

// stamp tells versions of a file apart.
type stamp struct {
	changed time.Time
	size    int64
}

// certificateFresh is the time for which the files are not looked at again.
const certificateFresh = time.Second

// OpenCertificate reads a certificate with its chain, and its key, from PEM files.
func OpenCertificate(certFile, keyFile string, log *slog.Logger) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, log: log, checked: time.Now()}
	var err error
	if c.read, err = c.stamps(); err != nil {
		return nil, err
	}
	return c, c.load()
}

func (c *Certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return err
	}
	c.pair = &pair
	return nil
}

// stamps returns those of both files, or of none.
func (c *Certificate) stamps() (all [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return [2]stamp{}, err
		}
		all[i] = stamp{info.ModTime(), info.Size()}
	}
	return all, nil
}

// current returns the newest certificate that can be used. It looks at the files at most once in certificateFresh.
func (c *Certificate) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < certificateFresh {
		return c.pair, nil
	}
	c.checked = time.Now()
	now, err := c.stamps()
	if now == c.read {
		return c.pair, nil
	}
	c.read = now
	if err == nil {
		err = c.load()
	}
	if err != nil {
		c.log.Warn("the new certificate cannot be read, so the old one stays in use", slog.Any("error", err))
	} else {
		c.log.Info("the certificate was renewed", slog.Time("valid_until", c.pair.Leaf.NotAfter))
	}
	return c.pair, nil
}

// server returns the configuration of a listener. It offers no HTTP/2: a stream of events takes over its connection, which HTTP/2
// shares among requests.
func (c *Certificate) server() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}, GetCertificate: c.current}
}

// TrustOnly returns the configuration of a client on the same machine. It accepts the certificate in the file and no other, whatever
// name it is for, since such a client uses the address of the listener.
func TrustOnly(certFile string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // #nosec G402 -- VerifyConnection compares the whole certificate
		VerifyConnection: func(server tls.ConnectionState) error {
			text, err := os.ReadFile(certFile)
			if err != nil {
				return err
			}
			for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
				if bytes.Equal(block.Bytes, server.PeerCertificates[0].Raw) {
					return nil
				}
			}
			return fmt.Errorf("the server's certificate is not the one in %s", certFile)
		},
	}
}
