package docs

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// TestComposeIsHardened checks every service of compose.yaml: pinned, without privileges, and without a choice that nobody made.
func TestComposeIsHardened(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("compose.yaml")
	require.NoError(t, err)
	var file struct {
		Services map[string]struct {
			Image       string
			Build       struct{ Target string }
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
			SecurityOpt []string `yaml:"security_opt"`
			Environment map[string]string
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	require.Len(t, file.Services, 2)
	for name, s := range file.Services {
		require.True(t, s.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Equal(t, []string{"no-new-privileges:true"}, s.SecurityOpt, name)
		require.True(t, s.Build.Target == "external" || regexp.MustCompile(`:[0-9.]+-\w+@sha256:[0-9a-f]{64}$`).MatchString(s.Image), name)
	}
	for _, demanded := range []string{"PAYMENT_PROVIDER", "AUTH_SECRET", "DATABASE_URL"} {
		require.Regexp(t, `\$\{\w+:\?`, file.Services["app"].Environment[demanded])
	}
	require.NotContains(t, file.Services["postgres"].Environment, "POSTGRES_USER", "the program's role is no superuser")
}

// TestImagesArePinned checks the base images of the Dockerfile.
func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	images := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(string(text), -1)
	require.Len(t, images, 3)
	for _, image := range images {
		require.Regexp(t, `^(scratch|golang:\d+\.\d+\.\d+-\w+|[^@]+@sha256:[0-9a-f]{64})$`, image[1])
	}
	toolchain := regexp.MustCompile(`(?m)^toolchain go(\S+)$`)
	module, err := os.ReadFile("go.mod")
	require.NoError(t, err)
	require.Contains(t, string(text), "FROM golang:"+toolchain.FindStringSubmatch(string(module))[1]+"-", "the release's toolchain")
}
