package profiler_test

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/goruntime"
	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// embedding is Go code in a program of another language.
type embedding struct {
	name  string
	build target.Build
	start func(t *testing.T, file string) *target.Target
}

const python = `
import ctypes, select, sys, time
lib = ctypes.CDLL(sys.argv[1])
lib.Start()
print("ready", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    lib.Call(5)
    end = time.thread_time() + 0.005
    while time.thread_time() < end: pass
print("{}")
`

var embeddings = []embedding{
	{"c-archive", target.Build{CGO: true, Mode: "c-archive"}, func(t *testing.T, archive string) *target.Target {
		return target.Start(t, target.Host(t, archive))
	}},
	{"c-archive, stripped", target.Build{CGO: true, Mode: "c-archive"}, func(t *testing.T, archive string) *target.Target {
		host := target.Host(t, archive)
		if text, err := exec.Command("strip", host).CombinedOutput(); err != nil {
			t.Skipf("strip: %v: %s", err, text)
		}
		return target.Start(t, host)
	}},
	{"c-shared", target.Build{CGO: true, Mode: "c-shared"}, loaded},
	{"c-shared, stripped", target.Build{CGO: true, Mode: "c-shared", Strip: true}, loaded},
	{"c-shared in python", target.Build{CGO: true, Mode: "c-shared"}, func(t *testing.T, lib string) *target.Target {
		exe, err := exec.LookPath("python3")
		if err == nil {
			err = exec.Command(exe, "-c", "import ctypes").Run()
		}
		if err != nil {
			t.Skip("no python3 with ctypes: ", err)
		}
		return target.Start(t, exe, "-c", python, lib)
	}},
}

func loaded(t *testing.T, lib string) *target.Target { return target.Start(t, target.Host(t, ""), lib) }

// Go code in a program of another language has ids, labels, states and stacks, which lead to the C code
// that called it.
func TestEmbedded(t *testing.T) {
	target.Need(t, bpf.Probe()) // the stacks, and nothing denied, are eBPF's
	for _, e := range embeddings {
		t.Run(e.name, func(t *testing.T) {
			file := target.Compile(t, "embed", e.build)
			x := e.start(t, file)
			rec := record(t, x.PID, 2*time.Second, profiler.Options{Mode: profiler.Wall})
			image := ""
			if e.build.Mode == "c-shared" {
				image = file
			}
			if got := rec.Summary.Target.Image; got != image {
				t.Errorf("the Go runtime is said to be in %q, want %q", got, image)
			}
			checkEmbedded(t, rec)
			checkDump(t, x.PID)
			x.Stop()
		})
	}
}

func checkEmbedded(t *testing.T, rec *profiler.Recording) {
	t.Helper()
	states := make(map[[2]string]int64)
	var spin, call, labelled int64
	for _, s := range rec.Profile.Sample {
		job := ""
		if l := s.Label["job"]; len(l) > 0 {
			job = l[0]
		}
		names := frames(s)
		cpu := s.Value[1]
		states[[2]string{job, s.Label["go.state"][0]}] += s.Value[len(s.Value)-1]
		if job == "spin" {
			spin += cpu
		}
		if slices.Contains(names, "main.Call.func1") {
			call += cpu
			if job == "call" {
				labelled += cpu
			}
			if root := names[len(names)-1]; cpu > 0 && root != "[C]" && !inC(s) {
				t.Errorf("a stack of main.Call ends in %s: %q", root, names)
			}
		}
	}
	if len(rec.Summary.Denied) > 0 {
		t.Errorf("denied: %q", rec.Summary.Denied)
	}
	if rec.Summary.Stacks.Rooted < 0.999 {
		t.Errorf("%.4f of the stacks are rooted", rec.Summary.Stacks.Rooted)
	}
	if call == 0 || spin == 0 || float64(labelled) < 0.99*float64(call) {
		t.Errorf("CPU time of the label spin %d ns; of main.Call %d ns, labelled %d ns", spin, call, labelled)
	}
	for job, state := range map[string]string{"sleep": "sleep", "wait": "chan receive"} {
		whole := int64(0)
		for k, ns := range states {
			if k[0] == job {
				whole += ns
			}
		}
		if in := states[[2]string{job, state}]; whole < 1e9 || float64(in) < 0.9*float64(whole) {
			t.Errorf("%s: %d of %d ns in %q", job, in, whole, state)
		}
	}
}

// inC says whether the root of a stack is code of no Go function.
func inC(s *profile.Sample) bool {
	l := s.Location[len(s.Location)-1]
	return len(l.Line) > 0 && l.Line[0].Function.Filename == ""
}

// checkDump looks at the goroutines until each had a stack in some dump: one that calls C and comes back thousands of times a
// second may do so while it is read, and has none then.
func checkDump(t *testing.T, pid int) {
	t.Helper()
	var bare map[uint64]string
	for i := 0; i == 0 || i < 10 && len(bare) > 0; i++ {
		all, err := profiler.Dump(t.Context(), pid)
		target.Need(t, err)
		jobs, now := 0, make(map[uint64]string)
		for _, g := range all {
			if len(g.Labels) > 0 {
				jobs++
			}
			if _, before := bare[g.ID]; len(g.Stack) == 0 && (i == 0 || before) && !slices.Contains(onThread, g.State) {
				now[g.ID] = string(g.State)
			}
		}
		if bare = now; jobs < 3 {
			t.Errorf("%d goroutines with labels", jobs)
		}
	}
	for id, state := range bare {
		t.Errorf("goroutine %d, %s, has no stack in ten dumps", id, state)
	}
}

// onThread are the states of goroutines that have no stack at rest.
var onThread = []sample.State{sample.Running, sample.Preempted, sample.Runnable}

// Two Go libraries in one process: the one chosen is said, and so is the other.
func TestTwoImages(t *testing.T) {
	one := target.Compile(t, "embed", target.Build{CGO: true, Mode: "c-shared"})
	two := target.Compile(t, "embed", target.Build{CGO: true, Mode: "c-shared", Strip: true})
	x := target.Start(t, target.Host(t, ""), one, two)
	defer x.Stop()
	p, err := proc.Open(x.PID)
	target.Need(t, err)
	defer p.Close()
	im, err := new(goruntime.Images).Find(p)
	target.Need(t, err)
	if got := append(im.Others, im.Mapping.Path); len(got) != 2 || !slices.Contains(got, one) || !slices.Contains(got, two) {
		t.Errorf("found %q, want %s and %s", got, filepath.Base(one), two)
	}
	all, err := profiler.Dump(t.Context(), x.PID)
	target.Need(t, err)
	if len(all) == 0 {
		t.Error("no goroutine")
	}
}

// A Go library that is loaded while the recording runs has a runtime of its own, and that is said.
func TestImageLoadedLater(t *testing.T) {
	target.Need(t, bpf.Probe()) // the stacks, and nothing denied, are eBPF's
	one := target.Compile(t, "embed", target.Build{CGO: true, Mode: "c-shared"})
	two := target.Compile(t, "embed", target.Build{CGO: true, Mode: "c-shared", Strip: true})
	x := target.Start(t, target.Host(t, ""), one, "later", two)
	rec := record(t, x.PID, 4*time.Second, profiler.Options{Mode: profiler.Wall})
	if rec.Summary.Target.Image != one || len(rec.Summary.Denied) != 1 || !strings.Contains(rec.Summary.Denied[0], two) {
		t.Errorf("the Go runtime is in %q, want %q; denied: %q, want %s", rec.Summary.Target.Image, one, rec.Summary.Denied, two)
	}
}
