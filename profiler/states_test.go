package profiler

import (
	"math"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// clockwork is a thread that spends its time as told.
type clockwork struct{ now, step sample.ThreadTimes }

func (c *clockwork) Times(tid uint32) (sample.ThreadTimes, bool) {
	c.now.Born = 1
	c.now.Running += c.step.Running
	c.now.Preempted += c.step.Preempted
	c.now.Sleeping += c.step.Sleeping
	c.now.Stopped += c.step.Stopped
	return c.now, tid == 7
}

func TestThreadStatesAddUp(t *testing.T) {
	s := newThreadStates(&clockwork{step: sample.ThreadTimes{Running: 600, Preempted: 200, Stopped: 100, Sleeping: 100}}, nil)
	if st, _, ok := s.State(8); ok {
		t.Errorf("unknown thread: %s", st)
	}
	if st, _, ok := s.State(7); ok {
		t.Errorf("first question: %s", st)
	}
	const n = 20000
	got := make(map[sample.State]float64)
	for range n {
		st, _, ok := s.State(7)
		if !ok {
			t.Fatal("a known thread without a state")
		}
		got[st] += 1.0 / n
	}
	for st, want := range map[sample.State]float64{sample.Running: 0.6, sample.Preempted: 0.2, sample.Stopped: 0.1, sample.Syscall: 0.1} {
		if math.Abs(got[st]-want) > 4*math.Sqrt(want*(1-want)/n) {
			t.Errorf("%s: %.3f of the time, want %.3f", st, got[st], want)
		}
	}
}

func TestThreadStatesWithoutTime(t *testing.T) {
	s := newThreadStates(&clockwork{}, nil)
	s.State(7)
	if st, _, ok := s.State(7); ok {
		t.Errorf("no time has passed, and yet: %s", st)
	}
}

// A thread's id may be another one's now, whose times have nothing to do with those of the one before.
func TestThreadStatesOfAnIDUsedAgain(t *testing.T) {
	c := &clockwork{now: sample.ThreadTimes{Preempted: 1e9}, step: sample.ThreadTimes{Running: 1000}}
	s := newThreadStates(threadsAt{c, func() int64 { return 1 + c.now.Running/2500 }}, nil)
	for i := range 100 {
		if st, _, ok := s.State(7); ok && st != sample.Running {
			t.Fatalf("question %d: %s", i, st)
		}
		c.now.Preempted -= 1e6
	}
}

// threadsAt is a clockwork whose thread's birth changes.
type threadsAt struct {
	*clockwork
	born func() int64
}

func (a threadsAt) Times(tid uint32) (sample.ThreadTimes, bool) {
	t, ok := a.clockwork.Times(tid)
	t.Born = a.born()
	return t, ok
}

// A goroutine that has its thread only since a moment ago does what the thread does now, whatever
// the thread did before; and who lost its CPU to the one who asks has it.
func TestThreadStatesAt(t *testing.T) {
	c := &clockwork{step: sample.ThreadTimes{Sleeping: 1000}}
	s := newThreadStates(c, nil)
	const at = int64(time.Second)
	for _, tt := range []struct {
		now   sample.State
		since time.Duration // before that
		want  sample.State
	}{
		{sample.Running, time.Microsecond, sample.Running},
		{sample.Preempted, 10 * time.Microsecond, sample.Running},
		{sample.Preempted, -10 * time.Microsecond, sample.Running},
		{sample.Preempted, time.Millisecond, sample.Preempted},
		{sample.Preempted, -time.Millisecond, sample.Preempted}, // the one who asks was held up
		{sample.Throttled, time.Millisecond, sample.Throttled},
		{sample.Syscall, time.Microsecond, sample.Syscall},
		{sample.Stopped, time.Microsecond, sample.Stopped},
	} {
		c.now.Now, c.now.Since = tt.now, at-tt.since.Nanoseconds()
		if st, _, ok := s.At(7, at); !ok || st != tt.want {
			t.Errorf("%s since %v: %s, %v; want %s", tt.now, tt.since, st, ok, tt.want)
		}
	}
	c.now.Now = sample.Unknown
	if st, _, ok := s.At(7, at); ok {
		t.Errorf("a thread of which nothing is known: %s", st)
	}
}
