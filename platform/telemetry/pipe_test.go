package telemetry

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// A reader who stops reading holds nobody up, and hears how many lines it missed.
func TestPipeThatNobodyReads(t *testing.T) {
	t.Parallel()
	read, write, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = read.Close(); _ = write.Close() })
	p := NewPipe(write)
	text := make([]byte, 1023)
	for i := range text {
		text[i] = 'x'
	}
	const lines = 3 * pipeLines // far more than fits
	for range lines {
		n, err := fmt.Fprintln(p, string(text))
		require.NoError(t, err)
		require.Equal(t, 1024, n)
	}
	var seen, lost int
	for scanner := bufio.NewScanner(read); seen+lost < lines && scanner.Scan(); {
		if n, _ := fmt.Sscanf(scanner.Text(), "%d lines of the log were lost", &lost); n == 0 {
			seen++
		}
	}
	require.Positive(t, lost)
	require.Equal(t, lines, seen+lost)
}

type gone struct{ written int }

func (g *gone) Write([]byte) (int, error) { g.written++; return 0, errors.New("broken pipe") }

// A reader who went away is no error, and a line is tried before Write returns.
func TestPipeWhoseReaderWentAway(t *testing.T) {
	t.Parallel()
	g := &gone{}
	p := NewPipe(g)
	for i := range 3 {
		_, err := p.Write([]byte("line\n"))
		require.NoError(t, err)
		require.Equal(t, i+1, g.written)
	}
}
