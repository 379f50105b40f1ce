package proc

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// limited is a control group with a limit of 100 bytes of which 90 are used, 40 of them by cached files.
func limited(t testing.TB, limit string) MemoryLimits {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"memory.max": limit, "memory.current": "90\n", "memory.stat": "anon 50\ninactive_file 40\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := openLimits([]string{filepath.Join(dir, "none"), dir})
	t.Cleanup(l.Close)
	return l
}

func TestMemoryLimits(t *testing.T) {
	l := limited(t, "100\n")
	for _, tt := range []struct{ enough, want int64 }{{5, 10}, {20, 50}} {
		if got := l.Left(tt.enough); got != tt.want {
			t.Errorf("%d are left where %d are enough, want %d", got, tt.enough, tt.want)
		}
	}
	if l := limited(t, "max\n"); len(l) != 0 {
		t.Errorf("no limit is %v", l)
	}
}

// A process in another container has none of the limits that are mounted in ours.
func TestGroupFolders(t *testing.T) {
	for text, want := range map[string][]string{
		"0::/a/b\n":                             {"/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"},
		"4:cpu,cpuacct:/a\n2:memory:/\n0::/\n":  {"/sys/fs/cgroup/cpu/a", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup"},
		"0::/../cri-containerd-0f.scope\n":      nil,
		"0::/../../kubepods-podx.slice/0f\n":    nil,
		"3:cpu:/../0f\n0::/..\nno group at all": nil,
	} {
		if got := groupFolders([]byte(text), "cpu"); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func BenchmarkMemoryLimits(b *testing.B) {
	l := limited(b, "100\n")
	for b.Loop() {
		l.Left(5)
	}
}
