package telemetry_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"shopping-cart/platform/fault"
	"shopping-cart/platform/telemetry"
)

// An outage is said once, and how much it left unsaid later; everything else is written as it comes.
func TestAnOutageDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	log, err := telemetry.Log(&text, "info", "text")
	require.NoError(t, err)
	busy := fault.New(fault.Unavailable, "busy", "Too much is going on.")
	at := time.Now()
	say := func(message string, err error) {
		r := slog.NewRecord(at, slog.LevelError, message, 0)
		r.Add("error", err)
		require.NoError(t, log.With("module", "cart").Handler().Handle(t.Context(), r))
	}
	for range 100 {
		say("the request failed", fmt.Errorf("load: %w", io.ErrUnexpectedEOF))
		say("the sweep failed", fmt.Errorf("sweep: %w", busy))
		say("the request failed", errors.New("a bug"))
	}
	require.Equal(t, 100, strings.Count(text.String(), "a bug"))
	require.Equal(t, 1, strings.Count(text.String(), "load: "))
	require.Equal(t, 1, strings.Count(text.String(), "sweep: "))

	text.Reset()
	at = at.Add(11 * time.Second)
	say("the request failed", io.ErrUnexpectedEOF)
	require.Contains(t, text.String(), "unwritten=99")
	say("the request failed", io.ErrUnexpectedEOF)
	require.Equal(t, 1, strings.Count(text.String(), "\n"))
}
