package profiler_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/baseline"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// sigmas is how many standard errors a measured share may be from the truth. At four, one share
// in 16,000 is out by chance.
const sigmas = 4

// record records a running target, or skips where the host does not allow it.
func record(t testing.TB, pid int, d time.Duration, o profiler.Options) *profiler.Recording {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o.Started = func(profiler.Summary) { time.AfterFunc(d, cancel) }
	if o.Mode == "" {
		o.Mode = profiler.CPU
	}
	if o.Mode == profiler.CPU && o.Engine == "" {
		o.Engine = profiler.EBPF // these tests are about it; TestEngineLadder is about what is left without
	}
	rec, err := profiler.Record(ctx, pid, o)
	target.Need(t, err)
	if err := rec.Profile.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return rec
}

// frames is a sample's functions in the program itself, leaf first, inlined ones expanded. The
// kernel, which runtime/pprof does not show, is left out; so are the vdso and the assembly function
// that called it, because runtime/pprof starts at m.vdsoPC, which is in that one's caller.
func frames(s *profile.Sample) []string {
	var names []string
	vdso := false
	for _, l := range s.Location {
		switch {
		case l.Mapping != nil && strings.HasPrefix(l.Mapping.File, "[kernel"):
			continue
		case l.Mapping != nil && l.Mapping.File == "[vdso]":
			vdso = true
			continue
		}
		lines := l.Line
		if vdso {
			lines, vdso = lines[1:], false
		}
		for _, ln := range lines {
			names = append(names, ln.Function.Name)
		}
	}
	return names
}

func index(names []string, want string) int {
	for i, n := range names {
		if n == want {
			return i
		}
	}
	return -1
}

// binomial is the standard error of a share p among n samples.
func binomial(p float64, n int64) float64 {
	return math.Sqrt(max(p*(1-p), 1/float64(n)) / float64(n))
}

type leafTruth struct {
	CPU   int64 `json:"cpu_ns"`
	Pairs []struct {
		Caller, Leaf, Above string
		Levels              int
		CPU                 int64 `json:"cpu_ns"`
	}
}

// No sample has lost the caller of its leaf, stacks are whole down to 300 frames, and the pairs'
// shares are those that the program measured.
func TestLeafCallers(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) {
			x := target.Start(t, target.Compile(t, "leaf", b))
			rec := record(t, x.PID, 2*time.Second, profiler.Options{Rate: 1999})
			var truth leafTruth
			x.Truth(&truth)
			checkLeaves(t, rec, &truth)
		})
	}
}

func checkLeaves(t *testing.T, rec *profiler.Recording, truth *leafTruth) {
	counts := make(map[string]int64)
	var all, orphans int64
	for _, s := range rec.Profile.Sample {
		names := frames(s)
		if index(names, "main.(*pair).measure") < 0 {
			continue
		}
		all += s.Value[0]
		for _, p := range truth.Pairs {
			at := index(names, p.Caller)
			if at < 0 {
				continue
			}
			counts[p.Caller] += s.Value[0]
			if isLeaf(names[0], p.Leaf) && !below(names, p.Above, p.Levels) {
				t.Errorf("%s: %d times %s, want %d: %q", p.Caller, levels(names, p.Above), p.Above, p.Levels, names[:min(6, len(names))])
			}
		}
		if names[0] == "main.mix" && (len(names) < 2 || names[1] == "main.(*pair).measure") {
			orphans += s.Value[0]
		}
	}
	if orphans > 0 {
		t.Errorf("%d samples of main.mix without its caller", orphans)
	}
	if rec.Summary.Stacks.Rooted < 0.995 {
		t.Errorf("%.2f %% of goroutine stacks end at their root", 100*rec.Summary.Stacks.Rooted)
	}
	if target.Emulated() { // what follows is about shares of time
		return
	}
	var cpu int64
	for _, p := range truth.Pairs {
		cpu += p.CPU
	}
	for _, p := range truth.Pairs {
		got, want := float64(counts[p.Caller])/float64(all), float64(p.CPU)/float64(cpu)
		if limit := sigmas*binomial(want, all) + 0.01; math.Abs(got-want) > limit { // 1 %: the window cuts a round
			t.Errorf("%s: %.2f %% of samples, %.2f %% of CPU time, limit %.2f %%", p.Caller, 100*got, 100*want, 100*limit)
		}
	}
}

