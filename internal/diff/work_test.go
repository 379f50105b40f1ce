package diff

import (
	"cmp"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/work"
)

// benchmarked records a program that is a benchmark of fixed time, which is slower in all alike by slow. Machines are
// not always as fast: speed is the relative standard deviation of that between processes.
func (p program) benchmarked(rng *rand.Rand, seconds, slow, speed float64) *Profile {
	x := p.record(rng, seconds, 999)
	perOp := 1e-3 * (1 + slow) * math.Exp(speed*rng.NormFloat64())
	x.work.Benchmarks = map[string]work.Benchmark{"BenchmarkX-4": {Ops: seconds / perOp, Seconds: []float64{perOp}}}
	c := x.cols[0]
	c.blocks = nil
	for row, v := range c.flat {
		c.addGroup(1, int32(row), nil, v)
	}
	return x
}

// What takes every function of a benchmark twice as long leaves the shares as they are, and is found by operation; a
// machine that is not as fast each time is no regression more often than was agreed.
func TestWorkUniform(t *testing.T) {
	const speed = 0.02
	for _, tt := range []struct {
		name        string
		slow        float64
		repeats, n  int
		least, most int // found
	}{
		{"same, 3 a side", 0, 3, 400, 0, 20},
		{"same, 5 a side", 0, 5, 400, 0, 20},
		{"twice as slow, 3 a side", 1, 3, 40, 40, 40},
		{"a tenth slower, 5 a side", 0.1, 5, 40, 36, 40},
	} {
		rng := rand.New(rand.NewPCG(7, 1))
		found := 0
		for range tt.n {
			var sides [2][]*Profile
			for range tt.repeats {
				sides[older] = append(sides[older], typical().benchmarked(rng, 3, 0, speed))
				sides[newer] = append(sides[newer], typical().benchmarked(rng, 3, tt.slow, speed))
			}
			r, err := Compare(sides[older], sides[newer], Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r.Outcome == Regressed {
				found++
			}
		}
		if t.Logf("%s: %d of %d regressed", tt.name, found, tt.n); found < tt.least || found > tt.most {
			t.Errorf("%s: %d of %d regressed", tt.name, found, tt.n)
		}
	}
}

// bench is a profile of two benchmarks, A with half of the time and B with the other, and of what belongs to none. An operation of
// each takes the given times.
func bench(a, b float64) *profile.Profile {
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		DurationNanos: 10e9}
	add := func(function, label string, ns int64) {
		f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: function}
		l := &profile.Location{ID: f.ID, Line: []profile.Line{{Function: f}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		s := &profile.Sample{Location: []*profile.Location{l}, Value: []int64{ns / 1e6, ns}}
		if label != "" {
			s.Label = map[string][]string{benchmarkLabel: {label}}
		}
		p.Sample = append(p.Sample, s)
	}
	add("main.a", "BenchmarkA", 4e9)
	add("main.b", "BenchmarkB/func1", 4e9)
	add("runtime.gcDrain", "", 2e9)
	w := work.Work{Benchmarks: map[string]work.Benchmark{}}
	w.Benchmarks["BenchmarkA-2"] = work.Benchmark{Ops: 4e9 / a, Seconds: []float64{a / 1e9}}
	w.Benchmarks["BenchmarkB/x-2"] = work.Benchmark{Ops: 4e9 / b, Seconds: []float64{b / 1e9}}
	p.Comments = w.Comments()
	for name, x := range w.Benchmarks {
		p.Comments = append(p.Comments, "mayfly.bench="+name+" 100 "+formatNs(x.Seconds[0])+" ns/op")
	}
	return p
}

func formatNs(seconds float64) string {
	return strings.TrimSuffix(duration(seconds*1e9), "ms") + "000000"
}

// Of two benchmarks one is twice as slow: its function takes twice as long for the base's operations, the other's as
// long as before, and what belongs to none 1.5 times.
func TestWorkOfSeveral(t *testing.T) {
	reduced := func(a, b float64) []*Profile {
		var all []*Profile
		for range 3 {
			all = append(all, Reduce(bench(a, b), "p", Options{}))
		}
		return all
	}
	r, err := Compare(reduced(1e6, 1e6), reduced(1e6, 2e6), Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, c := range r.Columns {
		for _, row := range c.Rows {
			got[c.Name+" "+row.Name] = row.Change.Relative
		}
	}
	for name, want := range map[string]float64{"cpu main.a": 0, "cpu main.b": 1, "cpu runtime.gcDrain": 0.5, "time BenchmarkA-2": 0,
		"time BenchmarkB/x-2": 1, "CPU time BenchmarkA": 0, "CPU time BenchmarkB": 1} {
		if x, ok := got[name]; !ok || math.Abs(x-want) > 0.01 {
			t.Errorf("%s: %+.3f, want %+.3f", name, x, want)
		}
	}
	if r.Outcome != Regressed || r.Columns[2].Unit != unitWork || strings.Contains(r.Verdict(), "share") {
		t.Errorf("%s: %s; %+v", r.Outcome, r.Verdict(), r.Columns)
	}
}

// A command that ran to its end: twice the time is twice the time, whatever the shares.
func TestWorkOfRuns(t *testing.T) {
	reduced := func(scale int64) []*Profile {
		var all []*Profile
		for range 3 {
			p := bench(1, 1)
			for _, s := range p.Sample {
				s.Label = nil
				s.Value[0], s.Value[1] = s.Value[0]*scale, s.Value[1]*scale
			}
			w := work.Work{Runs: 1, Wall: 10e9, CPU: 10e9}
			if scale == 2 {
				w.Wall, w.CPU = 20e9, 20e9
			}
			p.Comments, p.DurationNanos = w.Comments(), int64(w.Wall)
			all = append(all, Reduce(p, "p", Options{}))
		}
		return all
	}
	r, err := Compare(reduced(1), reduced(2), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Outcome != Regressed || r.Columns[0].Rows[0].Name != wallRow && r.Columns[0].Rows[0].Name != cpuRowName {
		t.Errorf("%s %+v", r.Outcome, r.Columns[0])
	}
	for _, row := range r.Columns[1].Rows {
		if math.Abs(row.Change.Relative-1) > 0.01 || row.Outcome != Regressed {
			t.Errorf("%s: %+.3f %s", row.Name, row.Change.Relative, row.Outcome)
		}
	}
	if same, err := Compare(reduced(1), reduced(1), Options{}); err != nil || same.Outcome != Same {
		t.Errorf("%v %+v", err, same)
	}
}

// Where nobody knows the work the verdict says what cannot be seen.
func TestShareWarning(t *testing.T) {
	p := bench(1e6, 1e6)
	p.Comments = nil
	a := []*Profile{Reduce(p, "p", Options{}), Reduce(p, "p", Options{})}
	r, err := Compare(a, a, Options{})
	if err != nil || !strings.Contains(r.Verdict(), "a slowdown of everything alike is not visible") {
		t.Errorf("%v: %s", err, r.Verdict())
	}
}

// Many benchmarks, each with its noise, one of which is slower: it is found, and no p is no number.
func TestWorkOfMany(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 1))
	side := func(slow float64) (all []*Profile) {
		for range 6 {
			x := typical().record(rng, 1, 999)
			x.cols[0].blocks = nil
			x.work.Benchmarks = make(map[string]work.Benchmark)
			for i := range 12 {
				perOp := 1e-3 * (1 + 0.02*rng.NormFloat64())
				if i == 3 {
					perOp *= 1 + slow
				}
				x.work.Benchmarks["BenchmarkX/"+string(rune('a'+i))+"-2"] = work.Benchmark{Ops: 1 / perOp, Seconds: []float64{perOp}}
			}
			for row, v := range x.cols[0].flat {
				x.cols[0].addGroup(1, int32(row), nil, v)
			}
			all = append(all, x)
		}
		return all
	}
	r, err := Compare(side(0), side(0.2), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range r.Columns[0].Rows {
		if want := row.Name == "BenchmarkX/d-2"; math.IsNaN(row.Change.P) || (row.Outcome == Regressed) != want || row.Base.Margin <= 0 {
			t.Errorf("%+v", row)
		}
	}
}

// Where others use the host results of benchmarks are apart by a third; the CPU time of an operation tells which one is slower.
func TestWorkCPU(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	names := []string{"BenchmarkA-2", "BenchmarkB-2", "BenchmarkC/x-2", "BenchmarkC/y-2"}
	side := func(slow float64) (all []*Profile) {
		for range 8 {
			x := typical().record(rng, 1, 999)
			x.cols[0].blocks = nil
			x.work.Benchmarks = make(map[string]work.Benchmark)
			for i, name := range names {
				cpu := 1e-3 * (1 + 0.03*rng.NormFloat64())
				if i == 1 {
					cpu *= 1 + slow
				}
				x.work.Benchmarks[name] = work.Benchmark{Ops: 1 / cpu, Seconds: []float64{cpu * math.Exp(0.4*rng.NormFloat64())}}
			}
			for row, v := range x.cols[0].flat {
				for group, part := range []float64{0.1, 0.2, 0.2, 0.5} {
					x.cols[0].addGroup(group, int32(row), nil, v*part)
				}
			}
			all = append(all, x)
		}
		return all
	}
	base := side(0)
	for want, slow := range []float64{0, 0.3} {
		r, err := Compare(base, side(slow), Options{})
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, row := range r.Columns[1].Rows {
			if row.Outcome == Regressed {
				found++
				if row.Name != "BenchmarkB" || row.Change.Relative < 0.2 || row.Change.Relative > 0.4 {
					t.Errorf("%+v", row)
				}
			}
		}
		if r.Columns[1].Name != CPUTimeColumn || found != want || len(r.Columns[1].Rows) != 3 || r.Columns[0].Rows[0].Outcome == Regressed {
			t.Errorf("%.1f slower: %+v", slow, r.Columns[1])
		}
	}
}

// How long package testing waits for a benchmark is the benchmark's time, and no row; what else waits is one.
func TestWorkOfTesting(t *testing.T) {
	side := func(waits float64) (all []*Profile) {
		for range 4 {
			x := typical().benchmarked(rand.New(rand.NewPCG(1, 1)), 5, 0, 0)
			x.Columns, x.cols = append(x.Columns, "blocked"), append(x.cols, &sums{})
			x.rows[0], x.rows[1] = "testing.(*B).run1", "main.lock"
			x.cols[1].grow(len(x.rows), false)
			for row, v := range []float64{waits, 1e9} {
				x.cols[1].addGroup(1, int32(row), nil, v)
				x.cols[1].flat[row], x.cols[1].total = v, x.cols[1].total+v
			}
			all = append(all, x)
		}
		return all
	}
	r, err := Compare(side(1e9), side(3e9), Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Columns[len(r.Columns)-1]
	if r.Outcome == Regressed || c.Name != "blocked" || len(c.Rows) != 1 || c.Rows[0].Name != "main.lock" || c.Total.Change.Relative != 0 {
		t.Errorf("%s: %+v", r.Verdict(), c)
	}
}

// The same profiles have the same result each time, to the last digit: rows that become one are added up in an order.
func TestWorkSame(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 7))
	side := func(release string) (all []*Profile) {
		for range 3 {
			x := typical().benchmarked(rng, 5, 0, 0.01)
			for i := range 100 {
				x.rows[i] = "runtime.f" + strconv.Itoa(i)
			}
			x.facts.goVersion = release
			all = append(all, x)
		}
		return all
	}
	base, after := side("go1.26.11"), side("go1.27.4")
	first := ""
	for range 10 {
		r, err := Compare(base, after, Options{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if first = cmp.Or(first, string(text)); first != string(text) {
			t.Fatalf("%s\nand then\n%s", first, text)
		}
	}
}
