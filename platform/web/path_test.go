package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/platform/web"
)

func skuSite(t *testing.T) *site {
	s := newSite(t)
	show := func(c echo.Context) error {
		sku, err := web.SKU(c)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, sku)
	}
	s.Public.GET("/last/:sku", show)
	s.Public.GET("/middle/:sku/tail", show)
	return s
}

func TestSKU(t *testing.T) {
	t.Parallel()
	s := skuSite(t)
	read := func(path string) string {
		a := s.get(path)
		require.Equal(t, http.StatusOK, a.StatusCode, path+" "+a.body)
		var sku string
		require.NoError(t, json.Unmarshal([]byte(a.body), &sku))
		return sku
	}

	t.Run("ArrivesAsItWasMeant", func(t *testing.T) {
		t.Parallel()
		for raw, want := range map[string]string{
			"85123A": "85123A", "a%20b": "a b", "a+b": "a+b", "a%2Bb": "a+b", "gr%C3%BCn": "grün", "100%25": "100%",
			"a%2520b": "a%20b", "x%3Fy%23z": "x?y#z", "%3A": ":", "it's": "it's", "a%2Cb;c": "a,b;c", "%21": "!", "%7E~": "~~",
			"%252F": "%2F", ".": ".", "a%5Cb": `a\b`,
		} {
			require.Equal(t, want, read("/last/"+raw))
			require.Equal(t, want, read("/middle/"+raw+"/tail"))
		}
	})
	t.Run("WhatCannotBeOneIs422", func(t *testing.T) {
		t.Parallel()
		for _, raw := range []string{"a%2Fb", "%00", "a%00b", "%0A", "%20", "%FF", strings.Repeat("x", 65), "%E2%80%8B"} {
			for _, path := range []string{"/last/" + raw, "/middle/" + raw + "/tail"} {
				p := s.get(path).refused(t, http.StatusUnprocessableEntity, "validation_failed")
				require.Equal(t, "sku", field(p))
			}
		}
	})
	t.Run("OneOfAnOlderVersionArrives", func(t *testing.T) {
		t.Parallel()
		for raw, want := range map[string]string{".": ".", "%2E": ".", "%2E%2E": "..", "%20a": " a", "a%20": "a ", "a%EF%B8%8F": "a\ufe0f"} {
			require.Equal(t, want, read("/last/"+raw))
			require.Equal(t, want, read("/middle/"+raw+"/tail"))
			require.False(t, web.ValidSKU(want), want)
		}
	})
	t.Run("AnotherSegmentIsAnotherAddress", func(t *testing.T) {
		t.Parallel()
		s.get("/last/a/b").refused(t, http.StatusNotFound, "not_found")
		s.get("/last/").refused(t, http.StatusNotFound, "not_found")
	})
	t.Run("SixtyFourUmlautsAreFine", func(t *testing.T) {
		t.Parallel()
		long := strings.Repeat("ü", 64)
		require.Equal(t, long, read("/last/"+url.PathEscape(long)))
	})
	t.Run("AnyValidOneArrives", func(t *testing.T) {
		t.Parallel()
		rapid.Check(t, func(r *rapid.T) {
			sku := rapid.StringN(1, 64, -1).Filter(web.ValidSKU).Draw(r, "sku")
			require.Equal(r, sku, read("/last/"+url.PathEscape(sku)))
			require.Equal(r, sku, read("/middle/"+url.PathEscape(sku)+"/tail"))
		})
	})
}

func TestValidSKU(t *testing.T) {
	t.Parallel()
	for _, sku := range []string{"85123A", "a b", "grün", "...", ".a", "a.", "a..", "%2E%2E", "a\\b", "❤", strings.Repeat("ü", 64)} {
		require.True(t, web.ValidSKU(sku), "%q", sku)
	}
	for _, sku := range []string{"", ".", "..", "a/b", "a\nb", "\xff", strings.Repeat("x", 65), "a\u200bb", "a\u00a0b"} {
		require.False(t, web.ValidSKU(sku), "%q", sku)
	}
	for _, blank := range []string{
		" ", "\u00a0", "\u2003", "\u202f", "\u3000", "\u200b", "\u2060", "\ufeff", "\u00ad", "\u202e", "\u034f", "\u115f", "\u3164", "\uffa0",
		"\u2800", "\ufe0f", "\u180b", "\U000e0100", "\U000e0041", "\u2028", "\t",
	} {
		for _, sku := range []string{blank, blank + "a", "a" + blank, blank + "a" + blank} {
			require.False(t, web.ValidSKU(sku), "%q", sku)
		}
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Public.GET("/carts/:id", func(c echo.Context) error {
		id, err := web.ID(c, "id")
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, id)
	})
	id := uuid.NewString()

	require.JSONEq(t, `"`+id+`"`, s.get("/carts/"+id).body)
	require.JSONEq(t, `"`+id+`"`, s.get("/carts/"+strings.ToUpper(id)).body)
	for _, bad := range []string{"7", "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), id + "/x", id[:35] + "%00"} {
		s.get("/carts/"+bad).refused(t, http.StatusNotFound, "not_found")
	}
}

func TestTimeIsUTCToTheMicrosecond(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 31, 13, 0, 0, 123456789, time.FixedZone("CET", 3600))
	require.Equal(t, "2026-01-31T12:00:00.123456Z", web.Time(at).Format(time.RFC3339Nano))
}
