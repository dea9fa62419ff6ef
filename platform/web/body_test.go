package web_test

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

type line struct {
	SKU      string `json:"sku" validate:"required,sku"`
	Quantity int64  `json:"quantity" validate:"gte=1,lte=9999"`
}

type order struct {
	Currency string            `json:"currency" validate:"required,currency"`
	Lines    []line            `json:"lines" validate:"max=3,dive"`
	Cart     *uuid.UUID        `json:"cart"`
	At       *time.Time        `json:"at"`
	Gift     bool              `json:"gift"`
	Note     json.RawMessage   `json:"note"`
	Labels   map[string]string `json:"labels"`
	Email    string            `json:"email" validate:"omitempty,email"`
	Reason   string            `json:"reason" text:"lines"`
}

func bodySite(t *testing.T) *site {
	s := newSite(t, func(c *web.Config) { c.BodyLimit = 4096 })
	read := func(c echo.Context) error {
		body, err := web.Body[order](c)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, body)
	}
	s.Public.POST("/", read)
	s.Customer.POST("/mine", read)
	return s
}

func TestBody(t *testing.T) {
	t.Parallel()
	s := bodySite(t)

	t.Run("WhatIsRightComesThrough", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []string{"application/json", "application/json; charset=UTF-8", "application/merge-patch+json"} {
			a := s.send("POST", "/", `{"currency":"GBP","lines":[{"sku":"Grüße aus Köln","quantity":2}],"note":{"any":[1,"x"]}} `, "Content-Type", kind)
			require.Equal(t, http.StatusOK, a.StatusCode, a.body)
			require.Contains(t, a.body, "Grüße aus Köln")
		}
	})
	t.Run("NotParsableIs400", func(t *testing.T) {
		t.Parallel()
		for name, body := range map[string]string{
			"empty": "", "space": "  ", "cut": `{"currency":`, "trailing": `{"currency":"GBP"}{}`, "word": "hello",
			"tail": `{"currency":"GBP"} x`, "not UTF-8": "{\"currency\":\"\xff\"}", "raw NUL": "{\"currency\":\"\x00\"}",
			"too deep": strings.Repeat("[", 4000), "lone surrogate": `{"currency":"\ud800"}`,
			"twice":                    `{"currency":"GBP","currency":"GBP"}`,
			"twice, written otherwise": `{"gift":true,"g\u0069ft":true}`, "twice in a line": `{"lines":[{"sku":"a","quantity":1,"sku":"b"}]}`,
			"twice in a raw member": `{"note":{"a":[{"b":1,"b":2}]}}`, "twice in a map": `{"labels":{"a":"x","a":"y"}}`,
		} {
			a := s.send("POST", "/", body)
			require.Equal(t, http.StatusBadRequest, a.StatusCode, name)
			a.refused(t, http.StatusBadRequest, "malformed_json")
		}
	})
	t.Run("TheFieldToBlameIsNamed", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct{ body, code, field string }{
			{`{"currency":"GBP","colour":"red"}`, "unknown_field", "colour"},
			{`{"Currency":"GBP"}`, "unknown_field", "Currency"},
			{`{"currency":"GBP","lines":[{"sku":"a","quantity":1},{"sku":"b","qty":1}]}`, "unknown_field", "lines[1].qty"},
			{`{"currency":7}`, "validation_failed", "currency"},
			{`{"currency":"GBP","lines":{}}`, "validation_failed", "lines"},
			{`{"currency":"GBP","lines":[7]}`, "validation_failed", "lines[0]"},
			{`{"currency":"GBP","lines":[{"sku":"a","quantity":1.5}]}`, "validation_failed", "lines[0].quantity"},
			{`{"currency":"GBP","lines":[{"sku":"a","quantity":1e30}]}`, "validation_failed", "lines[0].quantity"},
			{`{"currency":"GBP","lines":[{"sku":"a","quantity":"1"}]}`, "validation_failed", "lines[0].quantity"},
			{`{"currency":"GBP","cart":"x"}`, "validation_failed", "cart"},
			{`{"currency":"GBP","at":"yesterday"}`, "validation_failed", "at"},
			{`{"currency":"GBP","gift":"yes"}`, "validation_failed", "gift"},
			{`{"currency":"GBP","email":"a\u0000b"}`, "validation_failed", "email"},
			{`{"currency":"GBP","note":{"a":["x\u0000"]}}`, "validation_failed", "note.a[0]"},
			{`{"currency":"GBP","labels":{"a\u0000":"x"}}`, "validation_failed", "labels"},
			{`{}`, "validation_failed", "currency"},
			{`{"currency":"ABC"}`, "validation_failed", "currency"},
			{`{"currency":"GBP","lines":[{"sku":"a","quantity":1},{"sku":"a/b","quantity":1}]}`, "validation_failed", "lines[1].sku"},
			{`{"currency":"GBP","lines":[{"sku":"a","quantity":0}]}`, "validation_failed", "lines[0].quantity"},
			{`{"currency":"GBP","email":"nobody"}`, "validation_failed", "email"},
		} {
			p := s.send("POST", "/", c.body).refused(t, http.StatusUnprocessableEntity, c.code)
			require.Equal(t, c.field, field(p), c.body)
		}
	})
	t.Run("ANameGivenTwiceIsNamed", func(t *testing.T) {
		t.Parallel()
		p := s.send("POST", "/", `{"currency":"GBP","note":{"a":[1,{"b":1,"b":2}]}}`).refused(t, http.StatusBadRequest, "malformed_json")
		require.Equal(t, "note.a[1].b", field(p))
		require.Equal(t, `The name "note.a[1].b" is given more than once.`, p["detail"])
	})
	t.Run("TextHasNoControlCharacters", func(t *testing.T) {
		t.Parallel()
		for body, at := range map[string]string{
			`{"email":"a\u001bb"}`: "email", `{"email":"a\nb"}`: "email", `{"email":"a\u007f"}`: "email", `{"email":"a\u0085"}`: "email",
			`{"note":{"a":["x\ty"]}}`: "note.a[0]", `{"note":{"a":{"b\nc":1}}}`: "note.a", `{"reason":"a\u0000"}`: "reason",
			`{"reason":"a\u0000b","reason":null}`: "reason", // found where it stands, whatever follows
			`{"reason":"a\u001b"}`:                "reason", `{"note":{"reason":"a\nb"}}`: "note.reason", `{"a\u0000":1}`: "",
		} {
			p := s.send("POST", "/", body).refused(t, http.StatusUnprocessableEntity, "validation_failed")
			require.Equal(t, at, field(p), body)
		}
	})
	t.Run("FreeTextMayHaveLines", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusOK, s.send("POST", "/", `{"currency":"GBP","reason":"One.\r\n\tTwo."}`).StatusCode)
	})
	t.Run("NotAnObjectIs422", func(t *testing.T) {
		t.Parallel()
		for _, body := range []string{`null`, `[]`, `"x"`, `7`} {
			s.send("POST", "/", body).refused(t, http.StatusUnprocessableEntity, "validation_failed")
		}
	})
	t.Run("AnEscapedBackslashIsNotNUL", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, http.StatusOK, s.send("POST", "/", `{"currency":"GBP","note":"\\u0000"}`).StatusCode)
	})
	t.Run("EveryWrongFieldIsNamedInPlainEnglish", func(t *testing.T) {
		t.Parallel()
		p := s.send("POST", "/", `{"lines":[{"sku":"","quantity":10000}]}`).refused(t, 422, "validation_failed")
		require.Equal(t, []any{
			map[string]any{"field": "currency", "code": "required", "detail": "It is required."},
			map[string]any{"field": "lines[0].sku", "code": "required", "detail": "It is required."},
			map[string]any{"field": "lines[0].quantity", "code": "lte", "detail": "It must be at most 9999."},
		}, p["errors"])
	})
	t.Run("TooLargeIs413", func(t *testing.T) {
		t.Parallel()
		s.send("POST", "/", `{"note":"`+strings.Repeat("x", 5000)+`"}`).refused(t, 413, "body_too_large")
	})
	t.Run("NotJSONIs415", func(t *testing.T) {
		t.Parallel()
		for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "application/jsonp", "text/json", "application/json; charset=latin1", ";"} {
			s.send("POST", "/", `{"currency":"GBP"}`, "Content-Type", kind).refused(t, 415, "unsupported_media_type")
		}
		s.send("POST", "/", `{"currency":"GBP"}`, "Content-Encoding", "gzip").refused(t, 415, "unsupported_media_type")
	})
	t.Run("TheTokenIsAskedForFirst", func(t *testing.T) {
		t.Parallel()
		s.send("POST", "/mine", strings.Repeat("x", 5000), "Content-Type", "text/plain").refused(t, 401, "unauthorized")
	})
}

func TestBodyLimits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	read := func(c echo.Context) error {
		_, err := web.Raw(c)
		return err
	}
	s.Public.POST("/", read)
	s.Public.POST("/large", read, web.MaxBody(256<<10))
	for path, limit := range map[string]int{"/": 64 << 10, "/large": 256 << 10} {
		require.Equal(t, http.StatusOK, s.send("POST", path, strings.Repeat("x", limit)).StatusCode)
		p := s.send("POST", path, strings.Repeat("x", limit+1)).refused(t, 413, "body_too_large")
		require.Contains(t, p["detail"], strconv.Itoa(limit)+" bytes")
	}
}
