package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	gateCommand = regexp.MustCompile("`(?:[A-Z_]+=\\S+ )?go test ([^`]*)`")
	gatePackage = regexp.MustCompile(`(?:^| )(\.\S*)`)
	gateTest    = regexp.MustCompile(`-run '(\w+)\$'`)
	gateFlag    = regexp.MustCompile(` -([a-z-]+)`)
	ofGoTest    = regexp.MustCompile(`^(run|v|race|short|timeout|rapid)$`)
)

// TestGatesPage: the tests and flags that the page of the gates names are there, so that nobody runs nothing and takes it
// for a pass.
func TestGatesPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/gates.md")
	require.NoError(t, err)
	commands := gateCommand.FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(commands), 6, "the test looks at the wrong place")
	for _, command := range commands {
		place := gatePackage.FindStringSubmatchIndex(command[1])
		require.NotNil(t, place, command[0])
		pkg := command[1][place[2]:place[3]]
		var code strings.Builder
		for _, file := range testFiles(t, pkg) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			code.Write(text)
		}
		if test := gateTest.FindStringSubmatch(command[1]); test != nil {
			require.Contains(t, code.String(), "\nfunc "+test[1]+"(t *testing.T) {", command[0])
		}
		for _, flag := range gateFlag.FindAllStringSubmatch(" "+command[1], -1) {
			if ofGoTest.MatchString(flag[1]) {
				continue
			}
			require.Regexp(t, `flag\.\w+\("`+flag[1]+`"`, code.String(), command[0])
			if pkg != "." { // behind such a flag go test takes it for an argument, and tests the package where it stands
				require.Less(t, place[0], strings.Index(command[1], " -"+flag[1]), command[0])
			}
		}
	}
}

func testFiles(t *testing.T, pkg string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(strings.TrimSuffix(pkg, "/..."), "*_test.go"))
	require.NoError(t, err)
	return files
}
