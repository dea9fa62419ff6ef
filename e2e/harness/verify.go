//go:build !windows

package harness

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/admin/reconcile"
	"shopping-cart/internal/app"
)

// Reconcile asks for all findings.
func (s *Site) Reconcile(t testing.TB, method string) (all reconcile.Reconciliation) {
	t.Helper()
	for path := "/v1/admin/reconciliation"; ; {
		var a Answer
		Until(t, "the books can be read", func() bool { // not while a test holds a lock on them, to restore its change
			a = s.Send(t, method, path, s.Admin, nil)
			return a.StatusCode != http.StatusServiceUnavailable
		})
		part := As[reconcile.Reconciliation](t, a, http.StatusOK)
		all.Data = append(all.Data, part.Data...)
		all.Checked.Streams, all.Checked.Receipts = all.Checked.Streams+part.Checked.Streams, all.Checked.Receipts+part.Checked.Receipts
		all.Checked.Events += part.Checked.Events
		all.Checked.Checkouts, all.Checked.Stocks = all.Checked.Checkouts+part.Checked.Checkouts, all.Checked.Stocks+part.Checked.Stocks
		if part.NextCursor == nil {
			return all
		}
		path = "/v1/admin/reconciliation?cursor=" + url.QueryEscape(*part.NextCursor)
	}
}

func FindingIDs(found []reconcile.Finding) (ids []string) {
	for _, f := range found {
		ids = append(ids, f.ID)
	}
	slices.Sort(ids)
	return ids
}

// Auditor is a program beside those that serve: it only looks. set changes what a server has fixed.
func Auditor(t *testing.T, of *Site, set func(*reconcile.Module)) *Site {
	t.Helper()
	p, err := app.New(t.Context(), of.Settings, of.URLs, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(p.Close)
	set(p.Reconcile)
	server := httptest.NewServer(p.Web)
	t.Cleanup(server.Close)
	return &Site{Base: server.URL, Settings: of.Settings, URLs: of.URLs, Admin: of.Admin}
}
