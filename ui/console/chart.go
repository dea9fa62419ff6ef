package console

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// The size of a chart in its own units. It scales with its place and keeps its proportions.
const (
	chartWidth  = 600
	chartHeight = 150
	chartLeft   = 60 // for the scale
	chartBottom = 24 // for the times
	chartTop    = 8
)

// chart is an SVG chart for a template.
type chart struct {
	Label string // a description
	Bars  []bar
	Lines []line
	Grid  []mark
	Times []mark
	Empty bool
}

// bar is a part of a column.
type bar struct {
	X, Y, Width, Height string
	Class, Title        string
}

// line is a series of values.
type line struct{ Class, Path string }

// mark is a label beside the chart, with its position.
type mark struct{ X, Y, Text string }

func num(f float64) string { return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) }

// outcomes returns the chart of checkouts per minute: one column each, completed ones at the bottom.
func outcomeChart(minutes []minute) chart {
	most, all := 0, 0
	for _, m := range minutes {
		most, all = max(most, m.Began()), all+m.Began()
	}
	c := newChart(minutes, float64(most), func(v float64) string { return num(v) })
	c.Label, c.Empty = fmt.Sprintf("Checkouts per minute in the last hour by outcome: %d in all, at most %d in a minute.", all, most), all == 0
	width := float64(chartWidth-chartLeft) / float64(max(1, len(minutes)))
	for i, m := range minutes {
		y := float64(chartHeight - chartBottom)
		title := fmt.Sprintf("%s: %d completed, %d failed, %d cancelled, %d running, %d need attention",
			m.Minute.Format("15:04 UTC"), m.Completed, m.Failed, m.Cancelled, m.Running, m.NeedsAttention)
		for _, part := range []struct {
			n     int
			class string
		}{{m.Completed, "good"}, {m.Cancelled, "plain"}, {m.Running, "wait"}, {m.Failed, "bad"}, {m.NeedsAttention, "stop"}} {
			if part.n == 0 {
				continue
			}
			height := scale(float64(part.n), ceiling(float64(most)))
			y -= height
			c.Bars = append(c.Bars, bar{num(chartLeft + float64(i)*width + 1), num(y), num(width - 2), num(height), part.class, title})
		}
	}
	return c
}

// durationChart returns the chart of the 50th and the 95th percentile of the durations, minute by minute.
func durationChart(minutes []minute) chart {
	most, drawn := 0.0, false
	for _, m := range minutes {
		most, drawn = max(most, m.P95Seconds), drawn || m.P95Seconds > 0
	}
	c := newChart(minutes, most, formatSeconds)
	c.Empty = !drawn
	c.Label = "Durations of checkouts in the last hour, minute by minute: 50th and 95th percentile, at most " + formatSeconds(most) + "."
	for _, series := range []struct {
		class string
		of    func(minute) float64
	}{{"p95", func(m minute) float64 { return m.P95Seconds }}, {"p50", func(m minute) float64 { return m.P50Seconds }}} {
		var path strings.Builder
		width, pen := float64(chartWidth-chartLeft)/float64(max(1, len(minutes))), "M"
		for i, m := range minutes {
			if v := series.of(m); v > 0 {
				x, y := chartLeft+(float64(i)+0.5)*width, chartHeight-chartBottom-scale(v, ceiling(most))
				if pen == "M" { // a single minute is a dot
					fmt.Fprintf(&path, "M%s %sh0.1", num(x), num(y))
				}
				fmt.Fprintf(&path, "%s%s %s", pen, num(x), num(y))
				pen = "L"
			} else {
				pen = "M"
			}
		}
		c.Lines = append(c.Lines, line{series.class, path.String()})
	}
	return c
}

func scale(v, top float64) float64 { return v / top * (chartHeight - chartBottom - chartTop) }

// ceiling returns the round number at the top of a scale.
func ceiling(most float64) float64 {
	if most <= 0 {
		return 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most)))
	for _, times := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8, 10} {
		if most <= step*times {
			return step * times
		}
	}
	return step * 10
}

// newChart returns a chart with the scale at the left and the times below.
func newChart(minutes []minute, most float64, text func(float64) string) (c chart) {
	top := ceiling(most)
	for _, part := range []float64{0, 0.5, 1} {
		if v := top * part; part != 0.5 || text(v) != text(0) && (v == math.Trunc(v) || top < 1 || top > 10) {
			c.Grid = append(c.Grid, mark{Y: num(chartHeight - chartBottom - scale(v, top)), Text: text(v)})
		}
	}
	width := float64(chartWidth-chartLeft) / float64(max(1, len(minutes)))
	for i, m := range minutes {
		if m.Minute.Minute()%15 == 0 && i > 1 && i < len(minutes)-2 {
			c.Times = append(c.Times, mark{X: num(chartLeft + (float64(i)+0.5)*width), Text: m.Minute.In(time.UTC).Format("15:04")})
		}
	}
	return c
}