// isLeaf says whether name is the leaf of a pair: the function, or the end of its name.
func isLeaf(name, leaf string) bool { return name == leaf || strings.HasSuffix(name, "."+leaf) }

func levels(names []string, name string) (n int) {
	for _, f := range names {
		if f == name {
			n++
		}
	}
	return n
}

// below says whether the frames directly above the leaf are n times name; a leaf in the middle of
// the recursion has fewer.
func below(names []string, name string, n int) bool {
	if got := levels(names, name); got != n && !(n > 1 && got <= n) {
		return false
	}
	i := 1
	for i < len(names) && names[i] == names[0] { // inlined or split leaf
		i++
	}
	return i < len(names) && names[i] == name
}

// The shares of (leaf, caller) agree with those of runtime/pprof over the same run: it walks with
// the runtime's own unwinder, which never loses the caller.
func TestPairsAgreeWithRuntimePprof(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpu.pprof")
	x := target.Start(t, target.Compile(t, "leaf", target.Build{}), "-pprof", file)
	rec := record(t, x.PID, 5*time.Second, profiler.Options{Rate: 999})
	x.Stop()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	base, err := profile.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	agree(t, rec.Profile, base)
}

// A server's profile agrees with the one that runtime/pprof takes of the same seconds, function by
// function and caller by caller, and its stacks are whole.
func TestServerAgreesWithRuntimePprof(t *testing.T) {
	for _, b := range target.Matrix(t) {
		t.Run(b.String(), func(t *testing.T) {
			x := target.Start(t, target.Compile(t, "server", b), "-pprof", "127.0.0.1:0")
			const d = 4 * time.Second
			type fetched struct {
				p   *profile.Profile
				err error
			}
			done := make(chan fetched, 1)
			go func() {
				p, err := baseline.Fetch(t.Context(), http.DefaultClient, "http://"+x.Field("http"), d)
				done <- fetched{p, err}
			}()
			rec := record(t, x.PID, d, profiler.Options{})
			base := <-done
			if base.err != nil {
				t.Fatal(base.err)
			}
			if rec.Summary.Stacks.Rooted < 0.995 {
				t.Errorf("%.2f %% of goroutine stacks end at their root", 100*rec.Summary.Stacks.Rooted)
			}
			agree(t, rec.Profile, base.p)
		})
	}
}

// The samples stand for the CPU time that the process's own clock counted.
func TestCPUTotals(t *testing.T) {
	for _, w := range []struct {
		name string
		args []string
	}{
		{"server", nil}, {"idle", nil}, {"threads", nil}, {"tickphase", nil},
	} {
		t.Run(w.name, func(t *testing.T) {
			x := target.Start(t, target.Compile(t, w.name, target.Build{}), w.args...)
			d := 2 * time.Second
			if w.name == "idle" {
				d = 5 * time.Second // for 300 ms of CPU
			}
			s := record(t, x.PID, d, profiler.Options{Mode: profiler.Wall}).Summary
			off, second := float64(s.CPU.Profiled)/float64(s.CPU.Rusage)-1, float64(s.CPU.Counted)/float64(s.CPU.Rusage+s.CPU.Stolen)-1
			t.Logf("%s: %d samples, %.1f Hz, %.3fs of CPU, rusage %.3fs: %+.2f %%, stolen %.3fs, counted %+.2f %%", w.name, s.CPU.Samples,
				s.CPU.RateReached, float64(s.CPU.Profiled)/1e9, float64(s.CPU.Rusage)/1e9, 100*off, float64(s.CPU.Stolen)/1e9, 100*second)
			if math.Abs(off) > 0.05 {
				t.Errorf("%s: samples stand for %+.1f %% of the CPU time", w.name, 100*off)
			}
			// The weights are measured by the process's clock, so the line above cannot show what was not sampled. The number
			// of samples does: the timers run on while a hypervisor has the CPU, which the scheduler knows and the clock does not.
			if limit := 0.05 + sigmas/math.Sqrt(float64(s.CPU.Samples)); math.Abs(second) > limit {
				t.Errorf("%s: samples for %+.1f %% of the time that threads had a CPU, limit %.1f %%", w.name, 100*second, 100*limit)
			}
			if s.CPU.Lost > 0 {
				t.Errorf("%s: %d samples lost", w.name, s.CPU.Lost)
			}
		})
	}
}

