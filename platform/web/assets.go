package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
)

// immutable lets browsers keep a file for a year without asking. Its address changes when it changes.
const immutable = "public, max-age=31536000, immutable"

// contentTypes are stated here, since those of the machine differ from one to the next.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2", ".json": "application/json", ".txt": "text/plain; charset=utf-8",
}

// Assets are the files that pages of the program load: scripts, styles, pictures. They are sent whole, whatever Range says:
// assembling an answer of many parts costs more than it saves.
type Assets struct {
	files map[string]*asset
	stamp string
}

// asset is one file.
type asset struct {
	body        []byte
	contentType string
	etag        string
	gzipped     func() []byte // nil when that is not shorter
}

// NewAssets reads all files of a folder that is part of the program.
func NewAssets(folder fs.FS) *Assets {
	bodies := map[string][]byte{}
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		bodies[name], err = fs.ReadFile(folder, name)
		return err
	})
	if err != nil {
		panic(err) // the files are part of the program
	}
	return AssetsOf(bodies)
}

// AssetsOf are files by name.
func AssetsOf(bodies map[string][]byte) *Assets {
	a, sum := &Assets{files: map[string]*asset{}}, sha256.New()
	for _, name := range sortedKeys(bodies) {
		a.add(name, bodies[name])
		sum.Write([]byte(name + a.files[name].etag))
	}
	a.stamp = hex.EncodeToString(sum.Sum(nil)[:stampBytes])
	return a
}

// add adds a file that does not count for the stamp, such as a page that has the stamp in.
func (a *Assets) add(name string, body []byte) { a.files[name] = newAsset(name, body) }

func newAsset(name string, body []byte) *asset {
	sum := sha256.Sum256(body)
	f := &asset{body: body, contentType: contentTypes[path.Ext(name)], etag: `"` + hex.EncodeToString(sum[:8]) + `"`}
	f.gzipped = sync.OnceValue(func() []byte { return shorter(body) })
	return f
}

// shorter is body compressed, or nil when that is not shorter. A picture or a font is compressed already.
func shorter(body []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is one that exists
	_, _ = w.Write(body)                                  // a buffer takes all
	_ = w.Close()
	if b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
}

const stampBytes = 8

// Stamp names what all files together hold: it changes when one of them changes. An address with it in is for ever the same file.
func (a *Assets) Stamp() string { return a.stamp }

// Unstamped takes a stamp off the front of a path, also that of another version of the program: while one version replaces
// another, a page may ask the other one for its files. ours is true when it was the stamp of these files.
func (a *Assets) Unstamped(name string) (rest string, ours bool) {
	first, rest, found := strings.Cut(name, "/")
	if _, err := hex.DecodeString(first); !found || err != nil || len(first) != 2*stampBytes {
		return name, false
	}
	return rest, first == a.stamp
}

// Serve answers with a file. stamped says that the address has the stamp in; other addresses are asked about each time.
// It reports whether there is such a file.
func (a *Assets) Serve(w http.ResponseWriter, r *http.Request, name string, stamped bool) bool {
	f, ok := a.files[name]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set(echo.HeaderContentType, f.contentType)
	h.Set("ETag", f.etag)
	h.Set("Accept-Ranges", "none")
	h.Set(echo.HeaderCacheControl, "public, no-cache")
	if stamped {
		h.Set(echo.HeaderCacheControl, immutable)
	}
	h.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	if noneMatch(r.Header, func(tag string) bool {
		text, _ := opaqueIn(tag)
		return `"`+text+`"` == f.etag
	}) {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	f.write(w, r)
	return true
}

func (f *asset) write(w http.ResponseWriter, r *http.Request) {
	body := f.body
	if acceptsGzip(r.Header.Values(echo.HeaderAcceptEncoding)) {
		if short := f.gzipped(); short != nil {
			body = short
			w.Header().Set(echo.HeaderContentEncoding, "gzip")
		}
	}
	w.Header().Set(echo.HeaderContentLength, strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // to a client that may have gone
	}
}
