//go:build amd64 || arm64

package bpf

import (
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// The sums of a thread's states are the time that passed, and what they call running is what the
// kernel's own clock of the process counted.
func TestSchedTimes(t *testing.T) {
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	p, err := proc.Open(x.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s, err := OpenSched(p)
	target.Need(t, err)
	defer s.Close()
	time.Sleep(200 * time.Millisecond)
	before, start, cpu := times(t, p, s), monotonic(), clock(t, p)
	time.Sleep(time.Second)
	after, end, used := times(t, p, s), monotonic(), clock(t, p)-cpu
	var running int64
	for tid, a := range after {
		b, ok := before[tid]
		if !ok {
			continue
		}
		sum := a.Running - b.Running + a.Preempted - b.Preempted + a.Throttled - b.Throttled + a.Sleeping - b.Sleeping
		if off := sum - (end - start); off < -200e6 || off > 200e6 { // the reader may be put off between two readings
			t.Errorf("thread %d: states add up to %d ns of %d", tid, sum, end-start)
		}
		running += a.Running - b.Running
	}
	if off := float64(running)/float64(used) - 1; off < -0.25 || off > 0.25 {
		t.Errorf("%d ns on a CPU, the process's clock says %d", running, used)
	}
	if _, ok := s.Times(1 << 30); ok {
		t.Error("a thread that does not exist has times")
	}
}

func times(t *testing.T, p *proc.Process, s *Sched) map[int]sample.ThreadTimes {
	t.Helper()
	tids, err := p.Threads(nil)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[int]sample.ThreadTimes)
	for _, tid := range tids {
		if x, ok := s.Times(uint32(tid)); ok {
			all[tid] = x
		}
	}
	if len(all) < 2 {
		t.Fatalf("times of %d threads", len(all))
	}
	return all
}

func clock(t *testing.T, p *proc.Process) int64 {
	t.Helper()
	d, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	return d.Nanoseconds()
}

func BenchmarkSchedTimes(b *testing.B) {
	x := target.Start(b, target.Compile(b, "spin", target.Build{}))
	p, err := proc.Open(x.PID)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	s, err := OpenSched(p)
	target.Need(b, err)
	defer s.Close()
	time.Sleep(100 * time.Millisecond)
	tids, err := p.Threads(nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Times(uint32(tids[0]))
	}
}
