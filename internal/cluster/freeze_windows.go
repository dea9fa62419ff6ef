package cluster

import (
	"errors"
	"os"
)

// Windows cannot freeze a process. No replica starts there, because the embedded database does not run on Windows.
func freeze(*os.Process) error { return errors.ErrUnsupported }

func thaw(*os.Process) {}
