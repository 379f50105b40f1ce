//go:build amd64 || arm64

package perf

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// While samples are handed on, which takes as long as whoever gets them wants, more are read; each on the CPU
// that it was taken on.
func TestReadersGoOn(t *testing.T) {
	s := spinning(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var once sync.Once
	emit := func(*sample.Sample) {
		once.Do(func() {
			defer cancel()
			for s.held() == 0 {
				if ctx.Err() != nil {
					t.Error("nothing is read while samples are handed on")
					return
				}
				time.Sleep(time.Millisecond)
			}
			checkPinned(t, s.events.rings)
		})
	}
	if err := s.Run(ctx, emit); err != nil {
		t.Fatal(err)
	}
	if s.Stats().Samples == 0 {
		t.Error("no samples")
	}
}

func (s *OnCPU) held() (n int) {
	for _, t := range s.takers {
		t.mu.Lock()
		n += len(t.batch.samples)
		t.mu.Unlock()
	}
	return n
}

func spinning(t *testing.T) *OnCPU {
	x := target.Start(t, target.Compile(t, "spin", target.Build{}), "-d", "30s")
	p, err := proc.Open(x.PID)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	s, err := Open(p, Options{})
	target.Need(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// checkPinned wants a thread of this process for each ring that runs on its CPU only.
func checkPinned(t *testing.T, rings []*ring) {
	t.Helper()
	files, err := filepath.Glob("/proc/thread-self/../*/status")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	only := make(map[string]bool)
	for _, f := range files {
		b, _ := os.ReadFile(f) // a thread may end meanwhile
		_, list, _ := strings.Cut(string(b), "Cpus_allowed_list:\t")
		list, _, _ = strings.Cut(list, "\n")
		only[list] = true
	}
	var may unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		t.Fatal(err)
	}
	for _, r := range rings {
		if may.IsSet(r.cpu) && !only[fmt.Sprint(r.cpu)] {
			t.Errorf("no thread is on CPU %d only: %v", r.cpu, only)
		}
	}
}

// At a lower rate fewer samples stand for the same CPU time, and the timers' count of it is what it was.
func TestSetRate(t *testing.T) {
	s := spinning(t)
	if err := s.SetRate(99); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var n, weight, kernel float64
	if err := s.Run(ctx, func(sm *sample.Sample) {
		n += float64(sm.Count)
		weight += float64(sm.Weight)
		if sm.Loss == sample.InKernel {
			kernel += float64(sm.Weight)
		}
	}); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	used := st.Rusage.Seconds()
	if want := 99 * used; math.Abs(n-want) > 0.05*want+4*math.Sqrt(want) {
		t.Errorf("%.0f samples in %.2f s of CPU time at 99 Hz", n, used)
	}
	if math.Abs(weight/1e9-used) > 1e-2*used || kernel > 0.1e9*used {
		t.Errorf("samples weigh %.3f s of %.3f, %.3f of them as time in the kernel", weight/1e9, used, kernel/1e9)
	}
	if counted := st.Counted.Seconds(); math.Abs(counted-used) > 0.05*used+4*math.Sqrt(999*used)/999 {
		t.Errorf("the timers say %.3f s, the clock %.3f", counted, used)
	}
	if s.SetRate(0) == nil {
		t.Error("0 Hz is a rate")
	}
}
