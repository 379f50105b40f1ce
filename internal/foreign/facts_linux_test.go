package foreign

import (
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Columns of a wall recording.
const (
	cpu, runnable, blocked, wall = 1, 2, 3, 4
)

// A scope is what runs under labels: all time below one of the functions has exactly them. A value
// of "*" is any value; no labels at all is a promise, too.
type scope struct {
	below  []string
	labels map[string]string
}

// observed is one recording of a program and what the kernel and the goroutine table said besides.
type observed struct {
	rec   *profiler.Recording
	least time.Duration   // CPU time by the process's clock from when samples may come until the recording is told to end
	most  time.Duration   // the same from before the recording was begun until it had ended
	took  time.Duration   // from when samples may come until the recording had ended
	lived map[uint64]bool // goroutines that were there before and after
}

// observe records every state of a program for d, and calls mark at both ends of it. The facts are those of eBPF: the perf engine
// reads labels after the sample, and what it loses by that hangs on the machine.
func observe(t *testing.T, pid int, d time.Duration, mark func()) observed {
	t.Helper()
	target.Need(t, bpf.Probe())
	p, err := proc.Open(pid)
	target.Need(t, err)
	defer p.Close()
	before := goroutines(t, pid)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var begin, end time.Duration
	var began time.Time
	o := profiler.Options{Mode: profiler.Wall, Keep: profiler.Keep{Goroutines: true, Idle: true}}
	o.Started = func(profiler.Summary) {
		began = time.Now()
		begin, _ = p.CPU()
		mark()
		time.AfterFunc(d, func() {
			end, _ = p.CPU()
			mark()
			cancel()
		})
	}
	first, err := p.CPU()
	target.Need(t, err)
	rec, err := profiler.Record(ctx, pid, o)
	target.Need(t, err)
	took := time.Since(began)
	last, err := p.CPU()
	target.Need(t, err)
	lived := make(map[uint64]bool)
	after := goroutines(t, pid)
	for id := range before {
		lived[id] = after[id]
	}
	return observed{rec, end - begin, last - first, took, lived}
}

// goroutines are the ids of all goroutines of a process.
func goroutines(t *testing.T, pid int) map[uint64]bool {
	t.Helper()
	all, err := profiler.Dump(t.Context(), pid)
	target.Need(t, err)
	ids := make(map[uint64]bool, len(all))
	for _, g := range all {
		ids[g.ID] = true
	}
	return ids
}

// facts are what the tests hold against their limits, and the table's row.
type facts struct {
	rooted      float64  // share of goroutine samples whose stack ends at its root
	cut         float64  // share of the wall time of goroutines whose stack ends at a word that is no caller
	labelledCPU float64  // share of the CPU time below the scopes' functions that has their labels
	labelled    float64  // the same of wall time
	lost        float64  // share of the wall time of all samples whose labels could not be read, as the summary says
	scoped      [2]int64 // ns of CPU and of wall time below those functions
	cpuOff      float64  // CPU time of all samples outside of what the process's clock says at least and at most
	countedOff  float64  // samples times period against it
	statesOff   float64  // largest deviation of a goroutine's states from the recording's length
	worst       []string // what that goroutine did
	odd         []string // stacks that cannot be, a few
	ends        []string // stacks that were cut, a few
	wrong       []string // labels that nobody set, or missing ones: a few
}

func (o observed) facts(scopes []scope) facts {
	s := o.rec.Summary
	f := facts{rooted: s.Stacks.Rooted, lost: share(s.Labels.GoneTime, s.Table.Wall)}
	f.cpuOff, f.countedOff = outside(s.CPU.Profiled, int64(o.least), int64(o.most)), float64(s.CPU.Counted)/float64(s.CPU.Profiled)-1
	var right [2]int64
	var cut, all int64
	spent := make(map[uint64]int64)
	for _, x := range o.rec.Profile.Sample {
		names := frames(x)
		if why := impossible(x, names); why != "" {
			i := max(0, slices.Index(names, "[unknown]")-4)
			f.odd = few(f.odd, why+": "+strings.Join(names[i:], " < "))
		}
		for _, id := range x.NumLabel["go.id"] {
			spent[uint64(id)] += x.Value[wall]
			all += x.Value[wall]
			if len(names) > 0 && names[len(names)-1] == "[truncated]" {
				cut += x.Value[wall]
				f.ends = few(f.ends, strings.Join(names, " < "))
			}
		}
		at := slices.IndexFunc(scopes, func(s scope) bool { return s.holds(names) })
		if at < 0 {
			continue
		}
		for i, column := range []int{cpu, wall} {
			f.scoped[i] += x.Value[column]
			if matches(scopes, names, x) {
				right[i] += x.Value[column]
			}
		}
		if !matches(scopes, names, x) {
			ms := float64(x.Value[wall]) / 1e6
			f.wrong = few(f.wrong, fmt.Sprintf("%v ms: %v instead of %v: %s", ms, x.Label, scopes[at].labels, strings.Join(names, " < ")))
		}
	}
	f.labelledCPU, f.labelled = share(right[0], f.scoped[0]), share(right[1], f.scoped[1])
	f.cut = share(cut, all)
	var worst uint64
	f.statesOff, worst = o.states(spent)
	f.worst = o.did(worst)
	return f
}

// outside is by how much a value misses the range from least to most, relative to the nearer end.
func outside(v, least, most int64) float64 {
	switch {
	case v < least:
		return float64(v)/float64(least) - 1
	case v > most:
		return float64(v)/float64(most) - 1
	}
	return 0
}

// states is the largest deviation of the states' sum from the recording's length: of goroutines that
// were there all the time in either direction, of others upwards only.
func (o observed) states(spent map[uint64]int64) (worst float64, who uint64) {
	for id, ns := range spent {
		off := outside(ns, o.rec.Profile.DurationNanos, int64(o.took)) // the sources see a little after they are told to end
		if (id > 0 && o.lived[id] || off > 0) && math.Abs(off) > math.Abs(worst) {
			worst, who = off, id
		}
	}
	return worst, who
}

// did is what a goroutine did, by state and leaf.
func (o observed) did(id uint64) (lines []string) {
	for _, x := range o.rec.Profile.Sample {
		if slices.Contains(x.NumLabel["go.id"], int64(id)) {
			lines = few(lines, fmt.Sprintf("%d: %v ms %v %s", id, float64(x.Value[wall])/1e6, x.Label["go.state"], strings.Join(frames(x), " < ")))
		}
	}
	return lines
}

func share(part, all int64) float64 { return float64(part) / float64(max(all, 1)) }

// few keeps the first lines of what may be thousands.
func few(lines []string, line string) []string {
	if len(line) > 600 {
		line = line[:600]
	}
	if len(lines) < 8 {
		lines = append(lines, line)
	}
	return lines
}

func (s scope) holds(names []string) bool {
	return slices.ContainsFunc(s.below, func(f string) bool { return slices.Contains(names, f) })
}

// labelled says whether the sample has the scope's labels and no others but mayfly's own.
func (s scope) labelled(x *profile.Sample) bool {
	own := 0
	for k, v := range x.Label {
		if strings.HasPrefix(k, "go.") {
			continue
		}
		own++
		if want := s.labels[k]; want != "*" && (len(v) != 1 || v[0] != want) {
			return false
		}
	}
	return own == len(s.labels)
}

// matches says whether the sample has the labels of one of the scopes that its stack is in.
func matches(scopes []scope, names []string, x *profile.Sample) bool {
	return slices.ContainsFunc(scopes, func(s scope) bool { return s.holds(names) && s.labelled(x) })
}

// frames is a sample's functions, leaf first, inlined ones expanded.
func frames(x *profile.Sample) (names []string) {
	for _, l := range x.Location {
		for _, ln := range l.Line {
			names = append(names, ln.Function.Name)
		}
	}
	return names
}

// impossible says what is wrong with a stack that no program can have.
func impossible(x *profile.Sample, names []string) string {
	user := false
	for _, l := range x.Location {
		kernel := l.Mapping != nil && strings.HasPrefix(l.Mapping.File, "[kernel")
		if kernel && user {
			return "the kernel called by user code's callee"
		}
		user = user || !kernel
	}
	if i := slices.Index(names, "[unknown]"); i >= 0 {
		return "unknown function"
	}
	return ""
}

// limits of the facts.
const (
	minRooted   = 0.999
	minLabelled = 0.995
	maxCPU      = 0.01
	maxCounted  = 0.12 // switching threads is done with interrupts off, where no sample is taken
	maxStates   = 0.05
)

// hold fails the test where the facts are not what mayfly promises.
func (f facts) hold(t *testing.T, s profiler.Summary) {
	t.Helper()
	if f.rooted < minRooted {
		t.Errorf("%.3f %% of goroutine stacks end at their root\n\t%s", 100*f.rooted, strings.Join(f.ends, "\n\t"))
	}
	if f.cut > 1-minRooted {
		t.Errorf("the stacks of %.3f %% of the goroutines' time end at [truncated]\n\t%s", 100*f.cut, strings.Join(f.ends, "\n\t"))
	}
	if f.scoped[1] > 0 && (f.labelled < minLabelled || f.scoped[0] > 0 && f.labelledCPU < minLabelled) {
		t.Errorf("labelled: %.2f %% of CPU time, %.2f %% of wall time\n\t%s", 100*f.labelledCPU, 100*f.labelled, strings.Join(f.wrong, "\n\t"))
	}
	if math.Abs(f.cpuOff) > maxCPU {
		t.Errorf("CPU time is off by %+.1f %%", 100*f.cpuOff)
	}
	if limit := maxCounted + 4/math.Sqrt(float64(max(s.CPU.Samples, 1))); math.Abs(f.countedOff) > limit {
		t.Errorf("samples for %+.1f %% of the CPU time, limit %.1f %%", 100*f.countedOff, 100*limit)
	}
	if math.Abs(f.statesOff) > maxStates {
		t.Errorf("the states of a goroutine add up to %+.1f %% of the recording\n\t%s", 100*f.statesOff, strings.Join(f.worst, "\n\t"))
	}
	if len(f.odd) > 0 {
		t.Errorf("stacks that cannot be:\n\t%s", strings.Join(f.odd, "\n\t"))
	}
}

func (f facts) String() string {
	return fmt.Sprintf("rooted %.3f %%, labelled %.2f %% of %.2fs CPU and %.2f %% of %.2fs wall, lost %.2f %%, ",
		100*f.rooted, 100*f.labelledCPU, float64(f.scoped[0])/1e9, 100*f.labelled, float64(f.scoped[1])/1e9, 100*f.lost) +
		fmt.Sprintf("CPU %+.2f %%, counted %+.1f %%, states %+.1f %%", 100*f.cpuOff, 100*f.countedOff, 100*f.statesOff)
}

// readable holds the profile against the tool that everyone reads it with.
func readable(t *testing.T, p *profile.Profile) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "profile.pb.gz")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := p.Write(f); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "tool", "pprof", "-top", "-sample_index=wall", "-symbolize=none", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "flat%") {
		t.Errorf("go tool pprof: %v\n%s", err, out)
	}
}
