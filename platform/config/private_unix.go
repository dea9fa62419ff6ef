//go:build !windows

package config

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkPrivate refuses a file or a directory of another user, and one whose mode gives others one of the forbidden permissions. It
// accepts one that it cannot look at: whoever uses it reports that.
func checkPrivate(setting, path string, forbidden fs.FileMode, remedy string) error {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	if owner := int(info.Sys().(*syscall.Stat_t).Uid); owner != 0 && owner != os.Geteuid() {
		return fmt.Errorf("%s: %s belongs to the user with id %d, who can read and change it: run as that user, or chown %d %s",
			setting, path, owner, os.Geteuid(), path)
	}
	if info.Mode().Perm()&forbidden != 0 {
		return fmt.Errorf("%s: other users of this machine can read or change %s (mode %04o): %s %s",
			setting, path, info.Mode().Perm(), remedy, path)
	}
	return nil
}
