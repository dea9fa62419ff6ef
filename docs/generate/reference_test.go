package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// pages are those of a copy of the sample, in which a text was replaced in a file.
func pages(t *testing.T, file, old, by string) (map[string]string, error) {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS(filepath.Join("testdata", "sample"))))
	if file != "" {
		text, err := os.ReadFile(filepath.Join(root, file))
		require.NoError(t, err)
		require.Contains(t, string(text), old)
		require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(strings.Replace(string(text), old, by, 1)), 0o600))
	}
	api, err := Document(root)
	require.NoError(t, err)
	files, err := reference(root, api)
	texts := map[string]string{}
	for name, text := range files {
		texts[filepath.Base(name)] = string(text)
	}
	return texts, err
}

func TestReference(t *testing.T) {
	t.Parallel()
	all, err := pages(t, "", "", "")
	require.NoError(t, err)
	for page, lines := range map[string][]string{
		"settings.md": {
			"## HTTP\n", "| `HTTP_ADDR` | `:8080` | text | Address to listen on. |\n", "| `WAIT` | `3s` | duration | How long, such as &lt;time>. |\n",
			"## Where\n", "| `A_URL` | | text | One of two. |\n| `B_URL` | | text | One of two. |\n",
		},
		"metrics.md": {
			"| `sample_commands_total` | counter | `store`, `outcome` | Commands. |\n", "| `sample_took_seconds` | histogram | `route` | How long. |\n",
			"| `sample_open` | gauge | | Open ones. |\n", "| `sample_pool_connections` | gauge | `pool`, `state` | Connections. |\n",
		},
		"events.md": {
			"### `cart.opened`\n\nA cart is there.\n\nVersions: [1](../../cart/testdata/events/cart.opened.v1.json), [2]",
			"| `cart_id` | id (UUID) | |\n", "| `total` | money `{amount, currency}` | |\n",
			"| `parts` | list of [Part](#cart-part) *?* | what is in it |\n", "| `status` | `open`, `merged` | |\n",
			"### `cart.added`\n\nA piece came.\n\nVersions: [1](../../cart/testdata/events/cart.added.v1.json)\n\n| Field | Type | |\n|---|---|---|\n| `name` | text | |\n",
			"### cart `Part`\n\nA piece.\n",
		},
		"errors.md": {
			"## 409 Conflict\n", "| `cart_closed` | This cart is &lt;closed>. | `POST /v1/carts/{id}/items` |\n",
			"## Of no operation\n", "| `cart_gone` | It is gone. |\n",
		},
	} {
		for _, line := range lines {
			require.Contains(t, all[page], line)
		}
		require.Contains(t, all[page], written)
	}
}

// Whoever adds something to the code changes the page.
func TestAPageIsWhatTheCodeSays(t *testing.T) {
	t.Parallel()
	before, err := pages(t, "", "", "")
	require.NoError(t, err)
	for _, c := range []struct{ page, file, old, by string }{
		{"events.md", "cart/events.go", "Name string `json:\"name\"`", "Name string `json:\"name\"`\n\tSize int64 `json:\"size\"`"},
		{"events.md", "cart/events.go", "a piece came.", "a piece came in."},
		{"metrics.md", "platform/telemetry/metrics.go", `"store", "outcome")`, `"store")`},
		{"settings.md", ".env.example", "# One of two.", "# Either."},
		{"errors.md", "cart/events.go", "is <closed>.", "was closed."},
		{"errors.md", "cart/http.go", `"cart_closed"`, `"cart_gone"`},
	} {
		after, err := pages(t, c.file, c.old, c.by)
		require.NoError(t, err)
		require.NotEqual(t, before[c.page], after[c.page], "%s instead of %s", c.by, c.old)
	}
}

func TestWhatNobodyExplainsIsAnError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ file, old, by, says string }{
		{"platform/config/config.go", "`env:\"A_URL\"`", "`env:\"A_URL\"`\n\tC string `env:\"C_URL\"`", "does not explain C_URL"},
		{"platform/config/config.go", `envDefault:"3s"`, `envDefault:"4s"`, "has WAIT=3s"},
		{".env.example", "#B_URL=", "#OTHER=", "has OTHER="},
		{"cart/events.go", "// added: a piece came.\n", "", "added says nothing"},
		{"cart/events.go", "{fieldsAdded}", "{fieldsAdded, fieldsAdded}", "cart.opened.v3.json"},
		{"platform/telemetry/metrics.go", `"Commands."`, `""`, "commands_total has no help"},
	} {
		_, err := pages(t, c.file, c.old, c.by)
		require.ErrorContains(t, err, c.says)
	}
}
