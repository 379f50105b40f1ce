package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// jsonReport is what a report says of itself.
type jsonReport struct {
	Evidence string
	Requests int
	Notes    []string
}

// reported runs report on a process to its end.
func reported(t *testing.T, args ...string) (r jsonReport) {
	t.Helper()
	s := start(t, nil, append([]string{"report", "--format", "json", "--slo", "p99<10s", "-d", "2s"}, args...)...)
	if code := s.wait(); code != 0 && code != 4 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	if err := json.Unmarshal(s.stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, s.stdout.String())
	}
	return r
}

// TestReportFetchesTrace: a server with net/http/pprof is asked for its own trace of the recorded seconds; without, or while somebody
// else traces it, the report does without and says why.
func TestReportFetchesTrace(t *testing.T) {
	target.Need(t, bpf.Probe())
	exe := target.Compile(t, "server", target.Build{})
	x := target.Start(t, exe, "-pprof", "127.0.0.1:0")
	r := reported(t, "-p", pid(x))
	if r.Evidence != "trace" || r.Requests < 10 || len(r.Notes) > 0 {
		t.Errorf("evidence %s, %d requests, notes %q", r.Evidence, r.Requests, r.Notes)
	}
	dir := t.TempDir()
	r = reported(t, "-p", pid(x), "--keep", dir)
	p, trace := filepath.Join(dir, "mayfly.pb.gz"), filepath.Join(dir, "trace.out")
	if again := reported(t, "--trace", trace, p); again.Evidence != "trace" || again.Requests != r.Requests {
		t.Errorf("what was kept: %+v, at once %+v", again, r)
	}
	if r := reported(t, "-p", pid(x), "--no-trace"); r.Evidence == "trace" || len(r.Notes) > 0 {
		t.Errorf("--no-trace: evidence %s, notes %q", r.Evidence, r.Notes)
	}
	resp, err := http.Get("http://" + x.Field("http") + "/debug/pprof/trace?seconds=30")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if r := reported(t, "-p", pid(x)); r.Evidence == "trace" || !strings.Contains(strings.Join(r.Notes, " "), "already enabled") {
		t.Errorf("traced already: evidence %s, notes %q", r.Evidence, r.Notes)
	}
	y := target.Start(t, exe)
	if r := reported(t, "-p", pid(y)); r.Evidence == "trace" || !strings.Contains(strings.Join(r.Notes, " "), `import _ "net/http/pprof"`) {
		t.Errorf("no handlers: evidence %s, notes %q", r.Evidence, r.Notes)
	}
}
