package groundtruth

import (
	"maps"
	"os"
	"runtime/trace"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/cost"
)

// A thread that runs, is preempted, runs, sleeps, is woken and waits, and runs again; the wakeup at 6
// found it on a CPU.
const ftrace = `# tracer: nop
#
# entries-in-buffer/entries-written: 7/7   #P:2
#
#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION
           <...>-9       [001] d..2.     1.000000: sched_switch: prev_comm=a b prev_pid=9 prev_prio=120 prev_state=R ==> next_comm=states next_pid=7 next_prio=120
          states-7       [001] d..2.     2.000000: sched_switch: prev_comm=states prev_pid=7 prev_prio=120 prev_state=R+ ==> next_comm=x next_pid=0 next_prio=120
          <idle>-0       [001] d..2.     4.000000: sched_switch: prev_comm=swapper/1 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=states next_pid=7 next_prio=120
          <idle>-0       [000] d..2.     6.000000: sched_wakeup: comm=states pid=7 prio=120 target_cpu=001
          states-7       [001] d..2.     7.000000: sched_switch: prev_comm=states prev_pid=7 prev_prio=120 prev_state=S ==> next_comm=y next_pid=0 next_prio=120
          <idle>-0       [000] dN.4.    11.000000: sched_wakeup: comm=states pid=7 prio=120 target_cpu=001
           <...>-9       [001] d..2.    16.000000: sched_switch: prev_comm=z prev_pid=9 prev_prio=120 prev_state=D ==> next_comm=states next_pid=7 next_prio=120
`

func TestReadThreads(t *testing.T) {
	threads, err := ReadThreads(strings.NewReader(ftrace))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		from, to int64
		want     States
	}{
		{0, 1, States{unknown: 1e9}},
		{1, 16, States{runs: 4e9, wants: 7e9, sleeps: 4e9}},
		{5, 8, States{runs: 2e9, sleeps: 1e9}},
		{20, 21, States{runs: 1e9}},
	} {
		got := make(States)
		threads.split(7, Window{tt.from * 1e9, tt.to * 1e9}, got)
		if !maps.Equal(got, tt.want) {
			t.Errorf("%d to %d s: %v, want %v", tt.from, tt.to, got, tt.want)
		}
	}
	if _, err := ReadThreads(strings.NewReader(strings.Replace(ftrace, "7/7", "7/8", 1))); err == nil {
		t.Error("an event was lost, and nobody says so")
	}
}

// A CPU whose switches from the idle task are missing: woken at 11, the thread had the CPU that was free since 7; taken off it
// at 12, it had another one from 13 on.
func TestLostSwitches(t *testing.T) {
	threads, err := ReadThreads(strings.NewReader(`
          states-7       [001] d..2.     7.000000: sched_switch: prev_comm=states prev_pid=7 prev_prio=120 prev_state=S ==> next_comm=swapper/1 next_pid=0 next_prio=120
          <idle>-0       [001] dN.4.    11.000000: sched_wakeup: comm=states pid=7 prio=120 target_cpu=001
          states-7       [001] d..2.    12.000000: sched_switch: prev_comm=states prev_pid=7 prev_prio=120 prev_state=R ==> next_comm=x next_pid=9 next_prio=120
          states-8       [000] d..2.    13.000000: sched_switch: prev_comm=states prev_pid=8 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120
          states-7       [000] d..2.    17.000000: sched_switch: prev_comm=states prev_pid=7 prev_prio=120 prev_state=S ==> next_comm=swapper/0 next_pid=0 next_prio=120
`))
	got := make(States)
	threads.split(7, Window{7e9, 18e9}, got)
	if want := (States{sleeps: 5e9, runs: 5e9, wants: 1e9}); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, want %v; %v", got, want, err)
	}
}

// Each goroutine's states add up to the window, wherever it was cut.
func TestJudge(t *testing.T) {
	r := &Goroutines{map[uint64][]interval{1: {
		{from: 0, to: 1e9, state: "runnable"},
		{from: 1e9, to: 8e9, onThread: true, tid: 7},
		{from: 8e9, to: 10e9, state: "sleep"},
	}}}
	threads, err := ReadThreads(strings.NewReader(ftrace))
	if err != nil {
		t.Fatal(err)
	}
	got := make(States)
	r.Judge(1, threads, Window{5e8, 9e9}, got)
	want := States{"runnable": 5e8, runs: 4e9, wants: 2e9, sleeps: 1e9, "sleep": 1e9}
	if !maps.Equal(got, want) || got.Total() != 85e8 {
		t.Errorf("%v, want %v", got, want)
	}
}

// The trace of this very process has a goroutine that sleeps for as long as it was told.
func TestReadTrace(t *testing.T) {
	name := t.TempDir() + "/trace"
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := trace.Start(f); err != nil {
		t.Skip(err) // go test -trace
	}
	const d = 50 * time.Millisecond
	done := make(chan bool)
	go func() { time.Sleep(d); done <- true }()
	<-done
	trace.Stop()
	f.Close()
	r, err := ReadTrace(name)
	if err != nil {
		t.Fatal(err)
	}
	var longest int64
	for goid := range r.intervals {
		got := make(States)
		r.Judge(goid, nil, Window{0, 1 << 62}, got)
		longest = max(longest, got["sleep"])
	}
	if longest < d.Nanoseconds() {
		t.Errorf("nobody slept for more than %v of %v", time.Duration(longest), d)
	}
}

func FuzzReadThreads(f *testing.F) {
	f.Add([]byte(ftrace))
	f.Add([]byte(strings.Repeat(ftrace, 200)))
	f.Add([]byte(" 1.000000: sched_switch: prev_pid=99999999999999999999 next_pid=-1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cost.Small.Hold(t, func() {
			threads, err := ReadThreads(strings.NewReader(string(b)))
			if err != nil {
				return
			}
			for tid := range threads {
				got := make(States)
				threads.split(tid, Window{0, 1e9}, got)
				if tid <= 0 {
					t.Errorf("thread %d", tid)
				}
			}
		})
	})
}
