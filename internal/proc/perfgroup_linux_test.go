package proc

import (
	"slices"
	"testing"
)

func TestPerfFolders(t *testing.T) {
	for text, want := range map[string][]string{
		"0::/a/b\n":   {"/sys/fs/cgroup/a/b", "/sys/fs/cgroup/unified/a/b"},
		"0::/\n":      nil,
		"0::/../x\n":  nil,
		"0::/a/../\n": nil,
		"4:cpu:/c\n3:cpuset,perf_event:/d\n0::/a\n": {"/sys/fs/cgroup/cpuset,perf_event/d", "/sys/fs/cgroup/perf_event/d"},
		"0::/a\n3:perf_event:/\n":                   nil,
		"4:cpu:/c\n0::/a\n":                         {"/sys/fs/cgroup/a", "/sys/fs/cgroup/unified/a"},
		"no group at all":                           nil,
	} {
		if got := perfFolders(text); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
