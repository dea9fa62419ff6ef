package docs

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
	"shopping-cart/platform/config"
)

var shellBlock = regexp.MustCompile("(?s)\n```bash\n(.*?\n)```\n")

// Pages are pasted into one bash, block after block, in a folder without data: the very lines, but for the address. One after the
// other, since both build the program.
func TestPastedPages(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Run("Tutorial", tutorial)
	t.Run("StuckSagaGuide", stuckSagaGuide)
	t.Run("OwnServer", pagesSpeakToTheirOwnServer)
}

func tutorial(t *testing.T) {
	said, script := pasted(t, "docs/tutorial.md", "# ")
	inOrder(t, said,
		"shopping-cart is ready\n", "It is up.\n", `"sku":"TEAPOT"`, `"on_hand":100`, `"version":2`,
		`"code":"payment_declined"`, `"status":"open"`, `"version":4`, // declined, and open as it was
		`"status":"completed"`, `"status":"confirmed"`, "201, replayed: true\n", `"status":"confirmed"`, `"reason":"payment_declined"`, // bought once
		`"status":"requires_action"`, "event: checkout\n", `"status":"completed"`, // at the bank, followed live
		`"type":"cart.created"`, `"type":"payment.action_required"`, `"type":"webhook.received"`, `"type":"payment.captured"`, `"type":"saga.ended"`,
		": 0 found, 0 left\n", "products are in stock", " bought", "/shop\n", "/console\n", "Sign in with:  ey",
	)
	require.Equal(t, 1, strings.Count(script, "wait $SERVER"), "it ends with the end of the server")
}

// stuckSagaGuide is the drill of the guide: a checkout in doubt, settled by hand, and the provider's void in the end.
func stuckSagaGuide(t *testing.T) {
	said, script := pasted(t, "docs/guides/stuck-saga.md", "<!-- tutorial_test.go runs the blocks from here on. -->\n")
	require.NotContains(t, script, "export ", "it leaves no setting in the shell")
	require.Regexp(t, `console/sagas/\$CHECKOUT"\n(?:.*\n)*kill \$SERVER\nwait \$SERVER\n$`, script, "the console comes before the end of the server")
	inOrder(t, said,
		`"status":"needs_attention"`, `"payment.charge"`, `"actions":["retry","compensate","settle"]`, `"code":"step_needed"`, "settled: 202\n",
		`"status":"open"`, "compensating\n", `"status":"cancelled"`, `"type":"saga.attention_needed"`, `"type":"saga.step_settled"`, `"actor":"me"`,
		`"type":"saga.ended"`, "/console/sagas/", "Sign in with:  ey",
	)
}

// pagesSpeakToTheirOwnServer: a page that is pasted while another server has its address changes nothing there, and says so.
func pagesSpeakToTheirOwnServer(t *testing.T) {
	tutorialPage, err := os.ReadFile("docs/tutorial.md")
	require.NoError(t, err)
	guide, err := os.ReadFile("docs/guides/stuck-saga.md")
	require.NoError(t, err)
	_, drill, _ := strings.Cut(string(guide), "## Practise it")
	for _, page := range []struct{ name, script, says string }{ // one after the other: they build the program
		{"Tutorial", firstBlocks(string(tutorialPage), 3), "It did not start: read why, and do not go on.\n"},
		{"StuckSagaGuide", firstBlocks(drill, 2), "It did not start: read why, and do not go on.\n"},
		{"README", tour(t), "is not that of this folder: do not go on.\n"},
	} {
		t.Run(page.name, func(t *testing.T) {
			var changed atomic.Int32
			other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet {
					changed.Add(1)
				}
				if r.Header.Get("Authorization") != "" {
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			t.Cleanup(other.Close)
			script, _, _ := strings.Cut(page.script, "# Every promise") // what comes then takes its time
			said, _ := learns(t, strings.Replace(script, "http://localhost:8080", other.URL, 1)+"\ntrue\n", strings.TrimPrefix(other.URL, "http://"))
			require.Contains(t, said, page.says)
			require.NotContains(t, said, "It is up.")
			require.Zero(t, changed.Load(), said)
		})
	}
}

// firstBlocks are the first blocks of a page.
func firstBlocks(page string, n int) (script string) {
	for _, block := range shellBlock.FindAllStringSubmatch(page, n) {
		script += block[1]
	}
	return script
}

// pasted is what the blocks of a page after a mark say, pasted into one bash. They must not complain.
func pasted(t *testing.T, name, mark string) (said, script string) {
	t.Helper()
	page, err := os.ReadFile(name)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), mark)
	require.True(t, found)
	blocks := shellBlock.FindAllStringSubmatch(rest, -1)
	require.Len(t, blocks, strings.Count(rest, "\n```")/2, "every block is run")
	for _, block := range blocks {
		script += block[1]
	}
	address := harness.FreeAddress(t)
	require.Contains(t, script, "API=http://localhost:8080\n")
	said, complained := learns(t, strings.Replace(script, "http://localhost:8080", "http://"+address, 1), address)
	require.Empty(t, complained, said)
	return said, script
}

func inOrder(t *testing.T, said string, parts ...string) {
	t.Helper()
	for _, next := range parts {
		_, rest, found := strings.Cut(said, next)
		require.True(t, found, "%s is not in\n%s", next, said)
		said = rest
	}
}

// learns gives lines to a bash as a newcomer has it: no setting, but for an address and a place for the data.
func learns(t *testing.T, lines, address string) (said, complained string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "tutorial") // short, and open to the user that the embedded database runs as
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	_, before := os.Stat("shopping-cart") // what "go build ." writes
	t.Cleanup(func() {
		assert.NoError(t, os.RemoveAll(dir))
		if before != nil {
			assert.NoError(t, os.RemoveAll("shopping-cart"))
		}
	})
	var stdout, stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // a line that waits for ever
	defer cancel()
	bash := exec.CommandContext(ctx, "bash", "--norc", "-s")
	bash.Stdin, bash.Stdout, bash.Stderr = strings.NewReader(lines), &stdout, &stderr
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // cut off, it takes the server with it
	bash.Cancel = func() error { return syscall.Kill(-bash.Process.Pid, syscall.SIGTERM) }
	bash.Env = append(config.Foreign(os.Environ()), "DATABASE_URL=", "HTTP_ADDR="+address, "DATA_DIR="+filepath.Join(dir, "data"))
	require.NoError(t, bash.Run(), "%s%s", &stdout, &stderr)
	return stdout.String(), stderr.String()
}
