package web

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// ETag sets the ETag of an answer to its version: "7". Numbers from 0 that the answer shows and the version does not cover follow it:
// "7.12". If-Match reads only the version from such a tag.
func ETag(c echo.Context, version int64, beside ...int64) {
	c.Response().Header()["Etag"] = []string{`"` + opaque(version, beside) + `"`}
}

// NotModified sets the ETag and reports whether the client already has this answer (If-None-Match, with the whole tag). The handler
// then answers 304 with c.NoContent. The tag of the 304 has no content coding, since a proxy adds its own again.
func NotModified(c echo.Context, version int64, beside ...int64) bool {
	ETag(c, version, beside...)
	return noneMatch(c.Request().Header, opaque(version, beside))
}

// opaque returns the text between the quotes of a tag.
func opaque(version int64, beside []int64) string {
	text := strconv.FormatInt(version, 10)
	for _, n := range beside {
		text += "." + strconv.FormatInt(n, 10)
	}
	return text
}

// noneMatch reports whether If-None-Match holds a star or a tag with this text.
func noneMatch(h http.Header, text string) bool {
	tags := h.Values("If-None-Match")
	if len(tags) == 0 { // nearly all requests
		return false
	}
	for tag := range strings.SplitSeq(strings.Join(tags, ","), ",") {
		tag = strings.TrimSpace(tag)
		if found, ok := opaqueIn(tag); tag == "*" || ok && found == text {
			return true
		}
	}
	return false
}

// coding matches the suffix that a compressing proxy adds to a tag: -gzip, ;gzip or --gzip.
const coding = `(?i:(?:--?|;)(?:gzip|br|zstd|deflate))?`

var (
	// entityTag matches a tag in its strong or weak form, or without quotes, without its content coding.
	entityTag = regexp.MustCompile(`^(?:(?:W/)?"([\x21\x23-\x7e]*?)` + coding + `"|([0-9]+(?:\.[0-9]+)*)` + coding + `)$`)
	// versionTag matches a version and the numbers that ETag adds to it.
	versionTag = regexp.MustCompile(`^(0|[1-9][0-9]*)(?:\.[0-9]+)*$`)
)

// opaqueIn reads the text between the quotes of a tag. A compressing proxy makes a tag weak ("7" becomes W/"7") or adds the content
// coding ("7-gzip"), and some clients drop the quotes (7). All of them are the same tag. ok is false if the tag is not an entity tag.
func opaqueIn(tag string) (text string, ok bool) {
	m := entityTag.FindStringSubmatch(tag)
	if m == nil {
		return "", false
	}
	return m[1] + m[2], true
}

// versionIn reads the version of a tag. A well-formed tag without a version is AnotherVersion. ok is false if the tag is not an entity tag.
func versionIn(tag string) (version int64, ok bool) {
	text, ok := opaqueIn(tag)
	if !ok {
		return 0, false
	}
	m := versionTag.FindStringSubmatch(text)
	if m == nil {
		return AnotherVersion, true
	}
	version, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil { // larger than any version
		return AnotherVersion, true
	}
	return version, true
}

// preconditions reads If-Match and If-None-Match of a write. version is nil where none is named. "If-None-Match: *" demands that nothing
// exists yet: version is then 0. "If-Match: *" demands that some version exists: exists is then true.
func preconditions(h http.Header) (version *int64, exists bool, err error) {
	match, none := h.Values("If-Match"), h.Values("If-None-Match")
	star := func(values []string) bool { return len(values) == 1 && strings.TrimSpace(values[0]) == "*" }
	switch {
	case len(none) > 0 && (!star(none) || len(match) > 0):
		return nil, false, errIfNoneMatch
	case len(none) > 0:
		return new(int64), false, nil
	case len(match) == 0 || star(match):
		return nil, star(match), nil
	}
	named, ok := versionIn(strings.TrimSpace(match[0]))
	if len(match) > 1 || !ok {
		return nil, false, errIfMatch
	}
	return &named, false, nil
}

// Replayed marks the answer to a repeated request.
func Replayed(c echo.Context, replayed bool) {
	if replayed {
		c.Response().Header().Set("Idempotent-Replayed", "true")
	}
}
