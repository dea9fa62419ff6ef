package shop

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/labstack/echo/v4"
)

//go:embed site
var site embed.FS

// file is one of the site, ready to be sent.
type file struct {
	body              []byte
	contentType, etag string
}

// contentTypes are stated here, since those of the machine differ from one to the next.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".woff2": "font/woff2", ".txt": "text/plain; charset=utf-8",
}

// files reads the site once. The tag is the content's, so that a browser keeps a file until another program brings another.
func files() map[string]file {
	all := map[string]file{}
	err := fs.WalkDir(site, "site", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := site.ReadFile(name)
		sum := sha256.Sum256(body)
		all[name[len("site/"):]] = file{body, contentTypes[path.Ext(name)], `"` + hex.EncodeToString(sum[:8]) + `"`}
		return err
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	return all
}

// policy lets the page run its own scripts and call its own server, and nothing else. Trusted types refuse whatever would
// make HTML of text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// page is the same for every address below /shop: the script shows what the address names.
func (s *Shop) page(c echo.Context) error { return s.send(c, "index.html") }

func (s *Shop) asset(c echo.Context) error { return s.send(c, "assets/"+c.Param("*")) }

func (s *Shop) send(c echo.Context, name string) error {
	f, ok := s.files[name]
	if !ok {
		return echo.ErrNotFound
	}
	h := c.Response().Header()
	h.Set(echo.HeaderContentSecurityPolicy, policy)
	h.Set(echo.HeaderContentType, f.contentType)
	h.Set("ETag", f.etag)
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(f.body))
	return nil
}
