package bench

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// Plot is a bar chart with one group for each number of callers.
type Plot struct {
	Title string // with the unit
	Bars  []Bar
}

// Bar is a workload in a plot, for all numbers of callers. Its color is a class of plotStyle.
type Bar struct{ Label, Name, Color string }

// Sizes in the plot, in pixels.
const (
	plotWidth, plotHeight = 460, 300
	plotLeft, plotRight   = 52, 8
	plotTop, plotBottom   = 58, 40
)

// plotStyle is legible on white and on black, alone and within a page. The colors: grey for a baseline, gold for an alternative,
// blue for ours, sky for ours with one more layer.
const plotStyle = `<style>
text{font:12px system-ui,sans-serif;fill:#444}
.title{font-size:14px;font-weight:600}
.value{font-size:9px;text-anchor:middle}
.grid{stroke:#8884;stroke-width:1}
.grey{fill:#8a8f98}.gold{fill:#c9a227}.blue{fill:#2f7ed8}.sky{fill:#7cb5ec}
@media(prefers-color-scheme:dark){text{fill:#ccc}}
</style>
`

// svg draws the plots side by side. A missing measurement has no bar.
func svg(plots []Plot, all Results) string {
	var b strings.Builder
	var titles []string
	for _, p := range plots {
		titles = append(titles, p.Title)
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img">`+"\n",
		plotWidth*len(plots), plotHeight)
	fmt.Fprintf(&b, "<title>%s</title>\n%s", html.EscapeString(strings.Join(titles, "; ")), plotStyle)
	for i, p := range plots {
		fmt.Fprintf(&b, "<g transform=\"translate(%d 0)\">\n", i*plotWidth)
		p.draw(&b, all)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p Plot) draw(b *strings.Builder, all Results) {
	callers := p.callers(all)
	top := p.top(all, callers)
	y := func(rate float64) float64 { return plotHeight - plotBottom - rate/top*(plotHeight-plotTop-plotBottom) }
	fmt.Fprintf(b, `<text class="title" x="%d" y="18">%s</text>`+"\n", plotLeft, html.EscapeString(p.Title))
	p.legend(b)
	for step := range 5 {
		rate := top * float64(step) / 4
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotWidth-plotRight, y(rate), y(rate))
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", plotLeft-6, y(rate)+4, axis(rate))
	}
	group := float64(plotWidth-plotLeft-plotRight) / float64(max(1, len(callers)))
	width := group * 0.84 / float64(len(p.Bars))
	for i, n := range callers {
		left := plotLeft + group*(float64(i)+0.08)
		for k, bar := range p.Bars {
			if rate, ok := all.Value(Rate(bar.Name, n)); ok {
				x := left + width*float64(k)
				fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s, %d callers: %s /s</title></rect>`,
					bar.Color, x, y(rate), width*0.9, y(0)-y(rate), html.EscapeString(bar.Label), n, whole(rate))
				fmt.Fprintf(b, `<text class="value" x="%.1f" y="%.1f">%s</text>`+"\n", x+width*0.45, y(rate)-3, axis(rate))
			}
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", left+group*0.42, plotHeight-plotBottom+16, n)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">concurrent callers</text>`+"\n", (plotLeft+plotWidth-plotRight)/2, plotHeight-8)
}

func (p Plot) legend(b *strings.Builder) {
	x := plotLeft
	for _, bar := range p.Bars {
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="28" width="10" height="10"/><text x="%d" y="37">%s</text>`+"\n",
			bar.Color, x, x+14, html.EscapeString(bar.Label))
		x += 28 + 7*len(bar.Label)
	}
}

// callers returns the numbers of callers of all bars, in the order of the run.
func (p Plot) callers(all Results) (callers []int) {
	for _, r := range all {
		plotted := slices.ContainsFunc(p.Bars, func(bar Bar) bool { return bar.Name == r.Name })
		if plotted && !slices.Contains(callers, r.Callers) {
			callers = append(callers, r.Callers)
		}
	}
	return callers
}

// top returns the end of the axis: a round number above every bar.
func (p Plot) top(all Results, callers []int) float64 {
	highest := 1.0
	for _, n := range callers {
		for _, bar := range p.Bars {
			rate, _ := all.Value(Rate(bar.Name, n))
			highest = max(highest, rate)
		}
	}
	step := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, round := range []float64{1, 1.5, 2, 3, 4, 6, 8} {
		if round*step >= highest {
			return round * step
		}
	}
	return 10 * step
}

// axis formats a rate in few characters.
func axis(rate float64) string {
	switch {
	case rate >= 10_000:
		return fmt.Sprintf("%.0fk", rate/1000)
	case rate >= 1000:
		return fmt.Sprintf("%.1fk", rate/1000)
	}
	return fmt.Sprintf("%.0f", rate)
}
