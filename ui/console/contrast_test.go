package console

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestContrast holds every colour to WCAG AA: text 4.5 to 1 on its background, edges of controls and parts of charts 3 to 1.
func TestContrast(t *testing.T) {
	t.Parallel()
	text, err := assetFiles.ReadFile("assets/console.css")
	require.NoError(t, err)
	css := string(text)
	for _, theme := range []struct{ name, from, to string }{{"light", "/* light */", "/* dark */"}, {"dark", "/* dark */", "/* end */"}} {
		_, css, _ := strings.Cut(css, theme.from)
		css, _, _ = strings.Cut(css, theme.to)
		colours := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z0-9-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(css, -1) {
			colours[m[1]] = m[2]
		}
		holds := func(least float64, front string, grounds ...string) {
			for _, ground := range grounds {
				require.NotEmpty(t, colours[front]+colours[ground], "%s or %s", front, ground)
				got := contrast(t, colours[front], colours[ground])
				require.GreaterOrEqual(t, got, least, "%s: %s on %s is %.2f", theme.name, front, ground, got)
			}
		}
		grounds := []string{"ground", "card", "raised"}
		for _, front := range []string{"text", "faint", "link", "good", "bad", "wait", "stop"} {
			holds(4.5, front, grounds...)
		}
		for _, tone := range []string{"good", "bad", "wait", "stop", "plain"} {
			holds(4.5, tone, tone+"-ground")
			holds(3, "chart-"+tone, "card")
		}
		holds(4.5, "on-primary", "primary")
		holds(4.5, "text", "button")
		holds(4.5, "bad", "button")
		holds(3, "button-edge", "ground", "card")
		holds(3, "chart-p50", "card")
		holds(3, "chart-p95", "card")
		holds(3, "focus", grounds...)
		if theme.name == "dark" { // it is defined twice: as the choice, and as the system's preference
			_, again, _ := strings.Cut(string(text), ":root:not([data-theme]) {")
			again, _, _ = strings.Cut(again, "}")
			for name, value := range colours {
				require.Contains(t, again, "--"+name+": "+value+";")
			}
		}
	}
}

// contrast returns the ratio of WCAG 2.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(colour[1+2*i:3+2*i], 16, 8)
		require.NoError(t, err, colour)
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
