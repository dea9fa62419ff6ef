package web

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/labstack/echo/v4"

	"shopping-cart/platform/fault"
)

var (
	errBodyTooLarge  = fault.New(fault.TooLarge, "body_too_large", "The body is larger than this service accepts.")
	errUnsupported   = fault.New(fault.Unsupported, "unsupported_media_type", "The body must be application/json.")
	errMalformedJSON = fault.New(fault.Malformed, "malformed_json", "The body is not one JSON value.")
	errBodyBroken    = fault.New(fault.Malformed, "body_incomplete", "The body broke off before its end.")
	errTooSlow       = fault.New(fault.Malformed, "request_timeout", "The body did not arrive in time. Send it again.")
	errUnknownField  = fault.New(fault.Invalid, "unknown_field", "The body has a field that is not known here.")
)

// Body reads the JSON body into a T and checks it: it can be parsed, has no unknown field, has the right types and plain text in
// every string, and satisfies the validate tags of T. It refuses with 413, 415, 400 or 422.
func Body[T any](c echo.Context) (T, error) {
	var body T
	raw, err := jsonBytes(c)
	if err != nil {
		return body, err
	}
	if err := decode(raw, &body); err != nil {
		return body, err
	}
	return body, validate(&body)
}

// OptionalBody is Body for a request that may come without one. Then it returns the zero T.
func OptionalBody[T any](c echo.Context) (body T, err error) {
	raw, err := Raw(c)
	if err != nil || len(raw) == 0 {
		return body, err
	}
	return Body[T](c)
}

// Raw returns the body of any type, unchanged. Reading it again is free. A body beyond the limit is refused with 413.
func Raw(c echo.Context) ([]byte, error) {
	v := stateOf(c)
	if v.read {
		return v.body, nil
	}
	raw, err := io.ReadAll(c.Request().Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, errBodyTooLarge.Detailf("The body is larger than %d bytes.", tooLarge.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded): // before the next case: the server ends the request's context too
		return nil, errTooSlow
	case err != nil && c.Request().Context().Err() != nil:
		return nil, c.Request().Context().Err()
	case err != nil:
		return nil, errBodyBroken
	}
	v.body, v.read = raw, true
	return raw, nil
}

// jsonBytes is Raw, and refuses a body whose headers say that it is not JSON.
func jsonBytes(c echo.Context) ([]byte, error) {
	raw, err := Raw(c)
	if err != nil || len(raw) == 0 {
		return raw, err
	}
	if e := c.Request().Header.Get(echo.HeaderContentEncoding); e != "" && !strings.EqualFold(e, "identity") {
		return nil, errUnsupported.Detailf("The body must not be encoded.")
	}
	if kind := c.Request().Header.Get(echo.HeaderContentType); kind != "" && !isJSON(kind) {
		return nil, errUnsupported
	}
	return raw, nil
}

func isJSON(contentType string) bool {
	if contentType == echo.MIMEApplicationJSON { // as most clients send it
		return true
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	return kind == echo.MIMEApplicationJSON || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")
}
