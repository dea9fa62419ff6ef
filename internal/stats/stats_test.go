package stats_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/internal/stats"
)

func TestPercentile(t *testing.T) {
	t.Parallel()
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	require.EqualValues(t, 50, stats.Percentile(hundred, 50))
	require.EqualValues(t, 99, stats.Percentile(hundred, 99))
	require.EqualValues(t, 1, stats.Percentile(hundred[:1], 99))
	require.Zero(t, stats.Percentile(nil, 50))
}
