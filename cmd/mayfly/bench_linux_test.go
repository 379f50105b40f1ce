package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/bench"
	"github.com/mayfly-profiler/mayfly/internal/diff"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// versions are two folders with testdata/bench, of which the second one's checksum takes three times as long.
func versions(t *testing.T) (dirs [2]string) {
	t.Helper()
	const source = "../../testdata/bench"
	for i, rounds := range []string{"fast.go", "slow.go"} {
		dirs[i] = filepath.Join(t.TempDir(), "v")
		for from, to := range map[string]string{"bench.go": "bench.go", "bench_test.go": "bench_test.go", rounds: "rounds.go"} {
			text, err := os.ReadFile(filepath.Join(source, from))
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(string(text), "package bench")
			write(t, filepath.Join(dirs[i], to), "package bench"+rest)
		}
		write(t, filepath.Join(dirs[i], "go.mod"), "module example.com/bench\n\ngo 1.24\n")
	}
	return dirs
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// sevenAndThree is a history on this host: seven results of a benchmark that took next to no time, and three in which it took seconds.
func sevenAndThree(benchmark string) string {
	var text strings.Builder
	for i := range 10 {
		ns := 1 + float64(i)/100
		if i >= 7 {
			ns *= 1e10
		}
		json.NewEncoder(&text).Encode(bench.Line{NewCommit: fmt.Sprint("c", i), CPUModel: proc.ReadHardware().Model,
			Benchmarks: map[string][2]float64{benchmark: {1, ns}}})
	}
	return text.String()
}

// Bench builds both versions, runs them in turns, and compares by operation; what it did is in the history and what
// it recorded in the folder that was asked for.
func TestBench(t *testing.T) {
	target.Need(t, bpf.Probe())
	v := versions(t)
	past := filepath.Join(t.TempDir(), "history.jsonl")
	name := "BenchmarkChecksum"
	if n := runtime.GOMAXPROCS(0); n > 1 { // as go test names it
		name += "-" + strconv.Itoa(n)
	}
	write(t, past, sevenAndThree(name))
	s := start(t, nil, "bench", "--json", "--runs", "2", "--layouts", "2", "--bench", "Checksum$", "--benchtime", "100ms",
		"--keep", "kept", "--history", past, v[0], v[1])
	r := s.slower()
	if r.Base.Profiles != 6 || r.New.Profiles != 2 || !strings.Contains(strings.Join(r.Notes, " "), "6 and 2 runs of 2 and 2 layouts") {
		t.Errorf("%+v %+v %q", r.Base, r.New, r.Notes)
	}
	if c := r.Columns[1]; c.Name != diff.DuetColumn || c.Rounds < 3 || len(c.Rows) != 1 || c.Rows[0].Change.Relative < 0.5 {
		t.Errorf("side by side: %+v %q", c, r.Notes) // three times the checksum, and the same beside it
	}
	if files, _ := filepath.Glob(filepath.Join(s.cmd.Dir, "kept", "*", "*.pb.gz")); len(files) != 8 {
		t.Errorf("kept %v", files)
	}
	if len(r.History) != 1 || r.History[0].Commit != "c7" || r.History[0].Since != 4 {
		t.Errorf("since when: %v", r.History)
	}
	text, err := os.ReadFile(past)
	if err != nil || !strings.Contains(string(text), `"runs":[6,2]`) || strings.Count(string(text), "\n") != 11 {
		t.Errorf("history %v %s", err, text)
	}
	write(t, filepath.Join(s.cmd.Dir, "broken"), "{}\n{")
	for _, tt := range []struct{ args, want string }{
		{"--history " + filepath.Join(s.cmd.Dir, "broken") + " " + v[0] + " " + v[1], "line 2: unexpected end of JSON"},
		{"--history /dev/null/x --bench NoSuch " + v[0] + " " + v[1], "/dev/null/x: "}, // before a run
		{"--bench NoSuch " + v[0] + " " + v[1], "has no benchmark that matches"},
		{v[0] + " no-such", "no folder, no file and no revision"},
		{"--layouts 65 " + v[0] + " " + v[1], "--layouts 65: not from 1 to 64"},
	} {
		x := start(t, nil, append([]string{"bench", "--layouts", "1"}, strings.Fields(tt.args)...)...)
		if code := x.wait(); code == 0 || !strings.Contains(x.stderr.String(), tt.want) {
			t.Errorf("%s: exit code %d: %s", tt.args, code, x.stderr.String())
		}
	}
}

// Ctrl-C ends the runs, and what there is, is compared.
func TestBenchInterrupted(t *testing.T) {
	target.Need(t, bpf.Probe())
	v := versions(t)
	s := start(t, nil, "bench", "--json", "--time", "5m", "--layouts", "1", "--bench", "Checksum$", "--benchtime", "100ms",
		"--keep", "kept", v[0], v[1])
	s.until("two runs of each side", func() bool {
		files, _ := filepath.Glob(filepath.Join(s.cmd.Dir, "kept", "new", "*.pb.gz"))
		return len(files) > 2 // the last one may be under way
	})
	s.cmd.Process.Signal(os.Interrupt)
	s.wait()
	var r diff.Result
	if err := json.Unmarshal(s.stdout.Bytes(), &r); err != nil || r.New.Profiles < 2 || r.Base.Profiles < 5 {
		t.Errorf("%v, %d and %d runs: %s", err, r.Base.Profiles, r.New.Profiles, s.stderr.String())
	}
}

// The steps of docs/ci's workflow, on two versions of which one is slower: what they write is there, and they fail.
func TestWorkflow(t *testing.T) {
	target.Need(t, bpf.Probe())
	steps, err := workflow()
	if err != nil {
		t.Fatal(err)
	}
	v, dir := versions(t), t.TempDir()
	const one = "package bench\n\nimport \"testing\"\n\nfunc BenchmarkChecksum(b *testing.B) {\n" +
		"\tfor range b.N {\n\t\tchecksum(make([]byte, 4096))\n\t}\n}\n"
	for i, name := range []string{"base", "new"} {
		write(t, filepath.Join(v[i], "bench_test.go"), one)
		if err := os.Rename(v[i], filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	run := func(step string) (string, error) {
		cmd := exec.Command("bash", "-e", "-c", steps[step])
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PACKAGE=.", "TIME=15s", "GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary.md"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("bench"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := run("compare")
	summary, _ := os.ReadFile(filepath.Join(dir, "summary.md"))
	if err == nil || !strings.HasPrefix(string(summary), diff.Marker) || !strings.Contains(string(summary), "BenchmarkChecksum") {
		t.Errorf("%v %s\n%s", err, out, summary)
	}
	if _, err := os.Stat(filepath.Join(dir, "diff.html")); err != nil {
		t.Error(err)
	}
}
