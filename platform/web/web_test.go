package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/web"
)

// names are tokens that say who they are: "ann" is a customer, "root|admin" an operator.
type names struct{}

func (names) Authenticate(_ context.Context, token string) (web.Caller, error) {
	if token == "bad" {
		return web.Caller{}, errors.New("a bad token")
	}
	subject, scopes, _ := strings.Cut(token, "|")
	return web.Caller{Subject: subject, Scopes: strings.Fields(scopes)}, nil
}

// logBook is a log that a test can read while requests write it.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// site is a server over real HTTP.
type site struct {
	*web.Server
	t    *testing.T
	url  string
	logs *logBook
}

func newSite(t *testing.T, configure ...func(*web.Config)) *site {
	t.Helper()
	logs := &logBook{}
	cfg := web.Config{Auth: names{}, Log: logs.logger()}
	for _, c := range configure {
		c(&cfg)
	}
	s := web.New(cfg)
	http := httptest.NewServer(s)
	t.Cleanup(http.Close)
	return &site{Server: s, t: t, url: http.URL, logs: logs}
}

// answer is what came back, with its body read.
type answer struct {
	*http.Response
	body string
}

// problem is the body as the client reads it.
func (a answer) problem(t *testing.T) map[string]any {
	t.Helper()
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), a.body)
	var p map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &p))
	require.EqualValues(t, a.StatusCode, p["status"])
	require.Equal(t, http.StatusText(a.StatusCode), p["title"])
	require.NotEmpty(t, p["detail"])
	require.Equal(t, "urn:problem:"+p["code"].(string), p["type"])
	require.Equal(t, a.Header.Get("X-Request-Id"), p["request_id"])
	return p
}

// refused checks a status and a code.
func (a answer) refused(t *testing.T, status int, code string) map[string]any {
	t.Helper()
	require.Equal(t, status, a.StatusCode, a.body)
	p := a.problem(t)
	require.Equal(t, code, p["code"])
	return p
}

// send makes a request. Headers come in pairs; a body is JSON unless they say otherwise.
func (s *site) send(method, path, body string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
		if headers[i] == "Content-Type" {
			r.Header.Set("Content-Type", headers[i+1])
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return answer{resp, string(raw)}
}

func (s *site) get(path string, headers ...string) answer {
	s.t.Helper()
	return s.send(http.MethodGet, path, "", headers...)
}

func ok(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"as": web.CallerOf(c).Subject})
}

func fails(err error) echo.HandlerFunc { return func(echo.Context) error { return err } }

func as(token string) []string { return []string{"Authorization", "Bearer " + token} }
