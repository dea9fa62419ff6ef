package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"shopping-cart/docs"
	"shopping-cart/e2e/harness"
)

// TestTypeScriptClient takes the tour with the client that openapi-typescript makes of the API document.
func TestTypeScriptClient(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a compiler and a program in another language")
	}
	tools := nodeTools(t)
	s := harness.Open(t, harness.OneDatabase)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(tools, filepath.Join(dir, "node_modules")))
	tour, err := os.ReadFile("docs/clients/typescript/tour.ts")
	require.NoError(t, err)
	for name, text := range map[string][]byte{"tour.ts": tour, "openapi.json": docs.OpenAPI, "package.json": []byte(`{"type": "module"}`)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	node := func(arguments ...string) string {
		cmd := exec.CommandContext(t.Context(), "node", arguments...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%q: %s", arguments[0], out)
		return string(out)
	}
	node("node_modules/openapi-typescript/bin/cli.js", "openapi.json", "-o", "api.d.ts")
	node("node_modules/typescript/bin/tsc", "--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "nodenext",
		"--lib", "es2023,dom,dom.iterable,dom.asynciterable", "tour.ts")
	require.Equal(t, "toured\n", node("tour.js", s.Base, s.Admin))
}

// nodeTools is the folder that "npm ci" made of .ci/api/package.json.
func nodeTools(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no Node.js here")
	}
	in := os.Getenv("API_TOOLS")
	if in == "" {
		in = ".ci/api"
	}
	tools, err := filepath.Abs(filepath.Join(in, "node_modules"))
	require.NoError(t, err)
	if _, err := os.Stat(tools); err != nil && os.Getenv("API_TOOLS") == "" {
		t.Skip("first: npm ci --prefix .ci/api")
	}
	return tools
}
