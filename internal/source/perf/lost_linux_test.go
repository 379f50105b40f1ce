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
		s := &taker{batch: new(batch), reader: newReader(m, l, newMemo(), func() int64 { return 100 * fresh })}
		sm := s.observe(&event{tid: 7, hasRegs: true, user: []uint64{1}, regs: regs{g: theG, sp: 0x1800}})
		if s.batch.late != 1 || sm.LabelsLost != (at != goruntime.None) {
			t.Errorf("labels at %d: lost %v, %d late", at, sm.LabelsLost, s.batch.late)
		}
	}
}

// So has one on a system stack whose thread has left its goroutine when it is read, as far as its stack has one.
func TestLabelsLostOnSystemStack(t *testing.T) {
	m, l := newSpace()
	m.words[theM] = 0 // curg
	s := &taker{batch: new(batch), reader: newReader(m, l, newMemo(), func() int64 { return 0 })}
	sm := s.observe(&event{tid: 7, hasRegs: true, user: []uint64{1}, regs: regs{g: theG0, sp: 0x5800}})
	if s.batch.noG != 1 || sm.Goid != 0 || !sm.LabelsLost {
		t.Errorf("%d without a goroutine, %+v", s.batch.noG, sm)
	}
}
