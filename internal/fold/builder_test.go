package fold

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/profiler/sample"
	"github.com/mayfly-profiler/mayfly/symbolize"
)

// generated is where code begins that the made-up program generated.
const generated = 0x7f0000000000

// text is a made-up program: function i occupies [0x1000*(i+1), 0x1000*(i+2)), the C functions lie
// behind the Go ones. The stack pointer delta of an address is its low byte.
type text struct {
	funcs []string
	c     []string
}

func (x text) index(pc uint64) int { return int(pc>>12) - 1 }

func (x text) at(name string, off uint64) uint64 {
	for i, f := range append(append([]string{}, x.funcs...), x.c...) {
		if f == name {
			return uint64(i+1)<<12 + off
		}
	}
	panic(name)
}

func (x text) Resolve(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int) {
	i := x.index(pc)
	switch {
	case i >= 0 && i < len(x.funcs) && x.funcs[i] == "main.(*T).Wrapper":
		return dst, 0
	case i >= 0 && i < len(x.funcs):
		return append(dst, symbolize.Frame{Func: x.funcs[i], File: "x.go", Line: int(pc & 0xfff), Kind: symbolize.Go}), 0
	case i >= 0 && i-len(x.funcs) < len(x.c):
		return append(dst, symbolize.Frame{Func: x.c[i-len(x.funcs)], Kind: symbolize.C}), 0
	}
	if pc>>12 == generated>>12 {
		return append(dst, symbolize.Frame{Func: "[jit]", Kind: symbolize.JIT}), -1
	}
	return append(dst, symbolize.Frame{Func: "[unknown]"}), -1
}

func (x text) ResolveKernel(dst []symbolize.Frame, pc uint64) ([]symbolize.Frame, int) {
	return append(dst, symbolize.Frame{Func: "entry_SYSCALL_64", Kind: symbolize.Kernel}), -1
}

func (x text) SPDelta(pc uint64) (int32, bool) { return int32(pc & 0xff), x.InGo(pc) }

func (x text) InGo(pc uint64) bool { i := x.index(pc); return i >= 0 && i < len(x.funcs) }

func (x text) Entry(pc uint64) bool { return x.InGo(pc) && pc&0xfff == 0 }

func (x text) Mappings() []symbolize.Mapping {
	return []symbolize.Mapping{{Start: 0x1000, Limit: 0x100000, File: "/bin/x", BuildID: "abcd"}}
}

// script is a source that emits what it was told to.
type script []sample.Sample

func (s script) Run(_ context.Context, emit func(*sample.Sample)) error {
	for i := range s {
		emit(&s[i])
	}
	return nil
}

var _ sample.Source = script(nil)

var program = text{
	funcs: []string{
		"main.main", "main.work", "runtime.memmove", "runtime.goexit.abi0", "runtime.mcall", "runtime.schedule",
		"runtime.mstart.abi0", "runtime.duffzero", "runtime.asmcgocall.abi0", "runtime.systemstack_switch", "runtime.cgocall",
		"runtime.gopark", "runtime.sigpanic", "runtime.morestack.abi0", "runtime.newstack", "main.(*T).Wrapper", "runtime.cgocallback",
		"runtime.sigtramp.abi0", "runtime.systemstack.abi0", "runtime.asyncPreempt.abi0",
	},
	c: []string{"c_inner", "c_outer"},
}

func build(t *testing.T, k Keep, samples ...sample.Sample) *profile.Profile {
	t.Helper()
	b := NewBuilder(program, k)
	b.arch = "amd64"
	if err := script(samples).Run(t.Context(), b.Add); err != nil {
		t.Fatal(err)
	}
	p := b.Profile()
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	return p
}

// stack is a sample's functions, leaf first.
func stack(s *profile.Sample) string {
	var names []string
	for _, l := range s.Location {
		for _, ln := range l.Line {
			names = append(names, ln.Function.Name)
		}
	}
	return strings.Join(names, " < ")
}

