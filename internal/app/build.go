package app

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// revision is set with -ldflags -X where the build sees no repository, as in the Dockerfile.
var revision string

// Build identifies a program.
type Build struct {
	Version  string `json:"version"`  // of the module, or "(devel)"
	Revision string `json:"revision"` // the commit; empty when it is not known
	Time     string `json:"time"`     // of the commit, RFC 3339; empty when it is not known
	Modified bool   `json:"modified"` // there were changes without a commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// ThisBuild returns the build of the running program.
func ThisBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(info)
}

func buildOf(info *debug.BuildInfo) Build {
	b := Build{
		Version: cmp.Or(info.Main.Version, "(devel)"), Revision: revision,
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}

// ID returns the revision, or the version when no revision is known. "+dirty" marks changes without a commit.
func (b Build) ID() string {
	if b.Revision != "" && b.Modified {
		return b.Revision + "+dirty"
	}
	return cmp.Or(b.Revision, b.Version)
}
