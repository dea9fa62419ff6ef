package bench

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// Plot is a bar chart with one group for each number of callers.
type Plot struct {
	Title string // with the unit
	Bars  []Bar
}

// Bar is a workload in a plot, for all numbers of callers.
type Bar struct {
	Label, Name string
	Shade       Shade
}

// Shade is the colour of a bar.
type Shade int

// The meanings of the colours.
const (
	Grey Shade = iota // the baseline
	Gold              // alternatives
	Blue              // ours
	Sky               // ours, with one more layer
)

// Sizes in the plot, in pixels.
const (
	plotWidth, plotHeight = 460, 300
	plotLeft, plotRight   = 52, 8
	plotTop, plotBottom   = 58, 40
)

// The style is legible on white and on black, alone and within a page.
const plotStyle = `<style>
text{font:12px system-ui,sans-serif;fill:#444}
.title{font-size:14px;font-weight:600}
.value{font-size:9px;text-anchor:middle}
.grid{stroke:#8884;stroke-width:1}
.b0{fill:#8a8f98}.b1{fill:#c9a227}.b2{fill:#2f7ed8}.b3{fill:#7cb5ec}
@media(prefers-color-scheme:dark){text{fill:#ccc}}
</style>
`

// svg draws the plots side by side. A missing measurement has no bar.
func svg(plots []Plot, all Results) string {
	var b strings.Builder
	width := plotWidth * len(plots)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d" role="img">`+"\n",
		width, plotHeight)
	fmt.Fprintf(&b, "<title>%s</title>\n%s", html.EscapeString(titles(plots)), plotStyle)
	for i, p := range plots {
		fmt.Fprintf(&b, "<g transform=\"translate(%d 0)\">\n", i*plotWidth)
		p.draw(&b, all)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func titles(plots []Plot) string {
	all := make([]string, len(plots))
	for i, p := range plots {
		all[i] = p.Title
	}
	return strings.Join(all, "; ")
}

func (p Plot) draw(b *strings.Builder, all Results) {
	callers, top := p.callers(all), p.top(all)
	y := func(rate float64) float64 { return plotHeight - plotBottom - rate/top*(plotHeight-plotTop-plotBottom) }
	fmt.Fprintf(b, `<text class="title" x="%d" y="18">%s</text>`+"\n", plotLeft, html.EscapeString(p.Title))
	p.legend(b)
	for step := range 5 {
		rate := top * float64(step) / 4
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotWidth-plotRight, y(rate), y(rate))
		fmt.Fprintf(b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", plotLeft-6, y(rate)+4, axis(rate))
	}
	group := float64(plotWidth-plotLeft-plotRight) / float64(max(1, len(callers)))
	bar := group * 0.84 / float64(len(p.Bars))
	for i, n := range callers {
		left := plotLeft + group*(float64(i)+0.08)
		for k, one := range p.Bars {
			if rate, ok := all.Value(Rate(one.Name, n)); ok {
				x := left + bar*float64(k)
				fmt.Fprintf(b, `<rect class="b%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s, %d callers: %s /s</title></rect>`,
					one.Shade, x, y(rate), bar*0.9, y(0)-y(rate), html.EscapeString(one.Label), n, whole(rate))
				fmt.Fprintf(b, `<text class="value" x="%.1f" y="%.1f">%s</text>`+"\n", x+bar*0.45, y(rate)-3, axis(rate))
			}
		}
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", left+group*0.42, plotHeight-plotBottom+16, n)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle">concurrent callers</text>`+"\n", (plotLeft+plotWidth-plotRight)/2, plotHeight-8)
}

func (p Plot) legend(b *strings.Builder) {
	x := plotLeft
	for _, one := range p.Bars {
		fmt.Fprintf(b, `<rect class="b%d" x="%d" y="28" width="10" height="10"/><text x="%d" y="37">%s</text>`+"\n",
			one.Shade, x, x+14, html.EscapeString(one.Label))
		x += 28 + 7*len(one.Label)
	}
}

// callers returns the numbers of callers of all bars, in the order of the run.
func (p Plot) callers(all Results) (callers []int) {
	seen := map[int]bool{}
	for _, r := range all {
		for _, one := range p.Bars {
			if r.Name == one.Name && !seen[r.Callers] {
				seen[r.Callers] = true
				callers = append(callers, r.Callers)
			}
		}
	}
	return callers
}

// top returns the end of the axis: a round number above every bar.
func (p Plot) top(all Results) float64 {
	highest := 1.0
	for _, r := range all {
		for _, one := range p.Bars {
			if rate, ok := all.Value(Rate(r.Name, r.Callers)); ok && r.Name == one.Name {
				highest = max(highest, rate)
			}
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
