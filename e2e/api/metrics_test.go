package api

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
)

// The page of the metrics, which is read from the code, is what the running program answers; and operators are told of no others.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	s := harness.Open(t, harness.OneDatabase)
	page, err := os.ReadFile("docs/reference/metrics.md")
	require.NoError(t, err)
	kinds, says := map[string]string{}, map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(shopping_cart_\\w+)` \\| (\\w+) \\|.*\\| ([^|]+) \\|$").FindAllStringSubmatch(string(page), -1) {
		kinds[row[1]], says[row[1]] = row[2], row[3]
	}
	a := s.Send(t, "GET", "/metrics", "", nil)
	types := regexp.MustCompile(`(?m)^# TYPE (shopping_cart_\w+) (\w+)$`).FindAllStringSubmatch(string(a.Text), -1)
	require.Greater(t, len(types), 15)
	for _, family := range types {
		require.Equal(t, kinds[family[1]], family[2], family[1])
	}
	for _, family := range regexp.MustCompile(`(?m)^# HELP (shopping_cart_\w+) (.*)$`).FindAllStringSubmatch(string(a.Text), -1) {
		require.Equal(t, says[family[1]], family[2], family[1])
	}
	told, err := os.ReadFile("docs/operations.md")
	require.NoError(t, err)
	for _, name := range regexp.MustCompile(`shopping_cart_\w+`).FindAllString(string(told), -1) {
		require.Contains(t, kinds, name)
	}
}
