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

// Body reads the JSON body into a T and checks it: parsable, no unknown field, the right types, plain text in every
// string, and last the validate tags of T. The refusals are those of API conventions: 413, 415, 400 and 422.
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

// Raw is the body as it came, of whatever type; reading it again is free. Beyond the limit it is 413.
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
	case errors.Is(err, os.ErrDeadlineExceeded): // asked first: the server ends the request's context too
		return nil, errTooSlow
	case err != nil && c.Request().Context().Err() != nil:
		return nil, c.Request().Context().Err()
	case err != nil:
		return nil, errBodyBroken
	}
	v.body, v.read = raw, true
	return raw, nil
}

// jsonBytes is Raw, refused when it says that it is something else than JSON.
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
	if contentType == echo.MIMEApplicationJSON { // as nearly everybody has it
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
