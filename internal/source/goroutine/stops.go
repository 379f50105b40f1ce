package goroutine

import (
	"encoding/binary"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
)

// readHistogram reads one of the runtime's histograms, at an offset in runtime.sched.
func (m *memory) readHistogram(off int32) histogram {
	at := m.l.TimeHist.Counts
	if off < 0 || at == goruntime.None || m.l.TimeHist.Size < at+8*histCounts {
		return nil
	}
	b := make([]byte, 8*histCounts)
	if n, _ := m.ReadAt(b, int64(m.v.Sched)+int64(off)+int64(at)); n < len(b) {
		return nil
	}
	h := make(histogram, histCounts)
	for i := range h {
		h[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return h
}

// readStops reads what the runtime has counted so far.
func (m *memory) readStops() stops {
	return stops{m.readHistogram(m.l.Sched.STWTotalTimeGC), m.readHistogram(m.l.Sched.STWTotalTimeOther)}
}
