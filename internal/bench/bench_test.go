package bench

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// Of each pair both runs have the same layout, and either is first, but for the first pair.
func TestOrder(t *testing.T) {
	turns := Order(100, rand.New(rand.NewPCG(1, 1)))
	newFirst := 0
	for i := 0; i < First; i++ {
		if turns[i].New || turns[i].Layout != i {
			t.Errorf("%d: %+v", i, turns[i])
		}
	}
	for i := First; i < len(turns); i += 2 {
		a, b := turns[i], turns[i+1]
		if a.New == b.New || a.Layout != b.Layout || i == First && a.New {
			t.Errorf("%d: %+v %+v", i, a, b)
		}
		if a.New {
			newFirst++
		}
	}
	if len(turns) != First+200 || newFirst < 30 || newFirst > 70 {
		t.Errorf("%d turns, of 100 pairs %d with new first", len(turns), newFirst)
	}
}

// Without a number there are as many layouts as can be linked in the time that there is for it, and in some space.
func TestLinks(t *testing.T) {
	for _, tt := range []struct {
		o     Options
		made  int
		took  time.Duration
		bytes int64
		want  bool
	}{
		{Options{Layouts: 1}, 0, 0, 0, true},
		{Options{Layouts: 1}, 1, 0, 1, false},
		{Options{Layouts: 20}, 19, time.Hour, 1 << 40, true},
		{Options{Link: time.Second}, 0, time.Hour, 0, true},
		{Options{Link: time.Second}, 3, time.Hour, 1 << 40, true},
		{Options{Link: time.Second}, 4, time.Hour, 1, false},
		{Options{Link: time.Second}, 15, 0, 1, true},
		{Options{Link: time.Second}, 16, 0, 1, false},
		{Options{Link: time.Second}, 8, 0, 2 << 30, false},
	} {
		if got := tt.o.links(tt.made, tt.took, tt.bytes); got != tt.want {
			t.Errorf("%+v: %t", tt, got)
		}
	}
}

// The floor is passed by chance in one of twenty comparisons of the same thing, and as many runs as are wanted find what is looked for.
func TestNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const cv, n, rounds = 0.03, 8, 4000
	draw := func(slow float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = (1 + slow) * (1 + cv*rng.NormFloat64())
		}
		return x
	}
	mean := func(x []float64) (sum float64) {
		for _, v := range x {
			sum += v / float64(len(x))
		}
		return sum
	}
	above := 0
	for range rounds {
		a, b := draw(0), draw(0)
		if mean(b)/mean(a)-1 > Measure(map[string][]float64{"x": a}).Floor(n, n) {
			above++
		}
	}
	if share := float64(above) / rounds; math.Abs(share-0.05) > 0.015 {
		t.Errorf("an unchanged program is above the floor in %.1f %% of the comparisons", 100*share)
	}
	if got := (Noise{CV: 0.03, N: 4}).Wanted(0.05, 0.05); got < 6 || got > 8 {
		t.Errorf("wanted %d runs", got)
	}
}

func TestCommon(t *testing.T) {
	got := Common([]map[string]float64{{"a": 1, "b": 2}, {"a": 3}})
	if len(got) != 1 || len(got["a"]) != 2 || got["a"][1] != 3 {
		t.Errorf("%v", got)
	}
}

// A run that did half of the work in the same CPU time took twice as much.
func TestScaled(t *testing.T) {
	ops := []map[string]float64{{"a": 10, "b": 20}, {"a": 5, "b": 10}}
	x := Scaled([]float64{3, 3}, ops, map[string][]float64{"a": {0.1, 0.3}, "b": {0.1, 0.1}})
	if math.Abs(x[1]/x[0]-2) > 1e-9 || math.Abs(x[0]-3.0/(10*0.2+20*0.1)) > 1e-9 {
		t.Errorf("%v", x)
	}
}

// The same runs give the same numbers, to the last bit.
func TestScaledIsTheSameEachTime(t *testing.T) {
	ops, times := map[string]float64{}, map[string][]float64{}
	for i := range 50 {
		name := fmt.Sprint(i)
		ops[name], times[name] = 1+1/float64(i+3), []float64{1 / float64(i+7)}
	}
	first := Scaled([]float64{3}, []map[string]float64{ops}, times)
	for range 50 {
		if x := Scaled([]float64{3}, []map[string]float64{ops}, times); x[0] != first[0] {
			t.Fatalf("%v, and before %v", x[0], first[0])
		}
	}
}

// A side is a folder, a file or a revision, built as often as there are layouts; nothing is left behind of a revision.
func TestOpen(t *testing.T) {
	repo := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = repo
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=x", "GIT_AUTHOR_EMAIL=x@x", "GIT_COMMITTER_NAME=x",
			"GIT_COMMITTER_EMAIL=x@x")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
	}
	if _, err := exec.LookPath("git"); err != nil {
		target.Need(t, fmt.Errorf("git: %w: %w", err, errors.ErrUnsupported))
	}
	for name, text := range map[string]string{
		"go.mod":     "module example.com/x\n\ngo 1.24\n",
		"x_test.go":  "package x\n\nimport \"testing\"\n\nfunc BenchmarkX(b *testing.B) {\n\tfor range b.N {\n\t}\n}\n",
		"sub/sub.go": "package sub\n",
	} {
		os.MkdirAll(filepath.Dir(filepath.Join(repo, name)), 0o755)
		if err := os.WriteFile(filepath.Join(repo, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run("git", "init", "-q")
	run("git", "add", "-A")
	run("git", "commit", "-q", "-m", "x")
	t.Chdir(repo)
	o := Options{Layouts: 2, Work: t.TempDir()}
	for _, name := range []string{".", "HEAD"} {
		s, err := Open(t.Context(), name, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := Shuffle(t.Context(), o, s); err != nil {
			t.Fatal(err)
		}
		if len(s.Commit) != 40 || s.Layouts() != 2 || s.Binary(0) == s.Binary(1) || s.Binary(0) != s.Binary(2) {
			t.Errorf("%s: %+v", name, s)
		}
		binary := s.Binary(0)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if s, err = Open(t.Context(), binary, o); err != nil || s.Layouts() != 1 {
			t.Errorf("%v %+v", err, s)
		}
	}
	if out, _ := exec.Command("git", "worktree", "list").Output(); strings.Count(string(out), "\n") != 1 {
		t.Errorf("worktrees left: %s", out)
	}
	for name, want := range map[string]string{"no-such": "no revision", "--exec=x": "no folder", "go.mod": "no program", "sub": "no tests"} {
		if _, err := Open(t.Context(), name, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
