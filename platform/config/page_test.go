package config

import (
	"os"
	"reflect"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The page of the settings must list every setting with its default.
func TestPageListsEverySetting(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/reference/settings.md")
	require.NoError(t, err)
	listed := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([A-Z_]+)` \\| (?:`([^`]*)` )?\\|").FindAllStringSubmatch(string(text), -1) {
		listed[m[1]] = m[2]
	}
	settings := map[string]string{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		settings[field.Tag.Get("env")] = field.Tag.Get("envDefault")
	}
	require.Equal(t, settings, listed)
}
