package payment

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldens are one event of every kind. Their files are forever: what was stored once must be read always.
var goldens = []event{
	wish, authorized{"ref"}, actionRequired{"ref", bankPage, noon}, declined{CodeInsufficientFunds}, capturing, captured{1999},
	captureRefused{CodeCaptureRefused}, outcomeUnknown{opCapture, "timeout"},
	UndoRequested{theCheck, "ann", CodeCancelled, reasonCancelled}, voided{}, asksRefund, refunded{theRefund},
	refundFailed{theRefund, "closed"}, Notified{theCheck, "evt_1", "payment.authorized"},
}

func TestGoldenEvents(t *testing.T) {
	t.Parallel()
	for _, e := range goldens {
		t.Run(e.Kind(), func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", "events", e.Kind()+".json")
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			got, err := decodeEvent(e.Kind(), want)
			require.NoError(t, err)
			require.Equal(t, e, got)
			again, err := json.Marshal(e)
			require.NoError(t, err)
			require.JSONEq(t, string(want), string(again))
		})
	}
}

func TestEveryEventHasAGolden(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("events.go")
	require.NoError(t, err)
	kinds := map[string]bool{}
	for _, m := range regexp.MustCompile(`return "(payment\.\w+)"`).FindAllSubmatch(source, -1) {
		kinds[string(m[1])] = true
	}
	files, err := filepath.Glob("testdata/events/*.json")
	require.NoError(t, err)
	require.Len(t, files, len(kinds))
	for _, e := range goldens {
		delete(kinds, e.Kind())
	}
	require.Empty(t, kinds)
}

func TestUnknownEventIsRefused(t *testing.T) {
	t.Parallel()
	_, err := decodeEvent("payment.mislaid", []byte("{}"))
	require.Error(t, err)
	_, err = decodeEvent(captured{}.Kind(), bytes.Repeat([]byte("{"), 2))
	require.Error(t, err)
}
