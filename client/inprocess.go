package client

import (
	"bytes"
	"io"
	"net/http"
)

// inProcess is a transport to a handler of this program.
type inProcess struct{ handler http.Handler }

// RoundTrip calls the handler.
func (t inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.WithContext(r.Context()) // a transport must not change the request
	r.RequestURI = r.URL.RequestURI()
	recorded := &recorder{header: http.Header{}}
	t.handler.ServeHTTP(recorded, r)
	return &http.Response{StatusCode: max(recorded.status, http.StatusOK), Header: recorded.header, Body: io.NopCloser(&recorded.body)}, nil
}

// recorder holds the response of a handler.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}
