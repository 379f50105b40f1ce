package compare

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/samples/hostile"
)

// stacks is a profile with kernel frames and a call into the vdso, of which runtime/pprof sees other
// leaves.
func stacks() *profile.Profile {
	fn := func(id uint64, name string) *profile.Function { return &profile.Function{ID: id, Name: name} }
	work, write, tcp, stub, clock, now := fn(1, "main.work.func1"), fn(2, "syscall.write"), fn(3, "tcp_sendmsg"), fn(4, "runtime.nanotime1"),
		fn(5, "__vdso_clock_gettime"), fn(6, "time.Now")
	kernel := &profile.Mapping{ID: 1, File: "[kernel.kallsyms]"}
	vdso := &profile.Mapping{ID: 2, File: "[vdso]"}
	exe := &profile.Mapping{ID: 3, File: "/bin/x"}
	loc := func(id uint64, m *profile.Mapping, fs ...*profile.Function) *profile.Location {
		l := &profile.Location{ID: id, Mapping: m, Address: id}
		for _, f := range fs {
			l.Line = append(l.Line, profile.Line{Function: f})
		}
		return l
	}
	lw, lk, ls, lv, ln := loc(1, exe, work), loc(2, kernel, tcp), loc(3, exe, write), loc(4, vdso, clock), loc(5, exe, stub, now)
	return &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		Mapping:    []*profile.Mapping{kernel, vdso, exe}, Location: []*profile.Location{lw, lk, ls, lv, ln},
		Function: []*profile.Function{work, write, tcp, stub, clock, now},
		Sample: []*profile.Sample{
			{Location: []*profile.Location{lw}, Value: []int64{6000, 6e9}, Label: map[string][]string{"job": {"a"}},
				NumLabel: map[string][]int64{"go.id": {1}}},
			{Location: []*profile.Location{lk, ls, lw}, Value: []int64{3000, 3e9}, Label: map[string][]string{"go.state": {"running"}},
				NumLabel: map[string][]int64{"go.id": {2}}},
			{Location: []*profile.Location{lv, ln, lw}, Value: []int64{1000, 1e9}},
			{Location: []*profile.Location{lk}, Value: []int64{10, 1e7}},
		},
		Comments: []string{"mayfly.cpu_rusage_ns=10010000000"},
	}
}

func TestFunctionsAreThoseThatBothProfilersSee(t *testing.T) {
	got := Functions(stacks())
	for name, ns := range map[string]int64{"main.work.func": 6e9, "syscall.write": 3e9, "time.Now": 1e9, "[kernel]": 1e7} {
		if got[name].NS != ns {
			t.Errorf("%s: %v, want %d ns; all: %v", name, got[name], ns, got)
		}
	}
}

// TestProfilesOfOthers: of two columns with one name the one that is a time counts, and what has no stack is not the kernel's.
func TestProfilesOfOthers(t *testing.T) {
	all := hostile.Others()
	for _, name := range []string{"heap", "mutex", "none"} {
		if _, err := Compare(nil, all[name], Options{Seed: 1}); !errors.Is(err, ErrNoCPU) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if c := Total(all["one name"]); c.NS != 72 {
		t.Errorf("of two columns cpu the one of ns has %d", c.NS)
	}
	for name, ns := range map[string]int64{"no stacks": 22, "bare locations": 64} {
		if got := Functions(all[name]); got["[unknown]"].NS != ns {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDecimateKeepsTheShares(t *testing.T) {
	p := stacks()
	a, b := Decimate(p, 1), Decimate(p, 1)
	if err := a.CheckValid(); err != nil {
		t.Fatal(err)
	}
	total := Total(a)
	if Total(b) != total {
		t.Error("the same seed gives another profile")
	}
	if math.Abs(float64(total.Samples)-1001) > 4*math.Sqrt(1001) || total.NS != total.Samples*1e7 {
		t.Errorf("%+v, want 1001 samples of 10 ms", total)
	}
	if part := Labelled(a, "job", "a"); math.Abs(Percent(part.NS, total.NS)-60) > 8 {
		t.Errorf("job=a has %.0f %% of the decimated profile, 60 %% of the whole", Percent(part.NS, total.NS))
	}
	if Unlabelled(p).Samples != 4010 {
		t.Errorf("without label: %v; go.state is none of the program's", Unlabelled(p))
	}
}

func TestCompareCountsGoroutines(t *testing.T) {
	r, err := Compare(nil, stacks(), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Fine || !r.Decimated || r.Unseen.Goroutines != 2 || len(r.Lifetimes) != 1 || r.Lifetimes[0].Default != 1 {
		t.Errorf("%+v", r)
	}
}

// TestComparePage has both profiles in its flame graph.
func TestComparePage(t *testing.T) {
	r, err := Compare(nil, stacks(), Options{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Formats().Write(&b, "html", r); err != nil || strings.Count(b.String(), `"main.work.func"`) == 0 {
		t.Errorf("%v: the graph has no main.work.func", err)
	}
}

// TestCompareUnits has a default profile as another tool writes it, in microseconds.
func TestCompareUnits(t *testing.T) {
	us := Decimate(stacks(), 1)
	us.SampleType[1].Unit = "microseconds"
	for _, s := range us.Sample {
		s.Value[1] /= 1000
	}
	want, err := Compare(Decimate(stacks(), 1), stacks(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := us.Sample[0].Value[1]
	got, err := Compare(us, stacks(), Options{})
	if err != nil || got.Default != want.Default || got.Sentence != want.Sentence || us.Sample[0].Value[1] != before {
		t.Errorf("%v: %v, want %v: %s", err, got.Default, want.Default, got.Sentence)
	}
}