func TestStacks(t *testing.T) {
	at := program.at
	root := at("runtime.goexit.abi0", 1)
	leaf := func(w0, w1, sp, bp uint64) sample.Leaf {
		return sample.Leaf{SP: sp, BP: bp, Words: [2]uint64{w0, w1}, Valid: true}
	}
	// rest is the stack from 0x7000 on: n words that are nothing, then these.
	rest := func(from int, resumed uint64, n int, words ...uint64) sample.Rest {
		return sample.Rest{From: from, Resumed: resumed, Words: sample.Words{At: 0x7000, Words: append(make([]uint64, n), words...)}}
	}
	for _, tt := range []struct {
		name string
		s    sample.Sample
		want string
	}{
		{"frame set up", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20), at("main.main", 0x30), root}}, "main.work < main.main"},
		{"has not run yet", sample.Sample{Goid: 1, User: []uint64{at("runtime.schedule", 0x20), at("runtime.mcall", 0x10)},
			Curg: []uint64{at("main.work", 0)}, CurgLeaf: leaf(root, 0, 0x7000, 0)}, "runtime.schedule < runtime.mcall < main.work"},
		{"data in the frame pointer", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20), 0xdeadbeef}, Leaf: leaf(0, 0, 0x7000, 0x1234)},
			"main.work < [truncated]"},
		{"no return address", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20), 1 << 63}, Leaf: leaf(0, 0, 0x7000, 0x7018)},
			"main.work < [truncated]"},
		{"unwound", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20)}, Leaf: leaf(0, 0, 0x7000, 0xdeadbeef),
			Rest: rest(1, 0, 0x20/8, at("main.main", 0x10), 1, 0, root)}, "main.work < main.main"},
		{"unwound from a caller", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20), at("main.main", 0x10)},
			Leaf: leaf(0, 0, 0x6000, 0x6018),
			Rest: rest(2, 0, 0x10/8, root)}, "main.work < main.main"},
		{"unwound to where the chain goes on", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20), at("main.main", 0x30), root},
			Leaf: leaf(0, 0, 0x7000, 0xdeadbeef), Rest: rest(1, 0x7018, 0x20/8, at("main.main", 0x30))}, "main.work < main.main"},
		{"the chain is another one", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20), at("runtime.gopark", 0x30), root},
			Leaf: leaf(0, 0, 0x7000, 0xdeadbeef), Rest: rest(1, 0x7010, 0x20/8, at("main.main", 0x10), 1, 0, root)}, "main.work < main.main"},
		{"a digest is no caller", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20)},
			Leaf: leaf(0, 0, 0x7000, 0xdeadbeef), Rest: rest(1, 0, 0x20/8, 0xfeedface)}, "main.work < [truncated]"},
		{"generated code", sample.Sample{Goid: 1, User: []uint64{generated}, Leaf: leaf(0, 0, 0x7000, 0x7010),
			Rest: rest(1, 0, 0x10/8, 0x7030, generated+5, 0, 0, 0, at("main.main", 0x10), 0, 0, root)}, "[jit] < [jit] < main.main"},
		{"called by generated code", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20)}, Leaf: leaf(0, 0, 0x7000, 0x7018),
			Rest: rest(1, 0, 0x18/8, 0x7030, generated+5, 0, 0, at("main.main", 0x10), 0, 0, root)}, "main.work < [jit] < main.main"},
		{"generated code has data in the frame pointer", sample.Sample{Goid: 1, User: []uint64{generated}, Leaf: leaf(0, 0, 0x7000, 0x1234),
			Rest: rest(1, 0, 0x10/8, 0x7030, generated+5)}, "[jit] < [truncated]"},
		{"deep", sample.Sample{Goid: 1, Loss: sample.Truncated, User: []uint64{at("main.work", 0x20), at("main.work", 0x20)},
			Top: sample.Words{At: 0x8000, Words: []uint64{7, 0x8018, at("main.work", 0x8), 0x8028, at("main.main", 0x8), 0, root}}},
			"main.work < main.work < [truncated] < main.work < main.main"},
		{"deep, below a wrapper", sample.Sample{Goid: 1, Loss: sample.Truncated, User: []uint64{at("main.work", 0x20)},
			Top: sample.Words{At: 0x8000, Words: []uint64{0x8010, at("main.(*T).Wrapper", 0x8), 0x8020, at("main.main", 0x8), 0, root}}},
			"main.work < [truncated] < main.main"},
		{"before the switch", sample.Sample{Goid: 1, User: []uint64{at("runtime.morestack.abi0", 0), root},
			Leaf: leaf(at("main.work", 0x20), 0, 0x7000, 0x7100)}, "runtime.morestack.abi0 < main.work"},
		{"frameless leaf", sample.Sample{Goid: 1, User: []uint64{at("runtime.memmove", 0), at("main.main", 0x30), root},
			Leaf: leaf(at("main.work", 0x25), 0, 0x7000, 0x7100)}, "runtime.memmove < main.work < main.main"},
		{"rbp pushed", sample.Sample{Goid: 1, User: []uint64{at("runtime.memmove", 8), at("main.main", 0x30), root},
			Leaf: leaf(0, at("main.work", 0x25), 0x7000, 0x7100)}, "runtime.memmove < main.work < main.main"},
		{"rbp set", sample.Sample{Goid: 1, User: []uint64{at("runtime.memmove", 8), at("main.work", 0x30), root},
			Leaf: leaf(0, at("main.work", 0x25), 0x7000, 0x7000)}, "runtime.memmove < main.work"},
		{"word is no code", sample.Sample{Goid: 1, User: []uint64{at("runtime.memmove", 0), at("main.work", 0x30), root},
			Leaf: leaf(0x123, 0, 0x7000, 0x7100)}, "runtime.memmove < main.work"},
		{"duffzero", sample.Sample{Goid: 1, User: []uint64{at("runtime.duffzero", 0), at("main.work", 0x30), root},
			Leaf: leaf(at("main.main", 0x25), 0, 0x7000, 0x7100)}, "runtime.duffzero < main.work"},
		{"direct recursion", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0), at("main.main", 0x30), root},
			Leaf: leaf(at("main.work", 0x25), 0, 0x7000, 0x7100)}, "main.work < main.work < main.main"},
		{"first instruction of a goroutine", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0)},
			Leaf: leaf(root, 0, 0x7000, 0)}, "main.work"},
		{"C called Go", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20), at("runtime.cgocallback", 0x30), at("c_inner", 0x10),
			42, at("main.main", 0x30)}},
			"main.work < runtime.cgocallback < c_inner < [C]"},
		{"C called Go, seen by the table", sample.Sample{Goid: 1, Loss: sample.Truncated,
			Curg: []uint64{at("main.work", 0x20), at("runtime.cgocallback", 0x30)}},
			"main.work < runtime.cgocallback < [C]"},
		{"C's thread, in C", sample.Sample{Goid: 1, User: []uint64{at("c_inner", 0x20), at("c_outer", 0x10), 42}, Curg: []uint64{root}},
			"c_inner < c_outer < [C]"},
		{"C's thread, asleep", sample.Sample{Goid: 1, Curg: []uint64{root}}, "[C]"},
		{"mcall without goroutine", sample.Sample{User: []uint64{at("runtime.schedule", 0x20), at("runtime.mcall", 0x30),
			at("main.work", 0x10), root}},
			"runtime.schedule < runtime.mcall < [scheduler]"},
		{"mcall with goroutine", sample.Sample{Goid: 1, User: []uint64{at("runtime.schedule", 0x20), at("runtime.mcall", 0x30),
			at("main.main", 0x10), root},
			Curg: []uint64{at("runtime.gopark", 0x40), at("main.work", 0x10), root}},
			"runtime.schedule < runtime.mcall < runtime.gopark < main.work"},
		{"morestack at a function's entry", sample.Sample{Goid: 1,
			User: []uint64{at("runtime.newstack", 0x20), at("runtime.morestack.abi0", 0x30)},
			Curg: []uint64{at("main.work", 0x100), root}, CurgLeaf: leaf(at("main.main", 0x25), 0, 0x7000, 0x7100)},
			"runtime.newstack < runtime.morestack.abi0 < main.work < main.main"},
		{"mstart", sample.Sample{User: []uint64{at("runtime.schedule", 0x20), at("runtime.mstart.abi0", 0x30), 0x99000}},
			"runtime.schedule < runtime.mstart.abi0"},
		{"C code of no goroutine", sample.Sample{User: []uint64{at("c_inner", 0x20), at("c_outer", 0x20), 0x99000000}},
			"c_inner < c_outer < [thread]"},
		{"C code of an unknown goroutine", sample.Sample{User: []uint64{at("c_inner", 0x20), at("main.work", 0x20), root}},
			"c_inner < main.work"},
		{"C code", sample.Sample{Goid: 1, User: []uint64{at("c_inner", 0x20), at("c_outer", 0x20), at("runtime.asmcgocall.abi0", 0x20)},
			Curg: []uint64{at("runtime.systemstack_switch", 8), at("main.work", 0x30), root}, CurgLeaf: leaf(at("runtime.cgocall", 0x25), 0, 1, 2)},
			"c_inner < c_outer < runtime.cgocall < main.work"},
		{"C code without frame pointers", sample.Sample{Goid: 1, User: []uint64{at("c_inner", 0x20), 0x9999999},
			Curg: []uint64{at("runtime.systemstack_switch", 8), at("main.work", 0x30), root}, CurgLeaf: leaf(at("runtime.cgocall", 0x25), 0, 1, 2)},
			"c_inner < runtime.cgocall < main.work"},
		{"kernel", sample.Sample{Goid: 1, Kernel: []uint64{1 << 63}, User: []uint64{at("main.work", 0x20), root}},
			"entry_SYSCALL_64 < main.work"},
		{"wrapper", sample.Sample{Goid: 1, User: []uint64{at("main.work", 0x20), at("main.(*T).Wrapper", 0x30), at("main.main", 0x30), root}},
			"main.work < main.main"},
		{"too deep", sample.Sample{Goid: 1, Loss: sample.Truncated, User: []uint64{at("main.work", 0x20), at("main.work", 0x30)}},
			"main.work < main.work < [truncated]"},
		{"only wrappers", sample.Sample{Goid: 1, User: []uint64{at("main.(*T).Wrapper", 0x30)}}, "[unwalked]"},
		{"only wrappers, to the root", sample.Sample{Goid: 1, User: []uint64{at("main.(*T).Wrapper", 0x30), root}}, "[unwalked]"},
		{"no stack", sample.Sample{Loss: sample.Unwalked}, "[unwalked]"},
		{"lost", sample.Sample{Loss: sample.Lost, Count: 3}, "[lost]"},
	} {
		tt.s.Weight = 1000
		p := build(t, Keep{}, tt.s)
		if slices.ContainsFunc(p.Location, func(l *profile.Location) bool { return len(l.Line) == 0 }) {
			t.Errorf("%s: a location without a line", tt.name)
		}
		if got := stack(p.Sample[0]); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// A frame below a signal was interrupted, so its address is looked up as it is.
func TestAddressBelowSignalIsExact(t *testing.T) {
	at := program.at
	p := build(t, Keep{}, sample.Sample{Goid: 1, Weight: 1, User: []uint64{at("runtime.sigpanic", 0x20), at("main.work", 0x30),
		at("main.main", 0x40)}})
	var got []int64
	for _, l := range p.Sample[0].Location {
		got = append(got, l.Line[0].Line)
	}
	if got[0] != 0x20 || got[1] != 0x30 || got[2] != 0x3f {
		t.Errorf("offsets %#x, want 0x20 0x30 0x3f", got)
	}
}

func TestFoldsEqualSamples(t *testing.T) {
	at := program.at
	a := sample.Sample{Goid: 7, Count: 1, Weight: 10, State: sample.Running, User: []uint64{at("main.work", 0x20)},
		Labels: []sample.Label{{Key: "k", Value: "v"}}}
	b := a
	b.Weight, b.Goid = 30, 8
	c := a
	c.Labels = []sample.Label{{Key: "k", Value: "w"}}
	p := build(t, Keep{}, a, b, c)
	if len(p.Sample) != 2 {
		t.Fatalf("%d samples, want 2", len(p.Sample))
	}
	if v := p.Sample[0].Value; v[0] != 2 || v[1] != 40 {
		t.Errorf("value %v, want 2 samples of 40 ns", v)
	}
	if got := p.Sample[0].Label["k"]; len(got) != 1 || got[0] != "v" {
		t.Errorf("label %v", got)
	}
	p = build(t, Keep{Goroutines: true}, a, b, c)
	if len(p.Sample) != 3 || p.Sample[0].NumLabel["go.id"][0] != 8 {
		t.Errorf("with goroutines: %d samples, first %v", len(p.Sample), p.Sample[0].NumLabel)
	}
}

// Label keys and values must not run into each other in the key that samples are merged by.
func TestLabelsAreNotConfused(t *testing.T) {
	at := program.at
	mk := func(k, v string) sample.Sample {
		return sample.Sample{Count: 1, Weight: 1, User: []uint64{at("main.work", 0x20)}, Labels: []sample.Label{{Key: k, Value: v}}}
	}
	if p := build(t, Keep{}, mk("ab", "c"), mk("a", "bc")); len(p.Sample) != 2 {
		t.Errorf("%d samples, want 2", len(p.Sample))
	}
}

func TestProfileShape(t *testing.T) {
	p := build(t, Keep{}, sample.Sample{Count: 1, Weight: 5, User: []uint64{program.at("main.work", 0x20)}})
	if len(p.SampleType) != 2 || p.SampleType[0].Type != "samples" || p.SampleType[1].Type != "cpu" || p.DefaultSampleType != "cpu" {
		t.Errorf("sample types %v, default %q", p.SampleType, p.DefaultSampleType)
	}
	m := p.Mapping[0]
	if !m.HasFunctions || !m.HasFilenames || !m.HasLineNumbers || !m.HasInlineFrames || m.BuildID != "abcd" {
		t.Errorf("mapping %+v", m)
	}
}

// A wall profile has a column for each class of states and the label go.state; what the goroutine
// table saw on a CPU is not counted beside the on-CPU samples, and goroutines that did nothing are
// counted and not drawn.
func TestWallProfile(t *testing.T) {
	at := program.at
	parked := []uint64{at("runtime.gopark", 0x40), at("main.work", 0x30), at("runtime.goexit.abi0", 1)}
	run := []uint64{at("main.work", 0x20), at("runtime.goexit.abi0", 1)}
	samples := script{
		{Goid: 1, Count: 1, Weight: 10, Stolen: 2, State: sample.Running, User: run},
		{Goid: 1, Weight: 100, State: sample.Running},
		{Goid: 1, Weight: 20, State: sample.Preempted},
		{Goid: 1, Weight: 30, State: "chan receive", Curg: parked},
		{Goid: 2, Weight: 40, State: sample.Runnable, Curg: parked},
		{Goid: 3, Weight: 1000, State: "select", Curg: parked, Idle: true},
		{Goid: 4, Weight: 500, State: "select", Curg: parked, Idle: true},
		{Goid: 4, Weight: 5, State: sample.Runnable, Curg: parked},
		{Goid: 5, Weight: 7, State: "select", Curg: parked, Idle: true, Labels: []sample.Label{{Key: "k", Value: "v"}}},
	}
	b := NewBuilder(program, Keep{Wall: true})
	samples.Run(t.Context(), b.Add)
	y := b.Tally()
	if y.Idle != 1 || y.IdleTime != 1000 || y.TableCPU != 100 || y.CPU != 10 || y.Wall != 10+2+20+30+40+500+5+7 {
		t.Errorf("tally %+v", y)
	}
	p := b.Profile()
	if err := p.CheckValid(); err != nil {
		t.Fatal(err)
	}
	got := make(map[string][]int64)
	for _, s := range p.Sample {
		key := s.Label["go.state"][0] + ": " + stack(s)
		if got[key] == nil {
			got[key] = make([]int64, 5)
		}
		for i, v := range s.Value {
			got[key][i] += v
		}
	}
	for key, want := range map[string][]int64{
		"running: main.work":                       {1, 10, 0, 0, 10},
		"preempted: main.work":                     {0, 0, 22, 0, 22},
		"chan receive: runtime.gopark < main.work": {0, 0, 0, 30, 30},
		"runnable: runtime.gopark < main.work":     {0, 0, 45, 0, 45},
		"select: runtime.gopark < main.work":       {0, 0, 0, 507, 507},
	} {
		if !slices.Equal(got[key], want) {
			t.Errorf("%s: %v, want %v", key, got[key], want)
		}
		delete(got, key)
	}
	if len(got) > 0 {
		t.Errorf("more: %v", got)
	}
}

// In a timeline each interval is a sample of its own, with its end in Unix time.
func TestTimeline(t *testing.T) {
	parked := []uint64{program.at("runtime.gopark", 0x40), program.at("runtime.goexit.abi0", 1)}
	b := NewBuilder(program, Keep{Wall: true, Timeline: true})
	b.epoch = 1000
	script{
		{Goid: 3, Parent: 2, Time: 50, Weight: 20, State: "select", Curg: parked},
		{Goid: 3, Time: 90, Weight: 30, State: "select", Curg: parked},
	}.Run(t.Context(), b.Add)
	p := b.Profile()
	if len(p.Sample) != 2 {
		t.Fatalf("%d samples, want 2", len(p.Sample))
	}
	s := p.Sample[0]
	if s.Value[4] != 30 || s.NumLabel["go.id"][0] != 3 || s.NumLabel["end_timestamp_ns"][0] != 1090 ||
		s.NumUnit["end_timestamp_ns"][0] != "nanoseconds" {
		t.Errorf("sample %v %v %v", s.Value, s.NumLabel, s.NumUnit)
	}
	for _, s := range p.Sample { // on-CPU samples do not know it, so all have what one said
		if got := s.NumLabel["go.parent"]; len(got) != 1 || got[0] != 2 {
			t.Errorf("go.parent %v, want 2", got)
		}
	}
}

// What a wait is for is kept in timelines only: elsewhere it would make a sample of each channel that there ever was.
func TestWaitOn(t *testing.T) {
	parked := []uint64{program.at("runtime.gopark", 0x40), program.at("runtime.goexit.abi0", 1)}
	for _, k := range []Keep{{Wall: true}, {Wall: true, Timeline: true}} {
		b := NewBuilder(program, k)
		script{
			{Goid: 3, Time: 50, Weight: 20, State: "chan send", WaitOn: "chan 0x10 cap=2 len=2 send", Curg: parked},
			{Goid: 3, Time: 90, Weight: 30, State: "chan send", WaitOn: "chan 0x20 cap=2 len=2 send", Curg: parked},
		}.Run(t.Context(), b.Add)
		p := b.Profile()
		got := p.Sample[0].Label["go.wait_on"]
		if k.Timeline && (len(p.Sample) != 2 || len(got) != 1 || got[0] != "chan 0x20 cap=2 len=2 send") || !k.Timeline &&
			(len(p.Sample) != 1 || got != nil) {
			t.Errorf("timeline %v: %d samples, %q", k.Timeline, len(p.Sample), got)
		}
	}
}

func TestTally(t *testing.T) {
	at := program.at
	b := NewBuilder(program, Keep{})
	b.arch = "amd64"
	samples := script{
		{Goid: 1, Count: 1, Weight: 10, State: sample.Running, User: []uint64{at("main.work", 0x20), at("runtime.goexit.abi0", 1)},
			Labels: []sample.Label{{Key: "k", Value: "v"}}},
		{Goid: 1, Count: 1, Weight: 10, State: sample.Running, User: []uint64{at("main.work", 0x20), at("main.main", 0x20)}},
		{Loss: sample.Lost, Count: 5, Weight: 50},
	}
	samples.Run(t.Context(), b.Add)
	got := b.Tally()
	want := Tally{Samples: 2, Lost: 5, CPU: 70, Unlabeled: 10, Goroutines: 1, Rooted: 1, Unrooted: 1}
	if got.Samples != want.Samples || got.Lost != want.Lost || got.CPU != want.CPU || got.Unlabeled != want.Unlabeled ||
		got.Goroutines != want.Goroutines || got.Rooted != want.Rooted || got.Unrooted != want.Unrooted {
		t.Errorf("tally %+v, want %+v", got, want)
	}
}

func BenchmarkAdd(b *testing.B) {
	bl := NewBuilder(program, Keep{})
	s := sample.Sample{Goid: 1, Count: 1, Weight: 10, Labels: []sample.Label{{Key: "endpoint", Value: "/fulfil"},
		{Key: "tenant", Value: "acme"}}}
	for range 24 {
		s.User = append(s.User, program.at("main.work", 0x40))
	}
	s.User = append(s.User, program.at("runtime.goexit.abi0", 1))
	b.ReportAllocs()
	for b.Loop() {
		bl.Add(&s)
	}
}

// Events have columns behind those of time, and are no time; those that nobody asked for have none.
func TestEventColumns(t *testing.T) {
	a, b := []uint64{program.at("main.work", 8), program.at("main.main", 8)}, []uint64{program.at("main.main", 8)}
	in := script{
		{Goid: 1, State: sample.Running, Weight: 5, Count: 1, User: a},
		{Goid: 1, State: sample.Running, User: a, Event: "page-faults", Events: 3},
		{Goid: 1, State: sample.Running, User: a, Event: "cycles", Events: 1000},
		{Goid: 1, State: sample.Running, User: b, Event: "page-faults", Events: 2},
		{State: sample.Running, Loss: sample.Lost, Event: "page-faults", Events: 7},
	}
	for _, keep := range []Keep{{Events: []string{"page-faults", "cycles"}}, {Wall: true, Events: []string{"page-faults"}}, {}} {
		bld := NewBuilder(program, keep)
		_ = in.Run(t.Context(), bld.Add)
		tally := bld.Tally()
		p := bld.Profile()
		if err := p.CheckValid(); err != nil {
			t.Fatal(err)
		}
		sums := make(map[string]int64)
		for _, s := range p.Sample {
			for i, v := range s.Value {
				sums[p.SampleType[i].Type] += v
			}
		}
		want := map[string]int64{"samples": 1, "cpu": 5}
		for _, e := range keep.Events {
			want[e] = map[string]int64{"page-faults": 12, "cycles": 1000}[e]
		}
		if keep.Wall {
			want["runnable"], want["blocked"], want["wall"] = 0, 0, 5
		}
		if !maps.Equal(sums, want) || tally.CPU != 5 || tally.Samples != 1 || tally.Lost != 0 {
			t.Errorf("%+v: %v, want %v; %+v", keep, sums, want, tally)
		}
	}
}
