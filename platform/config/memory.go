package config

import (
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// The percentage of a container's memory that the Go heap may use before the garbage collector works harder. An embedded
// PostgreSQL shares the container.
const (
	percentAlone    = 90
	percentEmbedded = 60
)

// SetMemoryLimit sets the runtime's memory limit from the control group's limit, and returns it in bytes. It does nothing and
// returns 0 when GOMEMLIMIT is set or no limit exists.
func SetMemoryLimit(embedded bool) int64 {
	if _, set := os.LookupEnv("GOMEMLIMIT"); set {
		return 0
	}
	limit := memoryLimit(os.DirFS("/"), embedded)
	if limit > 0 {
		debug.SetMemoryLimit(limit)
	}
	return limit
}

func memoryLimit(root fs.FS, embedded bool) int64 {
	percent := int64(percentAlone)
	if embedded {
		percent = percentEmbedded
	}
	limit := cgroupLimit(root)
	if limit == math.MaxInt64 {
		return 0
	}
	return limit/100*percent + limit%100*percent/100
}

// cgroupLimit returns the lowest memory limit of this process's control groups, or math.MaxInt64 without one. /proc/self/cgroup
// has a line "0::/path" for version 2, and "4:memory:/path" for version 1.
func cgroupLimit(root fs.FS) int64 {
	limit := int64(math.MaxInt64)
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return limit
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) != 3:
		case parts[0] == "0" && parts[1] == "":
			limit = min(limit, smallest(root, "sys/fs/cgroup", parts[2], "memory.max"))
		case strings.Contains(","+parts[1]+",", ",memory,"):
			limit = min(limit, smallest(root, "sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes"))
		}
	}
	return limit
}

// smallest returns the lowest limit of a group and its parents. A container sees its own group at the mount's root, and may not
// see the path in the file.
func smallest(root fs.FS, mount, group, file string) int64 {
	limit := int64(math.MaxInt64)
	for at := path.Clean("/" + group); ; at = path.Dir(at) {
		limit = min(limit, readLimit(root, path.Join(mount, at, file)))
		if at == "/" {
			return limit
		}
	}
}

// readLimit returns the limit in a file. It returns math.MaxInt64 for "max", for a number near 2⁶³ (version 1's "max"), and for a
// missing file.
func readLimit(root fs.FS, name string) int64 {
	const unlimited = 1 << 60
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return math.MaxInt64
	}
	limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || limit <= 0 || limit >= unlimited {
		return math.MaxInt64
	}
	return limit
}
