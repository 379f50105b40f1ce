package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

var (
	ringThreads = flag.Duration("ring.threads", 3*time.Second,
		"for how long TestRingThreadsEnd has threads end; 1h with -timeout 70m is the real thing")
	ringPause = flag.Duration("ring.pause", 0, "how long each of its eight goroutines rests between two threads; 20ms costs a few "+
		"percent of a core, beside the flight recorder's")
)

// A flight recorder beside threads that end all the time, ten thousand of them at least, sees the thread that comes
// last, and has its time on a CPU and its wait for one as the kernel counts them; and all the while it did not draw more
// waiting than goroutines were there to wait.
func TestRingThreadsEnd(t *testing.T) {
	target.Need(t, bpf.Probe())
	const window = 3 * time.Second
	ctl := filepath.Join(t.TempDir(), "ctl")
	x := target.Start(t, target.Compile(t, "mortal", target.Build{}), "-threads", "10000", "-for", ringThreads.String(),
		"-pause", ringPause.String(), "-work", "10us", "-ctl", ctl)
	s := start(t, nil, "record", "-p", pid(x), "--ring", window.String(), "--after", "0", "--cool-down", "0",
		"--ring-files", "1", "--on", "SIGUSR2", "--max-overhead", "10%")
	s.until("the recording", func() bool { return strings.Contains(s.stderr.String(), "keeping the last") })
	page, err := os.OpenFile(ctl, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	page.WriteAt([]byte{1}, 16)
	memory := watchMemory(s.cmd.Process.Pid, *ringThreads/60)
	for i, last, windows := 0, "", 0; windows < 2; i++ { // the second window with the last thread has nothing but it
		if word(t, page, 1) != 0 {
			windows++
		}
		states := make(chan counted, 1)
		written := make(chan struct{})
		go func() { states <- followLast(x, page, written) }()
		time.Sleep(window + window/2)
		p := s.triggered(&last)
		close(written)
		got, length := columnsIn(p, "main.stay"), time.Duration(p.DurationNanos)
		if all := columnsIn(p, ""); all.preempted > 20*length { // as many goroutines and threads as there can be at a time
			t.Errorf("window %d: %v of waiting for a CPU in %v", i, all.preempted, length)
		}
		if windows < 2 {
			continue
		}
		ended, want := word(t, page, 0), (<-states).between(p.TimeNanos, p.TimeNanos+p.DurationNanos)
		t.Logf("%d threads ended, %d windows; in %v the last one ran %v, the kernel says %v, and waited for a CPU %v and a P %v, the kernel "+
			"says %v; %s",
			ended, i+1, length, got.cpu, want.cpu, got.preempted, got.runnable, want.preempted, memory.now())
		if ended < 10000 {
			t.Errorf("%d threads ended", ended)
		}
		// A window begins and ends where it was seen to, so shares are compared. Without a P the goroutine is runnable.
		share := func(d time.Duration, of spent) float64 { return float64(d) / float64(of.cpu+of.preempted+of.runnable) }
		if most := share(want.preempted, want); share(got.preempted, got) > most+0.01 || share(got.preempted+got.runnable, got) < most-0.01 {
			t.Errorf("%.4f of waiting for a CPU and %.4f for a P, the kernel counted %.4f", share(got.preempted, got),
				share(got.runnable, got), most)
		}
		if sum := got.cpu + got.preempted + got.runnable; (sum - length).Abs() > length/20 {
			t.Errorf("%v of a goroutine that never waits, in %v", sum, length)
		}
	}
}

// lastThread is what the kernel has counted of the last thread at some time (Documentation/scheduler/sched-stats.rst).
type lastThread struct {
	at int64 // Unix time, ns
	spent
}

type counted []lastThread

// followLast reads that until it is told to end.
func followLast(x *target.Target, page io.ReaderAt, end <-chan struct{}) (all counted) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return all
		case <-tick.C:
		}
		var id [8]byte
		if page.ReadAt(id[:], 8); id == [8]byte{} {
			continue
		}
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", x.PID, binary.LittleEndian.Uint64(id[:])))
		one := lastThread{at: time.Now().UnixNano()}
		if _, serr := fmt.Sscan(string(b), &one.cpu, &one.preempted); err == nil && serr == nil {
			all = append(all, one)
		}
	}
}

// between is what was counted between the readings that are closest to two times.
func (all counted) between(from, to int64) spent {
	a, b := all[0], all[len(all)-1]
	for _, x := range all {
		if x.at <= from {
			a = x
		}
	}
	for _, x := range slices.Backward(all) {
		if x.at >= to {
			b = x
		}
	}
	return spent{cpu: b.cpu - a.cpu, preempted: b.preempted - a.preempted}
}

func word(t *testing.T, page *os.File, i int64) uint64 {
	t.Helper()
	var b [8]byte
	if _, err := page.ReadAt(b[:], 8*i); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint64(b[:])
}

// triggered has the window written, and reads it. last is the window before.
func (s *session) triggered(last *string) *profile.Profile {
	s.t.Helper()
	s.cmd.Process.Signal(syscall.SIGUSR2)
	before := *last
	s.until("the window", func() bool {
		d := s.dumps()
		if len(d) != 1 || d[0] == before {
			return false
		}
		*last = d[0]
		return true
	})
	return s.profile(filepath.Base(*last))
}

// spent is time by what it went to.
type spent struct{ cpu, preempted, runnable time.Duration }

// columnsIn adds up the goroutines that began in a function, or all.
func columnsIn(p *profile.Profile, function string) (sum spent) {
	column := func(name string) int {
		return slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == name })
	}
	cpu, wall := column("cpu"), column("wall")
	for _, s := range p.Sample {
		in := function == "" || slices.ContainsFunc(s.Location, func(l *profile.Location) bool {
			return slices.ContainsFunc(l.Line, func(l profile.Line) bool { return l.Function.Name == function })
		})
		if !in {
			continue
		}
		sum.cpu += time.Duration(s.Value[cpu])
		switch s.Label["go.state"][0] {
		case "preempted":
			sum.preempted += time.Duration(s.Value[wall])
		case "runnable":
			sum.runnable += time.Duration(s.Value[wall])
		}
	}
	return sum
}
