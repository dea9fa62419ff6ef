package web

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/labstack/echo/v4"
)

// TestNoStreamOutlivesTheEnd: one that opens in the very moment in which all are ended is ended, too.
func TestNoStreamOutlivesTheEnd(t *testing.T) {
	t.Parallel()
	for range 50 {
		s := New(Config{Log: slog.New(slog.DiscardHandler)})
		s.Public.GET("/stream", func(c echo.Context) error {
			_, err := s.Events(c, "")
			return err
		})
		site := httptest.NewServer(s)
		opened := make(chan struct{}, 1)
		var clients sync.WaitGroup
		for range 16 {
			clients.Go(func() {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, site.URL+"/stream", nil)
				if err != nil {
					return
				}
				a, err := site.Client().Do(r)
				if err != nil {
					return // it was refused
				}
				defer a.Body.Close()
				select {
				case opened <- struct{}{}:
				default:
				}
				_, _ = io.Copy(io.Discard, a.Body)
			})
		}
		<-opened
		s.streams.end(nil)
		clients.Wait()
		if n := s.OpenStreams(); n > 0 {
			t.Fatalf("%d are left", n)
		}
		site.Close()
	}
}
