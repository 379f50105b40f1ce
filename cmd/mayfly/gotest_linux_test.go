package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/diff"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/internal/work"
)

// recordBenchmarks records testdata/bench under go test.
func recordBenchmarks(t *testing.T, flags ...string) *session {
	t.Helper()
	dir, err := filepath.Abs("../../testdata/bench")
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"record", "--mode", "cpu", "-o", "new/bench.pb.gz", "--", "go", "test", "-C", dir, "-run", "^$",
		"-benchtime", "300ms"}, flags...)
	return start(t, nil, args...)
}

// The test binary is recorded and not the go command, and its samples say which benchmark they are of,
// those of goroutines with no benchmark on their stack left out: who started them only a wall recording knows.
func TestRecordGoTest(t *testing.T) {
	target.Need(t, bpf.Probe())
	s := recordBenchmarks(t, "-bench", "Checksum|Mix|Sub")
	if code := s.wait(); code != 0 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	p := s.profile("new/bench.pb.gz")
	sums, all := make(map[string]int64), int64(0)
	for _, x := range p.Sample {
		all += x.Value[1]
		for _, name := range x.Label["benchmark"] {
			sums[name] += x.Value[1]
			if name == "BenchmarkMix" && calls(x, "bench.checksum") {
				t.Error("checksum is said to run in BenchmarkMix")
			}
		}
	}
	labelled := int64(0)
	for _, name := range []string{"BenchmarkChecksum", "BenchmarkMix", "BenchmarkSub/func1", "benchmarkNamed"} {
		if sums[name] == 0 {
			t.Errorf("no sample of %s: %v", name, sums)
		}
		labelled += sums[name]
	}
	if labelled*2 < all {
		t.Errorf("only %d of %d ns are of a benchmark", labelled, all)
	}
}

// go test's exit code is passed on.
func TestRecordGoTestFails(t *testing.T) {
	target.Need(t, bpf.Probe())
	s := recordBenchmarks(t, "-bench", "Mix", "-no-such-flag")
	if code := s.wait(); code == 0 {
		t.Fatalf("exit code 0: %s", s.stderr.String())
	}
}

func calls(s *profile.Sample, function string) bool {
	for _, l := range s.Location {
		for _, line := range l.Line {
			if filepath.Base(line.Function.Name) == function {
				return true
			}
		}
	}
	return false
}

// What go test says of its benchmarks is kept, so that two recordings are compared by operation: of those here the
// shares are the same, and an operation takes three times as long in one of them.
func TestDiffByOperation(t *testing.T) {
	target.Need(t, bpf.Probe())
	take := func(tags string) string {
		s := recordBenchmarks(t, "-bench", "Checksum$", tags)
		if code := s.wait(); code != 0 {
			t.Fatalf("exit code %d: %s", code, s.stderr.String())
		}
		w := work.Read(s.profile("new/bench.pb.gz").Comments)
		for name, b := range w.Benchmarks {
			if work.Function(name) != "BenchmarkChecksum" || b.Ops < 1 || len(b.Seconds) != 1 {
				t.Errorf("%s: %+v", name, b)
			}
		}
		if len(w.Benchmarks) != 1 {
			t.Errorf("work %+v", w)
		}
		return filepath.Join(s.cmd.Dir, "new/bench.pb.gz")
	}
	s := start(t, nil, "diff", "--json", take("-v=false"), take("-tags=slow"))
	s.slower()
}

// slower is the result of a comparison that finds operations of NEW slower.
func (s *session) slower() (r diff.Result) {
	s.t.Helper()
	code := s.wait()
	if err := json.Unmarshal(s.stdout.Bytes(), &r); err != nil {
		s.t.Fatalf("exit code %d, %v: %s", code, err, s.stderr.String())
	}
	at := slices.IndexFunc(r.Columns, func(c diff.Column) bool { return c.Unit == "op" })
	if at < 0 || r.Columns[0].Name != diff.TimeColumn || r.Columns[at].Total.Change.Relative < 0.3 {
		s.t.Errorf("%s: %+v", r.Verdict(), r.Columns)
	}
	return r
}
