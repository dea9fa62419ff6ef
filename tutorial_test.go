package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"shopping-cart/platform/config"
)

var shellBlock = regexp.MustCompile("(?s)\n```bash\n(.*?\n)```\n")

// The tutorial is pasted into one bash, block after block, in a folder without data: the very lines, but for the address.
func TestTutorial(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program")
	}
	page, err := os.ReadFile("docs/tutorial.md")
	require.NoError(t, err)
	var lines strings.Builder
	for _, block := range shellBlock.FindAllStringSubmatch(string(page), -1) {
		lines.WriteString(block[1])
	}
	require.Equal(t, strings.Count(string(page), "\n```")/2, len(shellBlock.FindAllString(string(page), -1)), "every block is run")
	address := freeAddress(t)
	script := strings.Replace(lines.String(), "API=http://localhost:8080\n", "API=http://"+address+"\n", 1)
	require.Contains(t, script, address)

	said, complained := learns(t, script, address)

	require.Empty(t, complained)
	for _, next := range []string{
		"shopping-cart is ready\n", "It is up.\n", `"sku":"TEAPOT"`, `"on_hand":100`, `"version":2`,
		`"code":"payment_declined"`, `"status":"open"`, `"version":4`, // declined, and open as it was
		`"status":"completed"`, `"status":"confirmed"`, "201, replayed: true\n", `"status":"confirmed"`, `"status":"cancelled"`, // bought once
		`"status":"requires_action"`, "event: checkout\n", `"status":"completed"`, // at the bank, followed live
		`"type":"cart.created"`, `"type":"payment.action_required"`, `"type":"webhook.received"`, `"type":"payment.captured"`, `"type":"saga.ended"`,
		": 0 found, 0 left\n", "products are on the shelves", " bought", "/shop\n", "/console\n", "Sign in with:  ey",
	} {
		_, rest, found := strings.Cut(said, next)
		require.True(t, found, "%s is not in\n%s", next, said)
		said = rest
	}
}

// freeAddress is one that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
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
	bash := exec.CommandContext(t.Context(), "bash", "--norc", "-s")
	bash.Stdin, bash.Stdout, bash.Stderr = strings.NewReader(lines), &stdout, &stderr
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // cut off, it takes the server with it
	bash.Cancel = func() error { return syscall.Kill(-bash.Process.Pid, syscall.SIGTERM) }
	bash.Env = append(config.Foreign(os.Environ()), "DATABASE_URL=", "HTTP_ADDR="+address, "DATA_DIR="+filepath.Join(dir, "data"))
	require.NoError(t, bash.Run(), "%s%s", &stdout, &stderr)
	return stdout.String(), stderr.String()
}
