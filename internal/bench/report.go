package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"shopping-cart/platform/money"
)

// Report is the published form of a run.
type Report struct {
	Section string // of the file that Save changes
	Plots   []Plot // drawn beside that file; may be empty
	Results Results
	Targets []Target
	Rounds  int
	Each    time.Duration
	Machine string
	At      time.Time
}

// MachineOf describes the machine of a run.
func MachineOf(s *Server) string {
	version := s.conn.PgConn().ParameterStatus("server_version")
	machine := fmt.Sprintf("PostgreSQL %s, %s, %d processors%s", version, strings.Replace(runtime.Version(), "go", "Go ", 1), runtime.NumCPU(), model())
	for _, name := range slices.Sorted(maps.Keys(s.settings)) {
		machine += fmt.Sprintf(", %s = %s", name, s.settings[name])
	}
	if s.busy != "" {
		machine += ", load average " + s.busy + " at the start"
	}
	return machine
}

// model returns the processor's model, if the system reveals it.
func model() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return " (" + strings.TrimSpace(value) + ")"
		}
	}
	return ""
}

// WriteJSON writes one line per measurement with the medians of its rounds.
func (r Report) WriteJSON(w io.Writer) error {
	lines := json.NewEncoder(w)
	for _, one := range r.Results {
		err := lines.Encode(struct {
			Name    string `json:"name"`
			Callers int    `json:"callers"`
			Rounds  int    `json:"rounds"`
			Round
		}{one.Name, one.Callers, len(one.Rounds), one.Median()})
		if err != nil {
			return err
		}
	}
	return nil
}

// markdown returns the targets and all measurements as tables.
func (r Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s. Medians of %d rounds of %s each.\n", r.At.UTC().Format(time.DateOnly), r.Machine, r.Rounds, r.Each)
	r.writeTargets(&b)
	b.WriteString("\n| Measurement | Callers | Rate /s | p50 ms | p99 ms | Transactions | WAL bytes ")
	b.WriteString("| CPU µs: Postgres | program | client |\n")
	b.WriteString("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, one := range r.Results {
		m := one.Median()
		fmt.Fprintf(&b, "| %s | %d | %s |\n", one.Name, one.Callers, strings.Join([]string{
			whole(m.Rate), millis(m.P50), millis(m.P99), short(m.Commits), whole(m.WAL),
			known(m.PostgresCPU), whole(m.ProgramCPU), whole(m.ClientCPU)}, " | "))
	}
	return b.String()
}

func (r Report) writeTargets(b *strings.Builder) {
	var rows []string
	for _, t := range r.Targets {
		if value, met, measured := t.Met(r.Results); measured {
			rows = append(rows, fmt.Sprintf("| %s | %s | %s |\n", t.What, short(value), t.verdict(met)))
		}
	}
	if len(rows) > 0 {
		b.WriteString("\n| What | Measured | Target | |\n|---|---:|---|---|\n" + strings.Join(rows, ""))
	}
}

// verdict formats the target and whether it was met.
func (t Target) verdict(met bool) string {
	if t.Bound == 0 {
		return t.Unit + " | "
	}
	sign, verdict := "≥", "met"
	if t.AtMost {
		sign = "≤"
	}
	if !met {
		verdict = "**missed**"
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s %s", sign, short(t.Bound), t.Unit)) + " | " + verdict
}

// whole formats a number with commas, and 0 as nothing, since a 0 would be misleading.
func whole(f float64) string {
	if f < 0.5 {
		return ""
	}
	return money.Grouped(fmt.Sprintf("%.0f", f))
}

func known(f float64) string {
	if f < 0 {
		return "unknown"
	}
	return whole(f)
}

// short formats a number with its significant digits.
func short(f float64) string {
	switch {
	case f == 0:
		return ""
	case f >= 10:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", f), ".0")
	}
	return fmt.Sprintf("%.2f", f)
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond)) }

// Save writes the report between the markers of a Markdown file, and the plot beside it.
func (r Report) Save(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if text, err = replaceBetween(text, r.Section, r.markdown()); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := os.WriteFile(file, text, 0o644); err != nil { // #nosec G306 G703 -- a document, which the caller names
		return err
	}
	if len(r.Plots) == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(filepath.Dir(file), "benchmarks.svg"), []byte(svg(r.Plots, r.Results)), 0o644) // #nosec G306 -- as that one
}

// replaceBetween replaces the text between <!-- name --> and <!-- /name -->.
func replaceBetween(text []byte, name, by string) ([]byte, error) {
	before, rest, found := strings.Cut(string(text), "<!-- "+name+" -->\n")
	_, after, closed := strings.Cut(rest, "<!-- /"+name+" -->")
	if !found || !closed {
		return nil, fmt.Errorf("there are no markers <!-- %s --> and <!-- /%s -->", name, name)
	}
	return []byte(before + "<!-- " + name + " -->\n" + by + "<!-- /" + name + " -->" + after), nil
}
