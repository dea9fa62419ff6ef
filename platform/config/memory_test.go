package config

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	const v1, v2, own = "sys/fs/cgroup/memory/", "sys/fs/cgroup/", "proc/self/cgroup"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"NoGroups":         {nil, 0},
		"Version2":         {map[string]string{own: "0::/\n", v2 + "memory.max": "536870912\n"}, 483183820},
		"Version2NoLimit":  {map[string]string{own: "0::/\n", v2 + "memory.max": "max\n"}, 0},
		"Version2Nested":   {map[string]string{own: "0::/a/b\n", v2 + "a/b/memory.max": "max\n", v2 + "a/memory.max": "1000\n"}, 900},
		"TheSmallestHolds": {map[string]string{own: "0::/a/b\n", v2 + "a/b/memory.max": "1000\n", v2 + "a/memory.max": "2000\n"}, 900},
		"OutsideTheMount":  {map[string]string{own: "0::/../../x\n", v2 + "memory.max": "1000\n"}, 900},
		"Version1": {map[string]string{own: "5:cpu,cpuacct:/x\n4:memory:/docker/1\n1:name=systemd:/x\n",
			v1 + "docker/1/memory.limit_in_bytes": "1000\n"}, 900},
		"Version1InAContainer": {map[string]string{own: "4:memory:/docker/1\n", v1 + "memory.limit_in_bytes": "1000\n"}, 900},
		"Version1NoLimit":      {map[string]string{own: "4:memory:/\n", v1 + "memory.limit_in_bytes": "9223372036854771712\n"}, 0},
		"Both":                 {map[string]string{own: "4:memory:/\n0::/\n", v1 + "memory.limit_in_bytes": "1000\n"}, 900},
		"Nonsense":             {map[string]string{own: "nonsense\n0::/\n", v2 + "memory.max": "much\n"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := fstest.MapFS{}
			for file, text := range c.files {
				root[file] = &fstest.MapFile{Data: []byte(text)}
			}
			require.Equal(t, c.want, memoryLimit(root, false))
		})
	}
}

func TestAnEmbeddedDatabaseSharesTheMemory(t *testing.T) {
	t.Parallel()
	root := fstest.MapFS{"proc/self/cgroup": {Data: []byte("0::/\n")}, "sys/fs/cgroup/memory.max": {Data: []byte("1000\n")}}
	require.EqualValues(t, 600, memoryLimit(root, true))
}

func TestGOMEMLIMITGoesFirst(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "1GiB")
	require.Zero(t, SetMemoryLimit(false))
}
