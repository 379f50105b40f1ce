//go:build amd64 || arm64

package bpf

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

func set(cpus ...int) (s unix.CPUSet) {
	for _, cpu := range cpus {
		s.Set(cpu)
	}
	return s
}

func TestReach(t *testing.T) {
	for _, tt := range []struct {
		online []int
		may    []int
		err    error
		want   []int
	}{
		{[]int{0, 1, 2, 3}, []int{1, 2}, nil, []int{1, 2}},
		{[]int{0, 2}, []int{1, 2}, nil, []int{2}},
		{[]int{0, 1}, nil, errors.New("no such process"), []int{0, 1}},
		{[]int{0, 1}, []int{7}, nil, []int{0, 1}},
		{[]int{0, 1, proc.AffinityCPUs}, []int{1}, nil, []int{1, proc.AffinityCPUs}}, // which no affinity can name
	} {
		r := reach{func() ([]int, error) { return tt.online, nil }, func() ([]int, error) { return tt.may, tt.err }}
		if got, err := r.cpus(); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("online %v, may run on %v: %v, %v; want %v", tt.online, tt.may, got, err, tt.want)
		}
	}
}

// The events are where the target may run, whatever becomes of that and of the CPUs.
func TestEventsFollow(t *testing.T) {
	x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", "1")
	p, err := proc.Open(x.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	pin(t, p, set(0))
	s, err := Open(p, Options{})
	target.Need(t, err)
	defer s.Close()
	online := s.reach.online
	all, err := online()
	if err == nil && len(all) < 2 {
		err = fmt.Errorf("one CPU: %w", errors.ErrUnsupported)
	}
	target.Need(t, err)
	if err := s.events.start(); err != nil {
		t.Fatal(err)
	}
	step := func(what string, want ...int) {
		t.Helper()
		time.Sleep(5 * time.Millisecond)
		s.followed = 0
		s.follow()
		var got []int
		for i := range s.events {
			got = append(got, s.events[i].cpu)
		}
		if slices.Sort(got); !slices.Equal(got, want) || s.stats.CPUs != len(want) || len(s.rhythm.beats) != len(want) ||
			s.stats.Unsampled != nil {
			t.Errorf("%s: events on %v, %d beats, %v; want %v", what, got, len(s.rhythm.beats), s.stats.Unsampled, want)
		}
	}
	step("pinned to CPU 0", 0)
	pin(t, p, set(1))
	step("moved to CPU 1", 1)
	pin(t, p, set(0, 1))
	step("moved to both", 0, 1)
	s.reach.online = func() ([]int, error) { return []int{0}, nil }
	step("CPU 1 offline", 0)
	s.reach.online = online
	step("CPU 1 online", 0, 1)
	before := s.events[0].fd
	if err := unix.IoctlSetInt(before, unix.PERF_EVENT_IOC_DISABLE, 0); err != nil { // as the kernel does when its CPU goes offline
		t.Fatal(err)
	}
	s.events[0].read()
	step("an event that has died", 0, 1)
	for i := range s.events {
		if enabled, _ := s.events[i].read(); enabled == 0 {
			t.Errorf("the event on CPU %d is off", s.events[i].cpu)
		}
	}
}

// pin lets all threads of a process run on these CPUs only.
func pin(t *testing.T, p *proc.Process, cpus unix.CPUSet) {
	t.Helper()
	for done := 0; ; { // a thread that is made meanwhile has the affinity of who makes it
		tids, err := p.Threads(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, tid := range tids {
			if err := unix.SchedSetaffinity(tid, &cpus); err != nil && err != unix.ESRCH {
				t.Fatal(err)
			}
		}
		if len(tids) == done {
			return
		}
		done = len(tids)
	}
}

// At level 3 the right that is there is not the one that is missing.
func TestEventRights(t *testing.T) {
	for _, tt := range []struct {
		rights proc.Rights
		want   string
	}{
		{proc.Rights{PerfEventParanoid: 2}, "needs CAP_PERFMON"},
		{proc.Rights{PerfEventParanoid: 3}, "needs CAP_PERFMON"},
		{proc.Rights{PerfEventParanoid: 3, CapPerfmon: true}, "sysctl kernel.perf_event_paranoid=2"},
		{proc.Rights{PerfEventParanoid: 4, CapPerfmon: true}, "paranoid is 4"},
		{proc.Rights{PerfEventParanoid: 4, CapPerfmon: true, CapSysAdmin: true}, "seccomp"},
		{proc.Rights{PerfEventParanoid: 2, CapPerfmon: true}, "seccomp"},
	} {
		if got := eventRights(tt.rights); !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %s, want %s", tt.rights, got, tt.want)
		}
	}
}

// Who has the capabilities and is refused all the same needs no more of them.
func TestLoadRights(t *testing.T) {
	for _, tt := range []struct {
		rights proc.Rights
		want   string
	}{
		{proc.Rights{}, "needs CAP_BPF and CAP_PERFMON"},
		{proc.Rights{CapBPF: true}, "needs CAP_BPF and CAP_PERFMON"},
		{proc.Rights{CapBPF: true, CapPerfmon: true}, "seccomp"},
		{proc.Rights{CapSysAdmin: true}, "seccomp"},
	} {
		if got := loadRights(tt.rights); !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %s, want %s", tt.rights, got, tt.want)
		}
	}
}
