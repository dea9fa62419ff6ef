package demo

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCatalog(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/data/online-retail-sample.csv.gz")
	require.NoError(t, err)
	products, baskets, err := Catalog(text).read()
	require.NoError(t, err)
	require.Greater(t, len(products), 300)
	seen := map[string]bool{}
	for _, p := range products {
		require.False(t, seen[p.SKU], p.SKU)
		seen[p.SKU] = true
		require.NotContains(t, p.SKU, "@")
		require.Positive(t, p.Price)
		require.NotEqual(t, strings.ToUpper(p.Name), p.Name, "it shouts")
	}
	for _, b := range baskets {
		require.NotEmpty(t, b)
		for _, p := range b {
			require.True(t, seen[p.SKU])
		}
	}
	_, _, err = Catalog("no zip").read()
	require.ErrorContains(t, err, "unzip the catalog")
}

func TestInPlainWords(t *testing.T) {
	t.Parallel()
	for shouted, plain := range map[string]string{
		"WHITE HANGING HEART T-LIGHT HOLDER": "White hanging heart T-light holder", "TV DINNER TRAY": "TV dinner tray",
		"  RED   HARMONICA IN BOX ": "Red harmonica in box", "": "", "ÉCLAIR": "Éclair",
	} {
		require.Equal(t, plain, inPlainWords(shouted))
	}
}
