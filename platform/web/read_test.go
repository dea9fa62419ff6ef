package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"shopping-cart/platform/web"
)

func TestNotModified(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Public.GET("/", func(c echo.Context) error {
		if web.NotModified(c, 7) {
			return c.NoContent(http.StatusNotModified)
		}
		return ok(c)
	})
	require.Equal(t, `"7"`, s.get("/").Header.Get("ETag"))
	for _, tags := range []string{`"7"`, `W/"7"`, `*`, `"6", "7"`, `"6",W/"7"`, `7`, `6, 7`, `"7-gzip"`, `"7-br"`, `W/"7-zstd"`, `"7-deflate"`, `"7;gzip"`, `"7--gzip"`, `"7-GZIP"`, `7-gzip`, `"6-gzip", "7-gzip"`} {
		a := s.get("/", "If-None-Match", tags)
		require.Equal(t, http.StatusNotModified, a.StatusCode, tags)
		require.Equal(t, `"7"`, a.Header.Get("ETag"))
	}
	for _, tags := range []string{`"6"`, `W/"6"`, `77`, `"77"`, ``, `"6-gzip"`, `"7-gzip-br"`, `"7-"`, `"7gzip"`, `"7-other"`, `"-gzip"`} {
		require.Equal(t, http.StatusOK, s.get("/", "If-None-Match", tags).StatusCode, tags)
	}
	require.Equal(t, http.StatusNotModified, s.get("/", "If-None-Match", `"6"`, "If-None-Match", `"7"`).StatusCode)
}

