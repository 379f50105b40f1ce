package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/rogpeppe/go-internal/testscript"
)

// sleepers is a timeline profile of n requests that sleep ms each, one after the other.
func sleepers(n int, ms int64) *profile.Profile {
	const began = int64(1_800_000_000e9)
	f := &profile.Function{ID: 1, Name: "main.nap", Filename: "/src/main/x.go"}
	l := &profile.Location{ID: 1, Line: []profile.Line{{Function: f, Line: 7}}}
	p := &profile.Profile{TimeNanos: began, Function: []*profile.Function{f}, Location: []*profile.Location{l}}
	for _, c := range []string{"samples", "cpu", "runnable", "blocked", "wall"} {
		p.SampleType = append(p.SampleType, &profile.ValueType{Type: c, Unit: "nanoseconds"})
	}
	end := began + 100e6
	for i := range n {
		end += ms * 1e6
		p.Sample = append(p.Sample, &profile.Sample{
			Location: []*profile.Location{l}, Value: []int64{0, 0, 0, ms * 1e6, ms * 1e6},
			Label:    map[string][]string{"go.state": {"sleep"}, "request": {fmt.Sprint(i)}},
			NumLabel: map[string][]int64{"go.id": {int64(i + 1)}, "end_timestamp_ns": {end}},
		})
	}
	p.DurationNanos = end + 1e9 - began
	p.Sample = append(p.Sample, &profile.Sample{ // main is there for all of it
		Location: []*profile.Location{l}, Value: []int64{0, 0, 0, p.DurationNanos, p.DurationNanos},
		Label:    map[string][]string{"go.state": {"sleep"}},
		NumLabel: map[string][]int64{"go.id": {1 << 40}, "end_timestamp_ns": {began + p.DurationNanos}},
	})
	return p
}

// writeRequests is "requests NAME": a timeline of requests that meet p99<10ms.
func writeRequests(ts *testscript.TestScript, neg bool, args []string) {
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(errors.Join(sleepers(400, 5).Write(f), f.Close()))
}

// TestReport has the exit codes that scripts rely on, and the errors of files that are no use.
func TestReport(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, p *profile.Profile, keep float64) string {
		var b bytes.Buffer
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b.Bytes()[:int(float64(b.Len())*keep)], 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cpuOnly := sleepers(400, 20)
	cpuOnly.SampleType = cpuOnly.SampleType[:2]
	for _, s := range cpuOnly.Sample {
		s.Value = s.Value[:2]
	}
	tests := []struct {
		path, stdout, err string
		code              int
	}{
		{file("met", sleepers(400, 5), 1), "p99<10ms MET", "", codeOK},
		{file("broken", sleepers(400, 20), 1), "a timer in main.nap", "", codeRegression},
		{file("few", sleepers(12, 20), 1), "12 requests are too few", "", codeUndecided},
		{file("torn", sleepers(400, 20), 0.5), "", "not a pprof profile", codeFailed},
		{file("cpu", cpuOnly, 1), "", "mayfly record --timeline", codeFailed},
	}
	for _, tt := range tests {
		var out, errs bytes.Buffer
		e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}
		err := run(t.Context(), e, []string{"report", "--slo", "p99<10ms", "--request", "label:request", tt.path})
		if code := exitCode(err); code != tt.code || !strings.Contains(out.String(), tt.stdout) || !strings.Contains(message(err), tt.err) {
			t.Errorf("%s: exit code %d, %q, stdout %q; want %d", filepath.Base(tt.path), code, message(err), out.String(), tt.code)
		}
	}
	var out bytes.Buffer
	e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: func(string) string { return "" }}
	err := run(t.Context(), e, []string{"report", "--slo", "p99<10ms", "--request", "label:request", "--format", "json", tests[1].path})
	var got struct {
		Verdict string
		Cause   struct{ Kind, Function string }
	}
	if jerr := json.Unmarshal(out.Bytes(), &got); jerr != nil || exitCode(err) != codeRegression || got.Cause.Kind != "timer" ||
		got.Cause.Function != "main.nap" {
		t.Errorf("json: %v, %v, %+v", jerr, err, got)
	}
}

