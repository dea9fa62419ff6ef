package app

import (
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBuild(t *testing.T) {
	t.Parallel()
	vcs := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: "e3711fb"}, {Key: "vcs.time", Value: "2026-11-29T19:45:58Z"}, {Key: "vcs.modified", Value: modified}}
	}
	for id, info := range map[string]debug.BuildInfo{
		"(devel)":       {},
		"v1.2.3":        {Main: debug.Module{Version: "v1.2.3"}},
		"e3711fb":       {Main: debug.Module{Version: "v1.2.3"}, Settings: vcs("false")},
		"e3711fb+dirty": {Settings: vcs("true")},
	} {
		require.Equal(t, id, buildOf(&info).ID())
	}
	b := buildOf(&debug.BuildInfo{Settings: vcs("true")})
	require.Equal(t, "2026-11-29T19:45:58Z", b.Time)
	require.True(t, b.Modified)
	require.NotEmpty(t, ThisBuild().Go)
}