// heldRate is the samples per second for which the target's threads had a CPU: the process's clock leaves out what a hypervisor
// steals, the timers do not.
func heldRate(s *profiler.Summary) float64 {
	return s.CPU.RateReached * float64(s.CPU.Rusage) / float64(s.CPU.Rusage+s.CPU.Stolen)
}

// Rates are what was asked, and nothing is lost. On a quiet machine they are within 2.5 %.
func TestRateReached(t *testing.T) {
	target.NeedCPU(t)
	x := target.Start(t, target.Compile(t, "spin", target.Build{}))
	for _, hz := range []int{99, 999, 4999} {
		t.Run(fmt.Sprint(hz), func(t *testing.T) {
			s := record(t, x.PID, 2*time.Second, profiler.Options{Rate: hz}).Summary
			rate := heldRate(&s)
			t.Logf("%d Hz: %.1f reached, %d lost", hz, rate, s.CPU.Lost)
			if off := rate/float64(hz) - 1; math.Abs(off) > 0.05+sigmas/2/math.Sqrt(float64(s.CPU.Samples)) {
				t.Errorf("%d Hz: %.1f reached", hz, rate)
			}
			if s.CPU.Lost > 0 {
				t.Errorf("%d Hz: %d lost", hz, s.CPU.Lost)
			}
		})
	}
}

// Bursts that timers start keep their phase against the kernel's tick. The runtime's own profiler,
// whose timers are checked at the tick, sees too much of them or too little, the same program
// differently in each run; mayfly's are not bound to the tick, and their distance changes all the time.
func TestTickPhase(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpu.pprof")
	x := target.Start(t, target.Compile(t, "tickphase", target.Build{}), "-pprof", file)
	rec := record(t, x.PID, 4*time.Second, profiler.Options{})
	var truth struct {
		CPU int64 `json:"cpu_ns"`
	}
	x.Truth(&truth)
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	base, err := profile.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	var theirs int64
	for _, s := range base.Sample {
		theirs += s.Value[1]
	}
	s := rec.Summary
	ours := float64(s.CPU.Profiled) / float64(s.CPU.Rusage)
	t.Logf("CPU accounted for: runtime/pprof %.1f %% of %.2fs, mayfly %.1f %% of %.2fs at %.0f Hz; samples times period %.1f %%",
		100*float64(theirs)/float64(truth.CPU), float64(truth.CPU)/1e9, 100*ours, float64(s.CPU.Rusage)/1e9,
		s.CPU.RateReached, 100*float64(s.CPU.Counted)/float64(s.CPU.Rusage))
	if math.Abs(ours-1) > 0.05 {
		t.Errorf("mayfly accounts for %.1f %% of the CPU time", 100*ours)
	}
	if rate := heldRate(&s); rate < 0.85*999 || rate > 1.1*999 {
		t.Errorf("%.0f samples per CPU-second: the bursts are not sampled in proportion", rate)
	}
}
