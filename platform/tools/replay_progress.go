package tools

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows on standard error how far a phase is, to whoever watches.
type progress struct{ silent bool }

// unknownLength are the steps of a phase of which nobody knows how long it will be.
const unknownLength = -1

// show begins a phase of so many steps: tick counts one, from any goroutine; done ends it.
func (p progress) show(phase string, steps int) (tick, done func()) {
	if p.silent {
		return func() {}, func() {}
	}
	bar := progressbar.NewOptions(steps, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(phase),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	return func() { _ = bar.Add(1) }, func() { _ = bar.Finish() } // a bar that cannot be drawn harms nothing
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
