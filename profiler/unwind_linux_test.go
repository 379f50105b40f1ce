package profiler_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// Assembly that uses the frame pointer for data costs no sample its stack, its goroutine or its labels.
func TestAssemblyUsesFramePointer(t *testing.T) {
	builds := target.Matrix(t)
	for _, b := range target.Matrix(t) {
		if b == (target.Build{Go: b.Go}) {
			b.Race, b.CGO = true, true
			builds = append(builds, b)
		}
	}
	for _, b := range builds {
		t.Run(b.String(), func(t *testing.T) {
			x := target.Start(t, target.Compile(t, "crypto", b))
			rec := record(t, x.PID, 2*time.Second, profiler.Options{Rate: 1999})
			var truth cryptoTruth
			x.Truth(&truth)
			checkCrypto(t, rec, &truth)
		})
	}
}

type cryptoTruth struct {
	Kinds []struct{ Kind, Function string }
}

func checkCrypto(t *testing.T, rec *profiler.Recording, truth *cryptoTruth) {
	var all, labelled, whole int64
	seen := make(map[string]int64)
	for _, s := range rec.Profile.Sample {
		names := names(s)
		if slices.Contains(names, "[unknown]") || slices.Contains(names, "[kernel]") {
			t.Errorf("a frame that is none: %q", names)
		}
		kind := strings.Join(s.Label["kind"], "")
		if kind == "" && !slices.Contains(names, "main.(*kind).run") {
			continue
		}
		all += s.Value[0]
		if kind != "" {
			labelled += s.Value[0]
		}
		if names[len(names)-1] == "main.main.func1" {
			whole += s.Value[0]
		} else {
			t.Logf("%d samples of %q: %q", s.Value[0], kind, names)
		}
		for _, k := range truth.Kinds {
			if slices.Contains(names, k.Function) {
				seen[k.Kind] += s.Value[0]
				if kind != k.Kind && kind != "" {
					t.Errorf("%s has the label %q: %q", k.Function, kind, names)
				}
			}
		}
	}
	t.Logf("%d samples, %d labelled, %d whole, %.4f rooted: %v", all, labelled, whole, rec.Summary.Stacks.Rooted, seen)
	const most = 0.998
	if all < 200 || float64(labelled) < 0.995*float64(all) || float64(whole) < most*float64(all) || rec.Summary.Stacks.Rooted < most {
		t.Errorf("%d samples, %d labelled, %d whole, %.2f %% rooted", all, labelled, whole, 100*rec.Summary.Stacks.Rooted)
	}
	for _, k := range truth.Kinds {
		if seen[k.Kind] == 0 {
			t.Errorf("%s: no sample", k.Function)
		}
	}
}

// names is all functions of a sample, leaf first.
func names(s *profile.Sample) (names []string) {
	for _, l := range s.Location {
		for _, ln := range l.Line {
			names = append(names, ln.Function.Name)
		}
	}
	return names
}

// Who calls what is as runtime/pprof has it of the same seconds.
func TestAssemblyAgreesWithRuntimePprof(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cpu.pprof")
	x := target.Start(t, target.Compile(t, "crypto", target.Build{}), "-pprof", file)
	rec := record(t, x.PID, 5*time.Second, profiler.Options{Rate: 999})
	x.Stop()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	base, err := profile.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	agree(t, rec.Profile, base)
}

// A sample in a signal handler has what the signal interrupted below it, with its callers, and its goroutine's labels.
func TestSignalHandlers(t *testing.T) {
	x := target.Start(t, target.Compile(t, "signals", target.Build{}))
	rec := record(t, x.PID, 2*time.Second, profiler.Options{Rate: 1999})
	var in, whole, calling int64
	for _, s := range rec.Profile.Sample {
		names := names(s)
		at := slices.Index(names, "runtime.sigtramp")
		if at < 0 || slices.Contains([]string{"[scheduler]", "main.main.func2"}, names[len(names)-1]) { // who sends is preempted by signals
			continue
		}
		in += s.Value[0]
		if below := strings.Join(names[at+1:], " < "); whereSignalled.MatchString(below) && slices.Contains(s.Label["load"], "work") {
			whole += s.Value[0]
			if strings.Contains(below, "Syscall6 < syscall.RawSyscall6 < ") {
				calling += s.Value[0]
			}
		} else {
			t.Logf("%d samples with the labels %v: %q", s.Value[0], s.Label, names)
		}
	}
	t.Logf("%d samples in handlers, %d of them whole, %d of signals in a system call", in, whole, calling)
	if in < 20 || calling == 0 || float64(whole) < 0.98*float64(in) {
		t.Errorf("%d samples in handlers, %d of them whole, %d of signals in a system call", in, whole, calling)
	}
}

// whereSignalled is what testdata/signals may be interrupted in, by itself or by the runtime.
var whereSignalled = regexp.MustCompile(`^(runtime\.asyncPreempt < )?(main\.step < |([^ ]*Syscall6 < )?syscall\.RawSyscall6? < ` +
	`(syscall\.RawSyscall < )?)?(main\.burn < )?main\.work < main\.main\.func1$`)

// A stack that is deeper than what is walked keeps its leaf's end and its root; what is between them is not in the
// profile, and the frame [truncated] says so.
func TestDeepStacks(t *testing.T) {
	x := target.Start(t, target.Compile(t, "deep", target.Build{}))
	rec := record(t, x.PID, 2*time.Second, profiler.Options{Rate: 1999})
	seen := make(map[string]int64)
	for _, s := range rec.Profile.Sample {
		names := names(s)
		kind := strings.Join(s.Label["stack"], "")
		if kind == "" || !slices.Contains(names, "main.burn") {
			continue
		}
		seen[kind] += s.Value[0]
		if root := names[len(names)-1]; root != "main.main.func1" && root != "runtime/pprof.Do" { // Do may be inlined
			t.Errorf("%s: the root is %q", kind, root)
		}
		if cut := slices.Contains(names, "[truncated]"); cut != (kind != "huge") {
			t.Errorf("%s: truncated: %v: %d frames, at %#x: %q", kind, cut, len(names), s.Location[0].Address, names[:min(len(names), 20)])
		}
	}
	for _, kind := range []string{"recursion", "wide", "huge"} {
		if seen[kind] < 20 {
			t.Errorf("%s: %d samples", kind, seen[kind])
		}
	}
	if rec.Summary.Stacks.Rooted < 0.998 {
		t.Errorf("%.2f %% rooted", 100*rec.Summary.Stacks.Rooted)
	}
}
