package goroutine

import (
	"math"
	"math/rand/v2"
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
	s := NewThreads(&clockwork{step: sample.ThreadTimes{Running: 600, Preempted: 200, Stopped: 100, Sleeping: 100}}, nil)
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
	s := NewThreads(&clockwork{}, nil)
	s.State(7)
	if st, _, ok := s.State(7); ok {
		t.Errorf("no time has passed, and yet: %s", st)
	}
}

// A thread's id may be another one's now, whose times have nothing to do with those of the one before.
func TestThreadStatesOfAnIDUsedAgain(t *testing.T) {
	c := &clockwork{now: sample.ThreadTimes{Preempted: 1e9}, step: sample.ThreadTimes{Running: 1000}}
	s := NewThreads(threadsAt{c, func() int64 { return 1 + c.now.Running/2500 }}, nil)
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

// A goroutine that has its thread only since a moment ago does what the thread did in the middle of the scan, whatever
// the thread did before; and who lost its CPU to the one who asks, or gave it away since, had it.
func TestThreadStatesAt(t *testing.T) {
	c := &clockwork{step: sample.ThreadTimes{Sleeping: 1000, Preempted: 1000}}
	s := NewThreads(c, nil)
	const began = int64(time.Second)
	l := Scan{Began: began, From: began + 100e3, To: began + 200e3}
	for _, tt := range []struct {
		now        sample.State
		since      time.Duration // after the tick began
		want, call sample.State  // of who runs, and of who is in a system call
	}{
		{sample.Running, -time.Microsecond, sample.Running, sample.Running},
		{sample.Running, 190 * time.Microsecond, sample.Running, sample.Preempted},
		{sample.Preempted, -10 * time.Microsecond, sample.Running, sample.Running},
		{sample.Preempted, 10 * time.Microsecond, sample.Running, sample.Running},
		{sample.Preempted, -time.Millisecond, sample.Preempted, sample.Preempted},
		{sample.Preempted, 110 * time.Microsecond, sample.Preempted, sample.Preempted},
		{sample.Preempted, 190 * time.Microsecond, sample.Running, sample.Syscall},
		{sample.Throttled, -time.Millisecond, sample.Throttled, sample.Throttled},
		{sample.Syscall, -time.Microsecond, sample.Syscall, sample.Syscall},
		{sample.Syscall, 110 * time.Microsecond, sample.Running, sample.Running},
		{sample.Syscall, 250 * time.Microsecond, sample.Running, sample.Running},
		{sample.Stopped, -time.Microsecond, sample.Stopped, sample.Stopped},
	} {
		c.now.Now, c.now.Since = tt.now, began+tt.since.Nanoseconds()
		if st, _, ok := s.At(7, l); !ok || st != tt.want {
			t.Errorf("%s since %v: %s, %v; want %s", tt.now, tt.since, st, ok, tt.want)
		}
		in := l
		in.Call = true
		if st, _, ok := s.At(7, in); !ok || st != tt.call {
			t.Errorf("%s since %v: %s, %v; want %s in a system call", tt.now, tt.since, st, ok, tt.call)
		}
	}
	c.now.Now = sample.Unknown
	if st, _, ok := s.At(7, l); ok {
		t.Errorf("a thread of which nothing is known: %s", st)
	}
}

// What a thread slept in before it got the goroutine is not what the goroutine's system call is called.
func TestThreadStatesCall(t *testing.T) {
	c := &clockwork{step: sample.ThreadTimes{Sleeping: 1000}}
	s := NewThreads(c, nil)
	s.State(7)
	for _, tt := range []struct {
		now        sample.State
		call, want string
	}{
		{sample.Syscall, "nanosleep", "nanosleep"},
		{sample.Running, "nanosleep", "nanosleep"},
		{sample.Syscall, "futex", "futex"},
		{sample.Running, "futex", ""},
		{sample.Preempted, "futex", ""},
	} {
		c.now.Now, c.now.Call = tt.now, tt.call
		if st, call, ok := s.State(7); !ok || st != sample.Syscall || call != tt.want {
			t.Errorf("%s, after %s: %s in %q, %v; want %q", tt.now, tt.call, st, call, ok, tt.want)
		}
	}
}

// rounds is a thread that sleeps, waits for a CPU after it was woken, runs a goroutine and goes to sleep, over and over.
type rounds struct {
	now               int64
	sleep, want, runs int64
}

// phase is the state at a time and when it began.
func (r *rounds) phase(at int64) (sample.State, int64) {
	n := r.sleep + r.want + r.runs
	begin := at / n * n
	switch in := at - begin; {
	case in < r.sleep:
		return sample.Syscall, begin
	case in < r.sleep+r.want:
		return sample.Preempted, begin + r.sleep
	}
	return sample.Running, begin + r.sleep + r.want
}

func (r *rounds) Times(uint32) (sample.ThreadTimes, bool) {
	n := r.sleep + r.want + r.runs
	state, since := r.phase(r.now)
	t := sample.ThreadTimes{Born: 1, Now: state, Since: since, Running: r.now / n * r.runs, Preempted: r.now / n * r.want,
		Sleeping: r.now / n * r.sleep}
	in := r.now % n
	t.Sleeping += min(in, r.sleep)
	t.Preempted += min(max(in-r.sleep, 0), r.want)
	t.Running += max(in-r.sleep-r.want, 0)
	return t, true
}

// A goroutine that has a thread for short bursts ran when it was found on it: that the thread waited for a CPU after each
// wakeup was before it had the goroutine.
func TestThreadStatesOfBursts(t *testing.T) {
	r := &rounds{sleep: 1e6, want: 3e6, runs: 300e3}
	s := NewThreads(r, nil)
	scans := rand.New(rand.NewPCG(3, 4))
	found, running := 0, 0
	for at := int64(0); at < 200e9; at += 900e3 + scans.Int64N(200e3) {
		if state, _ := r.phase(at); state != sample.Running {
			continue // no goroutine is on it
		}
		r.now = at + 60e3 // the one who asks has read the goroutines meanwhile
		found++
		if st, _, ok := s.At(7, Scan{Began: at - 10e3, From: at - 10e3, To: at + 10e3}); ok && st == sample.Running {
			running++
		}
	}
	if found < 10000 || running < found*99/100 {
		t.Errorf("running %d of %d times", running, found)
	}
}
