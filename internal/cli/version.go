package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"shopping-cart/internal/app"
)

// Version prints the build of this program.
type Version struct {
	JSON bool `name:"json" help:"Print JSON: version, revision, time, modified, go and platform."`
}

func (v *Version) Run(out io.Writer) error {
	build := app.ThisBuild()
	if v.JSON {
		return json.NewEncoder(out).Encode(build)
	}
	_, err := fmt.Fprintf(out, "shopping-cart %s\n", build.Version)
	if err == nil && build.Revision != "" {
		_, err = fmt.Fprintf(out, "revision      %s %s\n", build.ID(), build.Time)
	}
	if err == nil {
		_, err = fmt.Fprintf(out, "built with    %s for %s\n", build.Go, build.Platform)
	}
	return err
}

func (*Version) Help() string {
	return `Examples:

  shopping-cart version                                      the version, the commit and Go's version
  shopping-cart version --json | jq -r .revision
  curl -s http://localhost:8080/healthz                      the build of a running server

Exit status: 0 printed.`
}
