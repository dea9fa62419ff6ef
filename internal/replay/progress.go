package replay

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Progress shows on standard error how far a phase is, to whoever watches.
type Progress struct{ Silent bool }

// UnknownLength are the steps of a phase of which nobody knows how long it will be.
const UnknownLength = -1

// Show begins a phase of so many steps: tick counts one, from any goroutine; done ends it.
func (p Progress) Show(phase string, steps int) (tick, done func()) {
	if p.Silent {
		return func() {}, func() {}
	}
	bar := progressbar.NewOptions(steps, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(phase),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
	return func() { _ = bar.Add(1) }, func() { _ = bar.Finish() } // a bar that cannot be drawn harms nothing
}

func IsTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
