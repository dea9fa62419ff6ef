package api

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/docs"
	"shopping-cart/e2e/harness"
	"shopping-cart/internal/demo"
	"shopping-cart/platform/config"
	"shopping-cart/platform/money"
)

// beside is what a tool learns on the machine of a site.
type beside struct {
	t testing.TB
	*harness.Site
}

func (b beside) BaseURL() (string, error) { return b.Base, nil }

func (b beside) Mint(subject string, scopes []string, _ time.Duration) (string, error) {
	return harness.Mint(b.t, b.Settings, subject, scopes...), nil
}

func TestDemo(t *testing.T) {
	t.Parallel()
	t.Run("FillsTheShop", func(t *testing.T) {
		t.Parallel()
		s := harness.Open(t, harness.OneDatabase, harness.WithShop, func(_ testing.TB, c *config.Config) {
			c.PaymentTimeout = 3 * time.Second // longer than the slow card takes to answer
		})
		var said bytes.Buffer
		demo := demo.Demo{Rate: 40, Seconds: 2, Seed: 7, JSON: true}
		require.NoError(t, demo.Run(t.Context(), &said, beside{t, s}, docs.Invoices))
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		var last struct {
			Customers, Inside int
			Outcomes          map[string]int
			Sold              money.Amount
		}
		require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
		require.Zero(t, last.Inside, "who is in the shop finishes")
		ended := 0
		for _, n := range last.Outcomes {
			ended += n
		}
		require.Equal(t, last.Customers, ended)
		require.Positive(t, last.Outcomes["bought"])
		require.Positive(t, last.Sold.Amount)
		require.Zero(t, last.Outcomes["lost"])
		page := harness.Get[harness.List[map[string]any]](t, s, "/v1/products?limit=100", "")
		require.Len(t, page.Data, 100)
		require.NotNil(t, page.NextCursor)
	})
	t.Run("LeavesAServerAloneWhoseShopIsOff", func(t *testing.T) {
		t.Parallel()
		s := harness.Open(t, harness.OneDatabase)
		demo := demo.Demo{Rate: 1, Seconds: 1}
		require.ErrorContains(t, demo.Run(t.Context(), &bytes.Buffer{}, beside{t, s}, docs.Invoices), "SHOP=true")
		require.Empty(t, harness.Get[harness.List[map[string]any]](t, s, "/v1/products", "").Data)
	})
}
