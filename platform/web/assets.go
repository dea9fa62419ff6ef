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

// immutable lets browsers keep a file for a year without asking. The address changes when the file changes.
const immutable = "public, max-age=31536000, immutable"

// contentTypes replaces the table of the operating system. That differs between machines.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
	".svg": "image/svg+xml", ".png": "image/png", ".woff2": "font/woff2", ".json": "application/json", ".txt": "text/plain; charset=utf-8",
}

// Assets serves the files that the pages of the program load: scripts, styles and pictures. They are sent whole and Range is ignored,
// since an answer of many parts costs more than it saves.
type Assets struct {
	files map[string]*asset
	stamp string
}

// asset is one file.
type asset struct {
	body        []byte
	contentType string
	tag         string        // of its content, without quotes
	gzipped     func() []byte // returns nil when that is not shorter
}

// NewAssets reads all files of an embedded folder.
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

// AssetsOf returns assets with these bodies, by name.
func AssetsOf(bodies map[string][]byte) *Assets {
	a, sum := &Assets{files: map[string]*asset{}}, sha256.New()
	for _, name := range sortedKeys(bodies) {
		a.add(name, bodies[name])
		sum.Write([]byte(name + a.files[name].tag))
	}
	a.stamp = hex.EncodeToString(sum.Sum(nil)[:stampBytes])
	return a
}

// add adds a file that does not change the stamp, such as a page that contains the stamp.
func (a *Assets) add(name string, body []byte) {
	sum := sha256.Sum256(body)
	a.files[name] = &asset{
		body: body, contentType: contentTypes[path.Ext(name)], tag: hex.EncodeToString(sum[:8]),
		gzipped: sync.OnceValue(func() []byte { return shorter(body) }),
	}
}

// shorter compresses a body. It returns nil when that is not shorter, as for pictures and fonts.
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

// Stamp returns a hash of all files. An address that contains it always names the same file.
func (a *Assets) Stamp() string { return a.stamp }

// Unstamped removes the stamp from the front of a path. It also removes the stamp of another version of the program: during a
// rolling deployment a page may ask the other version for its files. ours reports whether it was the stamp of these files.
func (a *Assets) Unstamped(name string) (rest string, ours bool) {
	first, rest, found := strings.Cut(name, "/")
	if _, err := hex.DecodeString(first); !found || err != nil || len(first) != 2*stampBytes {
		return name, false
	}
	return rest, first == a.stamp
}

// Serve answers with a file and reports whether there is one of that name. stamped says that the address contains the stamp. Browsers
// revalidate all other addresses.
func (a *Assets) Serve(w http.ResponseWriter, r *http.Request, name string, stamped bool) bool {
	f, ok := a.files[name]
	if !ok {
		return false
	}
	h := w.Header()
	h.Set(echo.HeaderContentType, f.contentType)
	h.Set("ETag", `"`+f.tag+`"`)
	h.Set("Accept-Ranges", "none")
	h.Set(echo.HeaderCacheControl, "public, no-cache")
	if stamped {
		h.Set(echo.HeaderCacheControl, immutable)
	}
	h.Add(echo.HeaderVary, echo.HeaderAcceptEncoding)
	if noneMatch(r.Header, f.tag) {
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
		_, _ = w.Write(body) // the client may be gone
	}
}
