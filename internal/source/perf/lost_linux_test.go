//go:build amd64 || arm64

package perf

import (
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// A sample of a goroutine that was read too late has lost its labels, unless the program cannot set any.
func TestLabelsLost(t *testing.T) {
	for _, at := range []int32{16, goruntime.None} {
		m, l := newSpace()
		l.G.Labels = at
		s := &OnCPU{batch: new(batch), reader: newReader(m, l, func() int64 { return 100 * fresh })}
		sm := s.observe(&event{tid: 7, hasRegs: true, user: []uint64{1}, regs: regs{g: theG, sp: 0x1800}})
		if s.batch.late != 1 || sm.LabelsLost != (at != goruntime.None) {
			t.Errorf("labels at %d: lost %v, %d late", at, sm.LabelsLost, s.batch.late)
		}
	}
}
