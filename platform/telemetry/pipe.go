package telemetry

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// Pipe is a writer for the log that never fails and never blocks the program. A reader that is gone causes no error. A reader that
// stops reading loses lines. While the reader reads, Write returns after the line is written.
type Pipe struct {
	to      io.Writer
	lines   chan line
	stalled atomic.Bool
	lost    atomic.Int64
}

type line struct {
	text    []byte
	written chan struct{}
}

const (
	pipeLines    = 4096                  // that wait for the reader
	pipePatience = 50 * time.Millisecond // how long a line waits until the reader counts as stalled
)

// NewPipe returns a Pipe to w.
func NewPipe(w io.Writer) *Pipe {
	p := &Pipe{to: w, lines: make(chan line, pipeLines)}
	go p.copy()
	return p
}

// Write is part of io.Writer.
func (p *Pipe) Write(text []byte) (int, error) {
	l := line{bytes.Clone(text), make(chan struct{})}
	select {
	case p.lines <- l:
	default:
		p.lost.Add(1)
		return len(text), nil
	}
	if p.stalled.Load() {
		return len(text), nil
	}
	select {
	case <-l.written:
	case <-time.After(pipePatience):
		p.stalled.Store(true)
	}
	return len(text), nil
}

// copy writes the lines in their order. It drops a line that it cannot write.
func (p *Pipe) copy() {
	for l := range p.lines {
		_, _ = p.to.Write(l.text)
		p.stalled.Store(false)
		close(l.written)
		if lost := p.lost.Swap(0); lost > 0 {
			_, _ = fmt.Fprintf(p.to, "%d lines of the log were lost while nobody read it\n", lost)
		}
	}
}

// SurvivePipes keeps the program alive when the reader of its output goes away, such as "tee" at Ctrl-C. A write then fails and has
// no other effect. The signal is caught and not ignored, so that child processes keep its default action.
func SurvivePipes() { signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) }
