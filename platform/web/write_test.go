package web_test

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

func writeSite(t *testing.T) *site {
	s := newSite(t)
	show := func(needs web.Needs) echo.HandlerFunc {
		return func(c echo.Context) error {
			r, err := web.Read[any](c, needs)
			if err != nil {
				return err
			}
			return c.JSON(http.StatusOK, r.Write)
		}
	}
	free := show(web.Needs{})
	s.Customer.POST("/free", free, web.Query("x"))
	s.Customer.POST("/free/:sku", free)
	s.Customer.PUT("/free", free)
	s.Customer.DELETE("/free", free)
	s.Public.POST("/public", free)
	s.Customer.POST("/strict", show(web.Needs{Key: true, Version: true}))
	return s
}

// written sends a write and reads what the handler saw of it.
func (s *site) written(method, path, body string, headers ...string) web.Write {
	s.t.Helper()
	a := s.send(method, path, body, headers...)
	require.Equal(s.t, http.StatusOK, a.StatusCode, a.body)
	var w web.Write
	require.NoError(s.t, json.Unmarshal([]byte(a.body), &w))
	return w
}

func with(token string, headers ...string) []string { return append(as(token), headers...) }

func TestWriteKey(t *testing.T) {
	t.Parallel()
	s := writeSite(t)
	id := func(token, key string) uuid.UUID {
		return s.written("POST", "/free", "{}", with(token, "Idempotency-Key", key)...).ID
	}

	t.Run("SameCallerAndKeyIsSameCommand", func(t *testing.T) {
		t.Parallel()
		require.Equal(t, id("ann", "k1"), id("ann", "k1"))
		require.NotEqual(t, id("ann", "k1"), id("ann", "k2"))
		require.NotEqual(t, id("ann", "k1"), id("bob", "k1"))
		require.NotEqual(t, id("ann", "b:k"), id("ann:b:", "k"), "the subject ann:b")
		require.EqualValues(t, 5, id("ann", "k1").Version())
	})
	t.Run("WithoutAKeyEachIsItsOwn", func(t *testing.T) {
		t.Parallel()
		a, b := s.written("POST", "/free", "", as("ann")...), s.written("POST", "/free", "", as("ann")...)
		require.NotEqual(t, a.ID, b.ID)
		require.EqualValues(t, 7, a.ID.Version())
		require.False(t, a.Keyed)
	})
	t.Run("AKeyIsOneHeaderOfVisibleASCII", func(t *testing.T) {
		t.Parallel()
		for _, key := range []string{"", "a b", "schlüssel", strings.Repeat("k", 256)} {
			s.send("POST", "/free", "{}", with("ann", "Idempotency-Key", key)...).refused(t, 400, "idempotency_key_invalid")
		}
		s.send("POST", "/free", "{}", with("ann", "Idempotency-Key", "a", "Idempotency-Key", "a")...).refused(t, 400, "idempotency_key_invalid")
		id("ann", strings.Repeat("k", 255))
		id("ann", `"!~{}`)
	})
}

func TestWriteFingerprint(t *testing.T) {
	t.Parallel()
	s := writeSite(t)
	first := s.written("POST", "/free", `{"a":1}`, with("ann", "If-Match", `"7"`)...).Fingerprint
	require.Len(t, first, 16)
	require.Equal(t, first, s.written("POST", "/free", `{"a":1}`, with("ann", "If-Match", `"7"`, "X-Request-Id", "retry")...).Fingerprint)
	for _, tag := range []string{`W/"7"`, `7`, `"7.12"`, `"7-gzip"`} {
		require.Equal(t, first, s.written("POST", "/free", `{"a":1}`, with("ann", "If-Match", tag)...).Fingerprint, "a retry by another way: %s", tag)
	}
	for name, other := range map[string]web.Write{
		"body":    s.written("POST", "/free", `{"a":2}`, with("ann", "If-Match", `"7"`)...),
		"no body": s.written("POST", "/free", ``, with("ann", "If-Match", `"7"`)...),
		"version": s.written("POST", "/free", `{"a":1}`, with("ann", "If-Match", `"8"`)...),
		"method":  s.written("PUT", "/free", `{"a":1}`, with("ann", "If-Match", `"7"`)...),
		"path":    s.written("POST", "/free/x", `{"a":1}`, with("ann", "If-Match", `"7"`)...),
		"query":   s.written("POST", "/free?x=1", `{"a":1}`, with("ann", "If-Match", `"7"`)...),
	} {
		require.NotEqual(t, first, other.Fingerprint, name)
	}
}

// A retry may come after a deployment: it must find the receipt that an older version of the program wrote.
func TestARetryIsKnownToLaterVersions(t *testing.T) {
	t.Parallel()
	w := writeSite(t).written("POST", "/free?x=1", `{"a":1}`, with("ann", "If-Match", `"7"`, "Idempotency-Key", "k1")...)
	require.Equal(t, "7c888a8f-6c99-53a4-bf1a-f2aeb0620289", w.ID.String())
	require.Equal(t, "06f8ae25149c3795f5fec4c241ab0d5a", hex.EncodeToString(w.Fingerprint))
}

