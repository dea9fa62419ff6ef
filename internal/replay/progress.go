package replay

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress shows the progress of a phase on standard error if that is a terminal.
type Progress struct{ Silent bool }

// UnknownLength stands for an unknown number of steps.
const UnknownLength = -1

// Show begins a phase with a number of steps. tick counts one, from any goroutine; done ends the phase.
func (p Progress) Show(phase string, steps int) (tick, done func()) {
	if p.Silent {
		return func() {}, func() {}
	}
	bar := progressbar.NewOptions(steps, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(phase),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	return func() { _ = bar.Add(1) }, func() { _ = bar.Finish() } // the bar is optional: its errors are ignored
}

func IsTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
