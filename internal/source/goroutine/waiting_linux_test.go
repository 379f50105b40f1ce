package goroutine_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/goroutine"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/sample"
)

// objectStates are those in which a goroutine waits for an object.
var objectStates = []sample.State{"chan receive", "chan send", "select", "semacquire", "sync.Cond.Wait",
	"sync.Mutex.Lock", "sync.RWMutex.Lock", "sync.RWMutex.RLock", "sync.WaitGroup.Wait"}

// waitBuilds are the releases that differ in what leads to an object, and the whole matrix if asked for.
func waitBuilds(t *testing.T) []target.Build {
	if len(target.Releases(t)) > 1 {
		return target.Matrix(t)
	}
	return []target.Build{{Go: "1.21.13"}, {Go: "1.24.13", Strip: true}, {}, {Go: "1.27.4", PIE: true}}
}

// Each goroutine of testdata/waits waits for what its label says, at the address that the program printed: in
// snapshots all of them, in a recording for all but a little of the time.
func TestWaitsOn(t *testing.T) {
	for _, b := range waitBuilds(t) {
		t.Run(b.String(), func(t *testing.T) {
			exe := target.Compile(t, "waits", b)
			x := open(t, target.Start(t, exe), goroutine.Options{Split: true})
			for range 3 {
				checkWaits(t, x)
			}
			checkWaitTimes(t, x)
		})
		t.Run(b.String()+",sync", func(t *testing.T) {
			checkWaits(t, open(t, target.Start(t, target.Compile(t, "waits", b), "-sync"), goroutine.Options{}))
		})
	}
}

func checkWaits(t *testing.T, x *live) {
	t.Helper()
	kinds := map[sample.ObjectKind]int{}
	for _, g := range x.snapshot(t) {
		want := labelOf(g.Labels, "on")
		if want == "" || !slices.Contains(objectStates, g.State) || g.Loss != sample.Whole {
			continue
		}
		got := sample.FormatObjects(x.undated(t, g.WaitOn), !g.WaitCut)
		if turns := strings.Contains(want, "|"); !slices.Contains(strings.Split(want, "|"), got) && !(turns && got == "") {
			t.Errorf("%s on %q, truth %q; %s", g.State, got, want, x.names(g.Stack))
		}
		for _, o := range g.WaitOn {
			kinds[o.Kind]++
		}
	}
	for _, k := range []sample.ObjectKind{sample.Chan, sample.Mutex, sample.RWMutex, sample.Cond} {
		if kinds[k] == 0 {
			t.Errorf("nobody waits for a %s: %v", k, kinds)
		}
	}
}

// undated takes off when timers are due, which is an hour after the program has started.
func (x *live) undated(t *testing.T, list []sample.Object) []sample.Object {
	t.Helper()
	for i := range list {
		o := &list[i]
		if in := time.Duration(o.Due - x.Now()); o.Kind == sample.Timer && (in < 50*time.Minute || in > time.Hour || o.Every != 0 &&
			o.Every != int64(time.Hour)) {
			t.Errorf("%s: in %v", o, in)
		}
		o.Due, o.Every = 0, 0
	}
	return list
}

func checkWaitTimes(t *testing.T, x *live) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var all, none, wrong time.Duration
	nothing := map[sample.State]time.Duration{}
	err := x.Run(ctx, func(s *sample.Sample) {
		want := labelOf(s.Labels, "on")
		if want == "" || !slices.Contains(objectStates, s.State) {
			return
		}
		all += time.Duration(s.Weight)
		var got string
		if list, all, err := sample.ParseObjects(s.WaitOn); err == nil {
			got = sample.FormatObjects(x.undated(t, list), all)
		}
		part, cut := strings.CutSuffix(got, "...")
		switch {
		case got == "":
			none += time.Duration(s.Weight)
			nothing[s.State] += time.Duration(s.Weight)
		case slices.Contains(strings.Split(want, "|"), got), cut && strings.HasPrefix(want, part):
		default:
			wrong += time.Duration(s.Weight)
			t.Errorf("%s on %q, truth %q", s.State, s.WaitOn, want)
		}
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("waits: %v in all, %v on nothing %v, %v on something else; %+v", all, none, nothing, wrong, x.Stats().CPU)
	if none > all/50 || all < 10*time.Second {
		t.Errorf("of %v of waiting %v is for nothing", all, none)
	}
}

// In a time namespace the target's clock is another one than the kernel's, by which mayfly tells the time.
func TestWaitsInTimeNamespace(t *testing.T) {
	const day = 24 * 60 * 60
	flags := []string{"--time", "--monotonic", strconv.Itoa(day)}
	if out, err := exec.Command("unshare", append(flags, "true")...).CombinedOutput(); err != nil {
		target.Need(t, fmt.Errorf("%w: time namespace: %s", errors.ErrUnsupported, out))
	}
	exe := target.Compile(t, "waits", target.Build{})
	x := target.Start(t, "unshare", append(flags, exe)...)
	x.Exe = exe
	l := open(t, x, goroutine.Options{Split: true})
	p, err := proc.Open(x.PID)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if off := p.TimeOffset(); off == 0 {
		target.Need(t, fmt.Errorf("%w: the kernel leaves who calls execve in its time namespace", errors.ErrUnsupported))
	} else if off != day*int64(time.Second) {
		t.Errorf("the namespace adds %v", time.Duration(off))
	}
	checkWaits(t, l)
}
