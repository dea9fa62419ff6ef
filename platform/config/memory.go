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

// The part of a container's memory that the Go heap may grow to before the garbage collector works harder. An embedded
// PostgreSQL shares the container.
const (
	percentAlone    = 90
	percentEmbedded = 60
)

// SetMemoryLimit sets the runtime's memory limit from the limit of the control group, and returns it in bytes. It does nothing
// and returns 0 where GOMEMLIMIT is set, or where there is no limit.
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

// cgroupLimit is the smallest memory limit of the control groups that this process is in; math.MaxInt64 without one.
// /proc/self/cgroup has a line "0::/path" for version 2, and "4:memory:/path" for version 1.
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

// smallest is the least limit of a group and of those that it lies in. A container sees its own group at the mount's root,
// and may not see the path that the file names.
func smallest(root fs.FS, mount, group, file string) int64 {
	limit := int64(math.MaxInt64)
	for at := path.Clean("/" + group); ; at = path.Dir(at) {
		limit = min(limit, readLimit(root, path.Join(mount, at, file)))
		if at == "/" {
			return limit
		}
	}
}

// readLimit is the limit in a file; math.MaxInt64 for "max", for the number near 2⁶³ by which version 1 says so, and where
// there is no such file.
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
