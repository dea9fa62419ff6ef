package api

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/saga"
)

// TestNginx walks through a checkout behind a proxy that compresses, and so makes strong tags weak.
func TestNginx(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase, harness.WithShop)
	direct := *s // the proxy is between its clients only
	s.PutBehindNginx(t)
	sku := direct.AddProduct(t, 1250)
	direct.SetStock(t, sku, 10)

	buyer := s.Shopper(t)
	filled := buyer.Fill(t, sku)
	path := "/v1/carts/" + filled.ID.String()

	weak := compressed(t, s, path, buyer.Token).Header.Get("ETag")
	require.Equal(t, `W/`+harness.Tag(filled.Version), weak, "the proxy must compress this answer, or the test shows nothing")

	knowsTags(t, s, buyer, filled, sku)
	t.Run("EventsComeWhenTheyHappen", func(t *testing.T) {
		asked := harness.As[harness.CheckoutView](t, buyer.CheckOut(t, buyer.Fill(t, sku), "sim_requires_action", harness.Waiting), http.StatusAccepted)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Base+"/v1/checkouts/"+asked.ID.String()+"/stream", nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+buyer.Token)
		request.Header.Set("Accept-Encoding", "gzip")
		stream, err := http.DefaultTransport.RoundTrip(request)
		require.NoError(t, err)
		defer stream.Body.Close()
		require.Equal(t, "text/event-stream", stream.Header.Get("Content-Type"))
		require.Empty(t, stream.Header.Get("Content-Encoding"))
		lines := bufio.NewScanner(stream.Body)
		require.True(t, scans(lines, `"status":"requires_action"`), "the stream says how things are before anything else happens")
		require.Equal(t, http.StatusOK, s.AnswerAtBank(t, *asked.PaymentID, "approve").StatusCode)
		require.True(t, scans(lines, `"status":"completed"`))
	})
	t.Run("PagesAndTheDocument", func(t *testing.T) {
		for _, page := range []string{"/shop", "/swagger/index.html", "/console/sign-in", "/openapi.json"} {
			a, err := s.Ask(t.Context(), http.MethodGet, page, "", nil)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, a.StatusCode, page)
		}
	})
}

// knowsTags edits a cart and checks it out, with the tags that a proxy made of ours.
func knowsTags(t *testing.T, s *harness.Site, buyer harness.Shopper, filled harness.CartView, sku string) {
	t.Helper()
	path := "/v1/carts/" + filled.ID.String()
	changed := compressed(t, s, path, buyer.Token).Header.Get("ETag")
	t.Run("AReadKnowsTheTag", func(t *testing.T) {
		require.Equal(t, http.StatusNotModified, s.Send(t, http.MethodGet, path, buyer.Token, nil, "If-None-Match", changed).StatusCode)
	})
	t.Run("AnEditAndACheckoutTakeIt", func(t *testing.T) {
		more := harness.As[harness.CartView](t, buyer.Add(t, filled, sku, 1, "If-Match", changed), http.StatusOK)
		seen := compressed(t, s, path, buyer.Token).Header.Get("ETag")
		harness.RequireProblem(t, buyer.CheckOut(t, more, "sim_ok", harness.NoWait, "If-Match", changed), http.StatusPreconditionFailed, "version_mismatch")
		done := harness.As[harness.CheckoutView](t, buyer.CheckOut(t, more, "sim_ok", harness.Waiting, "If-Match", seen), http.StatusCreated)
		require.Equal(t, saga.Completed, done.Status)
	})
}

// scans reads until a line holds the text.
func scans(lines *bufio.Scanner, text string) bool {
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return true
		}
	}
	return false
}

// compressed asks as a browser does, and leaves the answer compressed.
func compressed(t *testing.T, s *harness.Site, path, token string) *http.Response {
	t.Helper()
	a, err := s.Ask(t.Context(), http.MethodGet, path, token, nil, "Accept-Encoding", "gzip")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))
	return a.Response
}