func TestWriteIfMatch(t *testing.T) {
	t.Parallel()
	s := writeSite(t)
	require.Nil(t, s.written("DELETE", "/free", "", as("ann")...).IfMatch)
	require.Nil(t, s.written("DELETE", "/free", "", with("ann", "If-Match", "*")...).IfMatch)
	for tag, want := range map[string]int64{
		`"7"`: 7, `"0"`: 0, `W/"7"`: 7, `7`: 7, `"7.12"`: 7, `W/"7.12"`: 7, `7.12`: 7, `"7.0.3"`: 7,
		`"7-gzip"`: 7, `W/"7-gzip"`: 7, `"7-br"`: 7, `"7-zstd"`: 7, `"7-deflate"`: 7, `"7;gzip"`: 7, `"7--gzip"`: 7, `"7-Gzip"`: 7, `7-gzip`: 7,
		`"7.12-gzip"`: 7, `"7-gzip-gzip"`: web.AnotherVersion, `"7-"`: web.AnotherVersion, `"7gzip"`: web.AnotherVersion, `"7-other"`: web.AnotherVersion, `"-gzip"`: web.AnotherVersion,
		`"7.x"`: web.AnotherVersion, `"7."`: web.AnotherVersion, `"7.-1"`: web.AnotherVersion, `".7"`: web.AnotherVersion, `07`: web.AnotherVersion, `W/"abc"`: web.AnotherVersion, `"abc"`: web.AnotherVersion, `"07"`: web.AnotherVersion,
		`"-1"`: web.AnotherVersion, `""`: web.AnotherVersion, `"99999999999999999999"`: web.AnotherVersion,
	} {
		require.Equal(t, want, *s.written("DELETE", "/free", "", with("ann", "If-Match", tag)...).IfMatch, tag)
	}
	for _, tag := range []string{`"7`, `"7", "8"`, ``, `w/"7"`, `W/7`, `7, 8`, `7.`, `-7`, `seven`} {
		s.send("DELETE", "/free", "", with("ann", "If-Match", tag)...).refused(t, 400, "malformed_if_match")
	}
}

// "If-None-Match: *" wants that nothing is there: version 0. Other tags say nothing that a write could go by.
func TestWriteIfNoneMatch(t *testing.T) {
	t.Parallel()
	s := writeSite(t)
	w := s.written("PUT", "/free", "", with("ann", "If-None-Match", "*")...)
	require.Equal(t, new(int64), w.IfMatch)
	require.False(t, w.IfExists)
	require.NotEqual(t, s.written("PUT", "/free", "", as("ann")...).Fingerprint, w.Fingerprint)
	require.True(t, s.written("PUT", "/free", "", with("ann", "If-Match", "*")...).IfExists)
	require.False(t, s.written("PUT", "/free", "", with("ann", "If-Match", `"7"`)...).IfExists)
	for _, headers := range [][]string{
		{"If-None-Match", `"7"`}, {"If-None-Match", ""}, {"If-None-Match", "7"}, {"If-None-Match", `*, "7"`},
		{"If-None-Match", "*", "If-None-Match", "*"}, {"If-None-Match", "*", "If-Match", `"7"`}, {"If-None-Match", "*", "If-Match", "*"},
	} {
		s.send("PUT", "/free", "", with("ann", headers...)...).refused(t, 400, "malformed_if_none_match")
	}
}

func TestWriteNeeds(t *testing.T) {
	t.Parallel()
	s := writeSite(t)
	key, version := []string{"Idempotency-Key", "k"}, []string{"If-Match", `"7"`}
	strict := func(body string, headers ...[]string) answer {
		all := as("ann")
		for _, h := range headers {
			all = append(all, h...)
		}
		return s.send("POST", "/strict", body, all...)
	}
	require.Equal(t, http.StatusOK, strict("{}", key, version).StatusCode)
	strict("{}").refused(t, 400, "idempotency_key_required")
	strict("{}", version).refused(t, 400, "idempotency_key_required")
	strict("{}", key).refused(t, 428, "precondition_required")
	strict("{}", key, []string{"If-Match", "*"}).refused(t, 428, "precondition_required")
	strict("x", []string{"Content-Type", "text/plain"}).refused(t, 415, "unsupported_media_type")
	s.send("POST", "/strict", "x").refused(t, 401, "unauthorized")
}

func TestWriteProvenance(t *testing.T) {
	t.Parallel()
	s := writeSite(t)
	request := uuid.NewString()

	require.Equal(t, "ann", s.written("POST", "/free", "", as("ann")...).Actor)
	require.Empty(t, s.written("POST", "/public", "").Actor)
	require.Equal(t, request, s.written("POST", "/public", "", "X-Request-Id", request).Correlation.String())
	named := s.written("POST", "/public", "", "X-Request-Id", "order-4711").Correlation
	require.Equal(t, named, s.written("POST", "/public", "", "X-Request-Id", "order-4711").Correlation)
}