// TestReportTrace reports on an execution trace, from a file and from stdin, and says what is wrong with the command line or the
// files.
func TestReportTrace(t *testing.T) {
	const traced = "../../internal/exectrace/testdata/go1.26.trace.gz"
	trace, err := os.ReadFile(traced)
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "old.pb.gz")
	var b bytes.Buffer
	if err := errors.Join(sleepers(400, 5).Write(&b), os.WriteFile(old, b.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args, stdin string
		stdout, err string
		code        int
	}{
		{traced, "", `"evidence": "trace"`, "", codeUndecided},
		{"-", string(trace), `"requests": 60`, "", codeUndecided},
		{"--request task:order --format text " + traced, "", "60 requests took 10s or longer", "", codeUndecided},
		{"--request region:nothing " + traced, "", "", "no region nothing", codeFailed},
		{"--trace " + traced + " " + old, "", "", "of other seconds", codeFailed},
		{"--trace " + old + " " + old, "", "", "no execution trace", codeFailed},
		{"--trace " + traced + " " + traced, "", "", "has to be a profile", codeFailed},
		{"--trace - -", "", "", "cannot both be stdin", codeUsage},
		{"--trace " + traced + " -p 1", "", "", "goes with a recording", codeUsage},
		{"--trace-limit 0 " + traced, "", "", "--trace-limit 0", codeUsage},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		e := &env{stdin: strings.NewReader(tt.stdin), stdout: &out, stderr: &out, getenv: func(string) string { return "" }}
		err := run(t.Context(), e, append([]string{"report", "--slo", "p99<10s", "--format", "json"}, strings.Fields(tt.args)...))
		if code := exitCode(err); code != tt.code || !strings.Contains(out.String(), tt.stdout) || !strings.Contains(message(err), tt.err) {
			t.Errorf("%s: exit code %d, %q, stdout %.200q; want %d, %q", tt.args, code, message(err), out.String(), tt.code, tt.err)
		}
	}
}

// TestExactUsage has the command lines that cannot have exact requests, or exact CPU times.
func TestExactUsage(t *testing.T) {
	for _, tt := range []struct{ args, err string }{
		{"report --slo p99<1s --exact-requests slow.pb.gz", "is for recording"},
		{"report --slo p99<1s --exact-requests --request label:request -p 1", "calls of a function"},
		{"record --exact-requests -p 1", "needs --timeline"},
		{"record --exact-requests=main.handle --timeline --ring 30s --on exit -p 1", "does not go with --ring"},
		{"record --exact-cpu --timeline -p 1", "one of the two"},
		{"record --exact-cpu --latency 1s -p 1", "one of the two"},
		{"record --exact-cpu --ring 30s --when p99>1s -p 1", "one of the two"},
		{"top --exact-cpu -p 1 -p 2", "for one process"},
	} {
		var out bytes.Buffer
		e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: func(string) string { return "" }}
		if err := run(t.Context(), e, strings.Fields(tt.args)); exitCode(err) != codeUsage || !strings.Contains(message(err), tt.err) {
			t.Errorf("%s: exit code %d, %q", tt.args, exitCode(err), message(err))
		}
	}
}

// A signal ends work that cannot be interrupted.
func TestWithin(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if n, err := within(ctx, func() (int, error) { return 7, nil }); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	cancel()
	block := make(chan int)
	defer close(block)
	if _, err := within(ctx, func() (int, error) { return <-block, nil }); err == nil {
		t.Error("work went on after its context had ended")
	}
}

// TestReportFew has a group with too few requests beside one that is met: it is listed, and costs nothing unless one asks.
func TestReportFew(t *testing.T) {
	p := sleepers(400, 5)
	for i, s := range p.Sample[:400] {
		s.Label["endpoint"] = []string{"/often"}
		if i%40 == 0 {
			s.Label["endpoint"] = []string{"/rare"}
		}
	}
	path := filepath.Join(t.TempDir(), "few")
	f, err := os.Create(path)
	if err == nil {
		err = errors.Join(p.Write(f), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args string
		code int
	}{{"", codeOK}, {" --fail-on undecided", codeUndecided}, {" --fail-on never", codeUsage}} {
		var out bytes.Buffer
		e := &env{stdin: strings.NewReader(""), stdout: &out, stderr: &out, getenv: func(string) string { return "" }}
		err := run(t.Context(), e, strings.Fields("report --slo p99<10ms --request label:request --by endpoint"+tt.args+" "+path))
		if exitCode(err) != tt.code || tt.code != codeUsage && !strings.Contains(out.String(), "endpoint=/rare: p99<10ms FEW: ") {
			t.Errorf("%q: exit code %d, want %d\n%s", tt.args, exitCode(err), tt.code, out.String())
		}
	}
}