// An answer that shows more than its version covers has a tag for all of it.
func TestNotModifiedWithMoreThanAVersion(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Public.GET("/", func(c echo.Context) error {
		if web.NotModified(c, 7, 12) {
			return c.NoContent(http.StatusNotModified)
		}
		return ok(c)
	})
	require.Equal(t, `"7.12"`, s.get("/").Header.Get("ETag"))
	for _, tags := range []string{`"7.12"`, `W/"7.12"`, `7.12`, `"7", "7.12"`, `*`, `"7.12-gzip"`, `W/"7.12;gzip"`} {
		require.Equal(t, http.StatusNotModified, s.get("/", "If-None-Match", tags).StatusCode, tags)
	}
	for _, tags := range []string{`"7"`, `7`, `"7.13"`, `"7.1"`, `"7.12.0"`, `"6.12"`, `"7.012"`, `"7-gzip"`, `"7.13-gzip"`} {
		require.Equal(t, http.StatusOK, s.get("/", "If-None-Match", tags).StatusCode, tags)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Public.GET("/", func(c echo.Context) error {
		web.Replayed(c, true)
		return c.JSON(http.StatusOK, web.Wait(c).Seconds())
	})
	for prefer, want := range map[string]string{
		"wait=10": "10", "wait=31": "30", "wait=99999999": "30", "respond-async, wait=5": "5", `Wait="7"`: "7", "wait=3; x=y": "3",
	} {
		a := s.get("/", "Prefer", prefer)
		require.JSONEq(t, want, a.body, prefer)
		require.Equal(t, "wait="+want, a.Header.Get("Preference-Applied"))
		require.Equal(t, "true", a.Header.Get("Idempotent-Replayed"))
	}
	for _, prefer := range []string{"", "wait", "wait=0", "wait=-1", "wait=soon", "return=minimal"} {
		a := s.get("/", "Prefer", prefer)
		require.JSONEq(t, "0", a.body, prefer)
		require.Empty(t, a.Header.Get("Preference-Applied"))
	}
}

type row struct {
	At time.Time `json:"at"`
	ID uuid.UUID `json:"id"`
	N  int64     `json:"n"`
}

// listSite pages through rows that are ordered by N.
func listSite(t *testing.T, rows []row) *site {
	s := newSite(t)
	s.Public.GET("/rows", func(c echo.Context) error {
		page, err := web.PageOf(c)
		if err != nil {
			return err
		}
		from := 0
		for from < len(rows) && !page.Cursor.IsZero() && rows[max(from-1, 0)].ID != page.Cursor.ID {
			from++
		}
		found := rows[from:min(from+page.Limit+1, len(rows))]
		return c.JSON(http.StatusOK, web.NewPage(found, page.Limit, func(r row) web.Cursor { return web.Cursor{At: r.At, ID: r.ID} }))
	}, web.Paged)
	s.Public.GET("/log", func(c echo.Context) error {
		log, err := web.AfterOf(c)
		if err != nil {
			return err
		}
		found := rows[min(int(log.After), len(rows)):min(int(log.After)+log.Limit+1, len(rows))]
		return c.JSON(http.StatusOK, web.NewPage(found, log.Limit, func(r row) int64 { return r.N }))
	}, web.Logged)
	return s
}

func (s *site) page(path string) web.Page[row] {
	s.t.Helper()
	a := s.get(path)
	require.Equal(s.t, http.StatusOK, a.StatusCode, a.body)
	var page web.Page[row]
	require.NoError(s.t, json.Unmarshal([]byte(a.body), &page))
	return page
}

func TestPages(t *testing.T) {
	t.Parallel()
	rows := make([]row, 45)
	for i := range rows {
		rows[i] = row{At: time.Now(), ID: uuid.Must(uuid.NewV7()), N: int64(i + 1)}
	}
	s := listSite(t, rows)

	t.Run("TheCursorLeadsThroughAll", func(t *testing.T) {
		t.Parallel()
		for _, list := range []string{"/rows", "/log"} {
			first := s.page(list)
			require.Len(t, first.Data, 20)
			second := s.page(list + "?limit=24&cursor=" + *first.NextCursor)
			require.Len(t, second.Data, 24)
			require.EqualValues(t, 21, second.Data[0].N)
			last := s.page(list + "?cursor=" + *second.NextCursor)
			require.Len(t, last.Data, 1)
			require.Nil(t, last.NextCursor)
		}
		require.EqualValues(t, 45, s.page("/log?after=44").Data[0].N)
	})
	t.Run("AnExactFitIsTheLastPage", func(t *testing.T) {
		t.Parallel()
		require.Nil(t, s.page("/rows?limit=45").NextCursor)
	})
	t.Run("AnEmptyListIsAList", func(t *testing.T) {
		t.Parallel()
		require.JSONEq(t, `{"data":[],"next_cursor":null}`, listSite(t, nil).get("/rows").body)
	})
	t.Run("ALimitIs1To100", func(t *testing.T) {
		t.Parallel()
		for _, limit := range []string{"0", "101", "-1", "x", "1.5"} {
			p := s.get("/rows?limit="+limit).refused(t, 422, "validation_failed")
			require.Equal(t, "limit", field(p))
		}
	})
	t.Run("AForeignCursorIsRefused", func(t *testing.T) {
		t.Parallel()
		for _, c := range []string{"x", "7", "AAAA", strings.Repeat("_", 32), strings.Repeat("f", 32), strings.Repeat("_", 33)} {
			s.get("/rows?cursor="+c).refused(t, 422, "cursor_invalid")
		}
		s.get("/log?cursor=x").refused(t, 422, "cursor_invalid")
		s.get("/log?after=-1").refused(t, 422, "validation_failed")
	})
}

type large struct {
	N int64
}

func (large) PageBytes() int { return 900_000 }

func TestAPageOfLargeEntriesEndsEarly(t *testing.T) {
	t.Parallel()
	rows := []large{{1}, {2}, {3}, {4}, {5}}
	page := web.NewPage(rows, 4, func(l large) int64 { return l.N })
	require.Len(t, page.Data, 3, "the third one passes the bound")
	require.Equal(t, "3", *page.NextCursor)
	page = web.NewPage(rows[3:], 4, func(l large) int64 { return l.N })
	require.Len(t, page.Data, 2)
	require.Nil(t, page.NextCursor)
}

func TestAnyCursorComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Public.GET("/", func(c echo.Context) error {
		page, err := web.PageOf(c)
		if err != nil {
			return err
		}
		return c.JSON(http.StatusOK, row{At: page.Cursor.At, ID: page.Cursor.ID})
	}, web.Paged)
	rapid.Check(t, func(r *rapid.T) {
		want := web.Cursor{At: time.UnixMicro(rapid.Int64Range(1, 1<<52).Draw(r, "at")).UTC(), ID: uuid.New()}
		var got row
		page := web.NewPage(make([]row, 2), 1, func(row) web.Cursor { return want })
		require.NoError(r, json.Unmarshal([]byte(s.get("/?cursor="+*page.NextCursor).body), &got))
		require.True(r, want.At.Equal(got.At))
		require.Equal(r, want.ID, got.ID)
	})
}
