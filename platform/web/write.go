package web

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
)

var (
	errKeyRequired     = fault.New(fault.Malformed, "idempotency_key_required", "An Idempotency-Key is needed, so that a retry cannot do this twice.")
	errKeyInvalid      = fault.New(fault.Malformed, "idempotency_key_invalid", "The Idempotency-Key must be one header of 1 to 255 visible ASCII characters.")
	errVersionRequired = fault.New(fault.Precondition, "precondition_required", `Name the version that you saw: If-Match: "7".`)
	errIfMatch         = fault.New(fault.Malformed, "malformed_if_match", `If-Match must be one entity tag, such as "7", or *.`)
	errIfNoneMatch     = fault.New(fault.Malformed, "malformed_if_none_match", "If-None-Match of a write must be *, without an If-Match.")
)

// Write describes a request that changes something, apart from its body.
type Write struct {
	ID          uuid.UUID // of the command; a retry by the same caller under the same key has the same
	Keyed       bool      // whether an Idempotency-Key was sent; otherwise ID is new
	Fingerprint []byte    // 16 bytes over method, path, query, version and body
	IfMatch     *int64    // nil: any version. 0 for If-None-Match: *. AnotherVersion for a tag that cannot be a version
	IfExists    bool      // If-Match: *
	Actor       string    // the subject of the token; empty on a public route
	Caller      Caller    // who sent the request; zero for the program's own work, such as a saga's
	Correlation uuid.UUID // of all events that follow from this request
}

// AnotherVersion is the IfMatch of an entity tag that is well formed but cannot be a version, such as "abc". It equals no version, so
// the comparison of versions refuses it as stale (412), after replays and with the current ETag.
const AnotherVersion int64 = -1

// writeOf reads the headers of a write.
func writeOf(c echo.Context, needs Needs) (Write, error) {
	raw, err := jsonBytes(c)
	if err != nil {
		return Write{}, err
	}
	caller := CallerOf(c)
	w := Write{Actor: caller.Subject, Caller: caller, Correlation: correlation(RequestID(c))}
	if w.ID, w.Keyed, err = commandID(c); err != nil {
		return Write{}, err
	}
	if w.IfMatch, w.IfExists, err = preconditions(c.Request().Header); err != nil {
		return Write{}, err
	}
	switch {
	case needs.Key && !w.Keyed:
		return Write{}, errKeyRequired
	case needs.Version && w.IfMatch == nil: // a star names no version
		return Write{}, errVersionRequired
	}
	w.Fingerprint = fingerprint(c, w.IfMatch, raw)
	return w, nil
}

// These are the name spaces of derived ids. They never change, since a retry across a deployment must find its receipt.
var (
	keySpace         = uuid.MustParse("5f2c1f0e-8f0b-4b52-9d0e-3f6f0c1f7a11")
	correlationSpace = uuid.MustParse("5f2c1f0e-8f0b-4b52-9d0e-3f6f0c1f7a12")
)

// visible reports whether text is 1 to 255 visible ASCII characters.
func visible(text string) bool {
	return len(text) > 0 && len(text) <= 255 && !strings.ContainsFunc(text, func(r rune) bool { return r < 0x21 || r > 0x7e })
}

// commandID derives the id from the caller and the key. The length of the subject precedes it, so that two different pairs never give
// the same text.
func commandID(c echo.Context) (id uuid.UUID, keyed bool, err error) {
	keys := c.Request().Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		id, err = uuid.NewV7()
		return id, false, err
	}
	if len(keys) > 1 || !visible(keys[0]) {
		return uuid.Nil, false, errKeyInvalid
	}
	subject := CallerOf(c).Subject
	name := strconv.Itoa(len(subject)) + ":" + subject + ":" + keys[0]
	return uuid.NewSHA1(keySpace, []byte(name)), true, nil
}

// fingerprint distinguishes a retry from another request under the same key. All tags of one version count as the same, since a retry
// may pass a proxy that makes the tag weak.
func fingerprint(c echo.Context, version *int64, body []byte) []byte {
	r, head := c.Request(), make([]byte, 0, 256)
	seen := r.Header.Get("If-Match")
	if version != nil && *version != AnotherVersion {
		seen = Quote(*version)
	}
	for _, part := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, seen} {
		head = append(append(strconv.AppendInt(head, int64(len(part)), 10), ':'), part...)
	}
	h := sha256.New()
	h.Write(head)
	h.Write(body)
	return h.Sum(nil)[:16:16]
}

func correlation(requestID string) uuid.UUID {
	if id, err := uuid.Parse(requestID); err == nil {
		return id
	}
	return uuid.NewSHA1(correlationSpace, []byte(requestID))
}
