package perf

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/proc"
)

// Who cannot load eBPF has a reader a CPU beside all others that need a P.
func TestProcs(t *testing.T) {
	for _, tt := range []struct {
		rights proc.Rights
		want   int
	}{
		{proc.Rights{}, 8},
		{proc.Rights{CapBPF: true}, 8},
		{proc.Rights{CapBPF: true, CapPerfmon: true}, 4},
		{proc.Rights{CapSysAdmin: true}, 4},
	} {
		if got := Procs(tt.rights, 4); got != tt.want {
			t.Errorf("%+v: %d, want %d", tt.rights, got, tt.want)
		}
	}
}
