//go:build amd64 || arm64

package bpf

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// The sums of a thread's states are the time that passed, and what they call running is what the
// kernel's own clock of the process counted.
func TestSchedTimes(t *testing.T) {
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	p, s := openSched(t, x.PID)
	time.Sleep(200 * time.Millisecond)
	before, start, cpu := times(t, p, s), proc.Monotonic(), clock(t, p)
	time.Sleep(time.Second)
	after, end, used := times(t, p, s), proc.Monotonic(), clock(t, p)-cpu
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

// However many threads end, the time that threads have CPUs is what the process's clock says, and a new
// thread is seen.
func TestSchedThreadsEnd(t *testing.T) {
	target.NeedCPU(t)
	for _, b := range []target.Build{{}, {CGO: true}} {
		t.Run(b.String(), func(t *testing.T) {
			ctl := filepath.Join(t.TempDir(), "ctl")
			const ends = 10000
			x := target.Start(t, target.Compile(t, "mortal", b), "-threads", strconv.Itoa(ends), "-work", "10us", "-ctl", ctl)
			p, s := openSched(t, x.PID)
			time.Sleep(100 * time.Millisecond) // until the threads that there were have been switched
			held, cpu := sum(s.ExecTimes(nil)), clock(t, p)
			begin(t, ctl)
			tid := uint32(0)
			for end := time.Now().Add(time.Minute); tid == 0 && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				tid = uint32(word(t, ctl, 1))
			}
			time.Sleep(300 * time.Millisecond)
			got, used := sum(s.ExecTimes(nil))-held, clock(t, p)-cpu
			if n := word(t, ctl, 0); n != ends {
				t.Fatalf("%d threads ended", n)
			}
			if off := float64(got)/float64(used) - 1; off < -0.25 || off > 0.25 { // what hypervisors steal is in got
				t.Errorf("threads had CPUs for %v, the process's clock says %v", time.Duration(got), time.Duration(used))
			}
			if at, ok := s.Times(tid); !ok || at.Running == 0 {
				t.Errorf("thread %d, which came last, has times %+v, %v", tid, at, ok)
			}
			if n := s.Slotless(); n > 0 {
				t.Errorf("no room for %d threads", n)
			}
		})
	}
}

// All entries are looked through when one was given to a thread since, and only then.
func TestSchedEntries(t *testing.T) {
	pid, _ := start(t, "sh", "-c", "while :; do sleep 0.01; done")
	_, s := openSched(t, pid)
	var n int
	for end := time.Now().Add(time.Minute); n == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
		n = len(s.ExecTimes(nil))
	}
	if n == 0 {
		t.Fatal("no thread has an entry")
	}
	s.had = s.had[:0]
	if got := s.ExecTimes(nil); len(got) != 0 {
		t.Errorf("%d entries were found anew, and none was given away", len(got))
	}
	s.begun--
	if got := s.ExecTimes(nil); len(got) < n {
		t.Errorf("%d entries, and one was given away since there were %d", len(got), n)
	}
}

// What the programs say of their own time is what the kernel counts when it is told to.
func TestSchedCost(t *testing.T) {
	target.NeedCPU(t)
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	target.Need(t, err)
	defer stats.Close()
	x := target.Start(t, target.Compile(t, "threads", target.Build{}), "-every", "5ms,20ms")
	_, s := openSched(t, x.PID)
	time.Sleep(time.Second)
	var counted time.Duration
	for _, prog := range []*ebpf.Program{s.objects.OnSwitch, s.objects.OnWakeup, s.objects.OnWakeupNew} {
		st, err := prog.Stats()
		if err != nil {
			t.Fatal(err)
		}
		counted += st.Runtime
	}
	if got := s.Cost(); got < counted/4 || got > 2*counted {
		t.Errorf("the programs took %v by themselves, %v by the kernel", got, counted)
	} else {
		t.Logf("the programs took %v by themselves, %v by the kernel", got, counted)
	}
}

// openSched is the scheduler's view of a target.
func openSched(t testing.TB, pid int) (*proc.Process, *Sched) {
	t.Helper()
	p, err := proc.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	s, err := OpenSched(p, nil)
	target.Need(t, err)
	t.Cleanup(func() { s.Close() })
	return p, s
}

func sum(all []ExecTime) (ns int64) {
	for _, h := range all {
		ns += h.NS
	}
	return ns
}

// begin sets word 2 of a target's page.
func begin(t *testing.T, ctl string) {
	t.Helper()
	f, err := os.OpenFile(ctl, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{1}, 16); err != nil {
		t.Fatal(err)
	}
}

// word reads a word of a target's page.
func word(t *testing.T, ctl string, i int) uint64 {
	t.Helper()
	b, err := os.ReadFile(ctl)
	if err != nil || len(b) < 8*i+8 {
		t.Fatalf("%d bytes of %s: %v", len(b), ctl, err)
	}
	return binary.LittleEndian.Uint64(b[8*i:])
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
	p, s := openSched(b, x.PID)
	time.Sleep(100 * time.Millisecond)
	tids, err := p.Threads(nil)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Times(uint32(tids[0]))
	}
}

func BenchmarkSchedHeld(b *testing.B) {
	x := target.Start(b, target.Compile(b, "threads", target.Build{}))
	_, s := openSched(b, x.PID)
	time.Sleep(500 * time.Millisecond)
	var held []ExecTime
	for b.Loop() {
		held = s.ExecTimes(held[:0])
	}
	b.ReportMetric(float64(len(held)), "threads")
}
