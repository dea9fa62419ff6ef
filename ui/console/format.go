package console

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"shopping-cart/platform/money"
)

// functions are available in templates. key returns the idempotency key of a form: sending the form twice has one effect.
var functions = template.FuncMap{
	"stamp": assets.Stamp, "key": rand.Text, "path": func() string { return Path },
	"short": short, "words": words, "money": formatMoney, "count": formatCount,
	"when": formatTime, "ago": func(t time.Time) string { return formatAge(time.Since(t)) }, "iso": func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"seconds": formatSeconds, "took": formatDuration, "color": statusColor, "json": indentJSON, "deref": deref, "dict": dict, "plural": plural,
}

// short returns the end of an id, enough to compare ids: those of one moment differ there.
func short(id any) string {
	text := []rune(fmt.Sprint(id)) // ids of customers may be names, in any script
	if len(text) <= 12 {
		return string(text)
	}
	if strings.Trim(string(text), "0-") == "" {
		return "none" // the zero id
	}
	return "…" + string(text[len(text)-8:])
}

// words returns a name of the API with spaces.
func words(name any) string { return strings.ReplaceAll(fmt.Sprint(name), "_", " ") }

// formatMoney formats an amount with the digits in groups of three.
func formatMoney(m money.Amount) string { return money.Grouped(m.String()) }

// formatCount formats a number with the digits in groups of three.
func formatCount(n any) string { return money.Grouped(fmt.Sprint(n)) }

func plural(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}

// formatTime formats a time in UTC, with the day unless that is today.
func formatTime(t time.Time) string {
	t = t.UTC()
	if now := time.Now().UTC(); t.Year() == now.Year() && t.YearDay() == now.YearDay() {
		return t.Format("15:04:05 UTC")
	} else if t.Year() == now.Year() {
		return t.Format("2 Jan 15:04:05 UTC")
	}
	return t.Format("2 Jan 2006 15:04 UTC")
}

// formatAge formats a duration as a time in the past, or in the future.
func formatAge(d time.Duration) string {
	if d < 0 {
		return "in " + formatDuration(-d)
	}
	return formatDuration(d) + " ago"
}

// formatDuration formats a duration in at most two units.
func formatDuration(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "0 ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < time.Minute:
		return strconv.FormatInt(int64(d.Seconds()), 10) + " s"
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(math.Floor(d.Hours()/24)))
}

func formatSeconds(s float64) string { return formatDuration(time.Duration(s * float64(time.Second))) }

// statusColor returns the colour of a status: good, bad, wait, stop or plain.
func statusColor(status any) string {
	switch fmt.Sprint(status) {
	case "completed", "done", "confirmed", "fulfilled", "captured", "handled", "healed":
		return "good"
	case "failed", "refused", "declined":
		return "bad"
	case "needs_attention":
		return "stop"
	case "running", "requires_action", "compensating", "retrying", "waiting", "cancelling", "unknown", "rebuild":
		return "wait"
	}
	return "plain"
}

// indentJSON indents JSON.
func indentJSON(raw json.RawMessage) string {
	var b bytes.Buffer
	if len(raw) == 0 || json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// dict builds the named arguments of a part.
func dict(pairs ...any) map[string]any {
	d := map[string]any{}
	for i := 0; i+1 < len(pairs); i += 2 {
		d[fmt.Sprint(pairs[i])] = pairs[i+1]
	}
	return d
}
