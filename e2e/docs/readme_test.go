package docs

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/e2e/harness"
)

// tourMark stands above the block of README.md that is run here.
const tourMark = "<!-- readme_test.go runs this block and compares its output with the next one. -->\n"

// The tour is pasted into bash against a program that runs: the very lines, but for the address. The proxy makes strong tags weak.
func TestReadmeTour(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the program")
	}
	t.Run("Direct", func(t *testing.T) {
		t.Parallel()
		s := harness.Open(t, harness.OneDatabase)
		toured(t, s, s.Base)
	})
	t.Run("BehindAProxyThatCompresses", func(t *testing.T) {
		t.Parallel()
		s := harness.Open(t, harness.OneDatabase)
		proxied := *s
		proxied.PutBehindNginx(t)
		home := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(home, ".curlrc"), []byte("compressed\n"), 0o600))
		require.Contains(t, toured(t, s, proxied.Base, "CURL_HOME="+home), "\nETag: W/", "the proxy must compress, or the test shows nothing")
	})
}

// toured pastes the tour, and looks at all that it says.
func toured(t *testing.T, s *harness.Site, base string, settings ...string) string {
	t.Helper()
	lines := tour(t)
	require.Contains(t, lines, "API=http://localhost:8080\n")
	lines = strings.Replace(lines, "http://localhost:8080", base, 1) + "\necho \"ETag: $SEEN\"\n"

	said, complained := pastes(t, s, lines, settings...)

	require.Empty(t, complained)
	require.True(t, strings.HasPrefix(said, blockAfter(t, "\n```\n\n```\n")+"\n"), said)
	require.Contains(t, said, ": 0 found, 0 left\n")
	return said
}

func tour(t *testing.T) string { return blockAfter(t, tourMark+"```bash\n") + "\n" }

// blockAfter returns the text of the block of README.md that begins with mark.
func blockAfter(t *testing.T, mark string) string {
	t.Helper()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), mark)
	require.True(t, found, mark)
	block, _, found := strings.Cut(rest, "\n```\n")
	require.True(t, found)
	return block
}

// pastes gives lines to a bash of the folder and the settings that the program has.
func pastes(t *testing.T, s *harness.Site, lines string, settings ...string) (said, complained string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	bash := exec.CommandContext(t.Context(), "bash", "--norc", "-s")
	bash.Stdin, bash.Stdout, bash.Stderr = strings.NewReader(lines), &stdout, &stderr
	bash.Env = append(append(os.Environ(), settings...), "HTTP_ADDR="+strings.TrimPrefix(s.Base, "http://"),
		"DATABASE_URL="+s.Settings.DatabaseURL, "AUTH_SECRET="+s.Settings.AuthSecret, "ADMIN_SECRET="+s.Settings.AdminSecret,
		"AUTH_AUDIENCE="+s.Settings.AuthAudience, "PAYMENT_PROVIDER="+s.Settings.PaymentProvider)
	require.NoError(t, bash.Run(), "%s%s", &stdout, &stderr)
	return stdout.String(), stderr.String()
}

// The files that the README names are there; its links are looked at with all others.
func TestReadmeFiles(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	require.NoError(t, err)
	names := regexp.MustCompile("`([a-z_/]+/[a-z_]+\\.go)`").FindAllStringSubmatch(string(text), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.FileExists(t, name[1])
	}
}
