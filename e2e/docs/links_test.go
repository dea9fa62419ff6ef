package docs

import (
	"cmp"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	fence       = regexp.MustCompile("(?ms)^[ \t]*```.*?^[ \t]*```[ \t]*$")
	codeSpan    = regexp.MustCompile("`[^`\n]*`")
	aLink       = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	aHeading    = regexp.MustCompile(`(?m)^#{1,6} +(.*?) *$`)
	inNoAnchor  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	linkInTitle = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// pagesOf are all pages of Markdown in the module, but for those of others.
func pagesOf(t *testing.T) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := e.Name(); e.IsDir() && path != "." && (strings.HasPrefix(name, ".") || name == "node_modules" || path == "data" || name == "testdata") {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".md") {
			all = append(all, path)
		}
		return nil
	}))
	require.Greater(t, len(all), 20, "the test looks at the wrong place")
	return all
}

// anchors are what the headings of a page are linked by, as GitHub makes them.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, h := range aHeading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		title := linkInTitle.ReplaceAllString(h[1], "$1")
		all[strings.ReplaceAll(inNoAnchor.ReplaceAllString(strings.ToLower(title), ""), " ", "-")] = true
	}
	return all
}

// broken says of each link of a page that leads nowhere why. Links to elsewhere are not followed.
func broken(page, text string) (wrong []string) {
	for _, m := range aLink.FindAllStringSubmatch(codeSpan.ReplaceAllString(fence.ReplaceAllString(text, ""), ""), -1) {
		to, err := url.Parse(m[1])
		if err != nil {
			wrong = append(wrong, page+": "+err.Error())
			continue
		}
		if to.Scheme != "" {
			continue
		}
		there := text
		if to.Path != "" {
			target := filepath.Join(filepath.Dir(page), to.Path)
			found, err := os.Stat(target)
			if err != nil {
				wrong = append(wrong, page+": there is no "+m[1])
				continue
			}
			if to.Fragment == "" || found.IsDir() {
				continue
			}
			other, err := os.ReadFile(target)
			if err != nil {
				wrong = append(wrong, page+": "+err.Error())
				continue
			}
			there = string(other)
		}
		if !anchors(there)[to.Fragment] {
			wrong = append(wrong, page+": there is no such heading: "+m[1])
		}
	}
	return wrong
}

// Every link of every page leads somewhere.
func TestLinks(t *testing.T) {
	t.Parallel()
	links := 0
	for _, page := range pagesOf(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		links += len(aLink.FindAllString(string(text), -1))
		require.Empty(t, broken(page, string(text)))
	}
	require.Greater(t, links, 100)

	t.Run("LeadingNowhereAreFound", func(t *testing.T) {
		t.Parallel()
		for _, text := range []string{"[a](nowhere.md)", "[a](http.md#nowhere)", "[a](#nowhere)", "![a](pictures/nowhere.png)", "# `a` b\n[a](#a)"} {
			require.Len(t, broken("docs/any.md", text), 1, text)
		}
		for _, text := range []string{
			"[a](http.md)", "[a](http.md#a-checkout)", "# `A.b` c!\n[a](#ab-c)", "[a](https://example.com/nowhere)", "```\n[a](nowhere.md)\n```", "`[a](nowhere.md)`",
		} {
			require.Empty(t, broken("docs/any.md", text), text)
		}
	})
}

// Every test that a page asks to be run is there.
func TestPagesNameTestsThatAreThere(t *testing.T) {
	t.Parallel()
	command := regexp.MustCompile(`go test (?:(\./\S+) )?-run '([^']+)'`)
	found := 0
	for _, page := range pagesOf(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, c := range command.FindAllStringSubmatch(string(text), -1) {
			if c[2] == "^$" { // benchmarks alone
				continue
			}
			found++
			pattern, code := regexp.MustCompile(c[2]), ""
			for _, file := range testFiles(t, cmp.Or(c[1], ".")) {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				code += string(text)
			}
			named := false
			for _, name := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(code, -1) {
				named = named || pattern.MatchString(name[1])
			}
			require.True(t, named, "%s: %s", page, c[0])
		}
	}
	require.Greater(t, found, 15)
}

// Every test that a page of ours speaks of is there.
func TestPagesSpeakOfTestsThatAreThere(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	require.NoError(t, filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		code.Write(text)
		return err
	}))
	found := 0
	for _, page := range pagesOf(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile("`(Test[A-Z]\\w+)`").FindAllStringSubmatch(string(text), -1) {
			found++
			require.Contains(t, code.String(), "\nfunc "+m[1]+"(", page)
		}
	}
	require.Greater(t, found, 40)
}
