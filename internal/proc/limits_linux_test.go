package proc

import (
	"os"
	"path/filepath"
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

func BenchmarkMemoryLimits(b *testing.B) {
	l := limited(b, "100\n")
	for b.Loop() {
		l.Left(5)
	}
}
