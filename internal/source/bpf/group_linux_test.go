//go:build amd64 || arm64

package bpf

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// openInGroup opens what samples a spinner in a control group of its own, which leave takes it out of.
func openInGroup(t *testing.T) (p *proc.Process, s *OnCPU, leave func()) {
	t.Helper()
	x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-n", "1", "-procs", "1")
	leave = target.Group(t, x.PID)
	p, err := proc.Open(x.PID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	s, err = Open(p, Options{})
	target.Need(t, err)
	t.Cleanup(func() { s.Close() })
	return p, s, leave
}

// Of a target in a control group of its own the events are on while it has a CPU, and samples come at the same rate; where switches between
// groups are many, or the target has left its group, they are on all the time.
func TestGroupEvents(t *testing.T) {
	p, s, leave := openInGroup(t)
	if s.group == nil {
		t.Fatal("the target's group was not found")
	}
	check := func(what string, want bool) {
		t.Helper()
		for i := range s.events {
			if s.events[i].ofGroup != want {
				t.Errorf("%s: the event on CPU %d is of the group: %t", what, s.events[i].cpu, !want)
			}
		}
	}
	if err := s.timers.start(); err != nil {
		t.Fatal(err)
	}
	follow := func(switches uint64) { // as if there had been so many since the last time, whatever else the host does
		time.Sleep(20 * time.Millisecond)
		for i := range s.events {
			if fd := s.events[i].switches; fd >= 0 {
				now, enabled, _ := readEvent(fd)
				s.events[i].switched, s.events[i].counted = now-switches, enabled-10e9 // a long time ago
			}
		}
		s.followed = 0
		s.follow()
	}
	check("at first", false)
	follow(0) // opens the counters
	if s.events[0].switches < 0 {
		target.Need(t, fmt.Errorf("no counter of switches between groups (Linux 5.13): %w", errors.ErrUnsupported))
	}
	follow(0)
	check("with few switches", true)

	before, began := cpuOf(t, p), time.Now()
	enabledOf(s)
	time.Sleep(500 * time.Millisecond)
	used, wall := cpuOf(t, p)-before, time.Since(began)
	if got := enabledOf(s); got > used+used/5+20*time.Millisecond {
		t.Errorf("the events were on for %s of %s on each CPU; the target had %s", got, wall, used)
	}
	follow(1_000_000_000)
	check("with many switches", false)
	follow(0)
	check("with few again", true)
	leave()
	follow(0)
	check("in another group", false)
	if s.group != nil {
		t.Error("the group is still followed")
	}
}

func cpuOf(t *testing.T, p *proc.Process) time.Duration {
	t.Helper()
	d, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// enabledOf is for how long all events were on since the last call. Of a CPU that the group had not run on the kernel begins with
// since when it is up: that is no difference.
func enabledOf(s *OnCPU) (d time.Duration) {
	for i := range s.events {
		if on, _ := s.events[i].read(); on < uint64(time.Hour) {
			d += time.Duration(on)
		}
	}
	return d
}

// As many samples are taken of a target in a group of its own as elsewhere.
func TestGroupRate(t *testing.T) {
	_, s, _ := openInGroup(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if err := s.Run(ctx, func(*sample.Sample) {}); err != nil {
		t.Fatal(err)
	}
	target.NeedCPU(t)
	st := s.Stats()
	t.Logf("%+v", st)
	if hz := float64(st.Samples+st.Lost) / st.Rusage.Seconds(); hz < 0.93*999 || hz > 1.07*999 {
		t.Errorf("%.0f samples a second of CPU time", hz)
	}
}
