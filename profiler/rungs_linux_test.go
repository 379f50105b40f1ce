package profiler_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
)

// With 5,000 goroutines and half a percent of the machine the helper cannot look a thousand times a
// second: it looks less often, and says so. Its own clock is the judge of what it used.
func TestGovernor(t *testing.T) {
	exe := public(t, target.Compile(t, "session", target.Build{Module: true}))
	p, truth := runSession(t, exe, asIs, "-d", "6s", "-parked", "5000", "-share", "0.005")
	s := truth.Summary
	t.Logf("%.2f %% of the machine, %.2f %% allowed; %.0f looks a second, %.0f samples a CPU-second: %s", 100*s.Budget.Used, 100*s.Budget.Most,
		s.Table.Rate, s.CPU.RateReached, s.Budget.Acts)
	if s.Budget.Most != 0.005 || !strings.Contains(s.Budget.Acts, "lowered") || s.Table.Rate > 900 {
		t.Errorf("budget %g, %.0f looks a second: %q", s.Budget.Most, s.Table.Rate, s.Budget.Acts)
	}
	if !strings.Contains(strings.Join(p.Comments, "\n"), "mayfly.governor=") {
		t.Error("the comments do not tell")
	}
	if s.Budget.Used > 0.06 { // the first two seconds, in which 5,000 stacks are new, are not governed
		t.Errorf("%.1f %% of the machine used", 100*s.Budget.Used)
	}
}

// Labels that are read a moment after the sample are those of the goroutine all the same: each set
// is where it was set, or left out.
func TestPerfLabels(t *testing.T) {
	x := target.Start(t, target.Compile(t, "labels", target.Build{}))
	rec := record(t, x.PID, 3*time.Second, profiler.Options{Engine: profiler.Perf})
	var truth struct {
		Sets map[string]struct {
			Func   string
			Labels map[string]string
		}
	}
	x.Truth(&truth)
	var all, wrong, none int64
	for _, s := range rec.Profile.Sample {
		names := frames(s)
		for _, set := range truth.Sets {
			if index(names, set.Func) < 0 {
				continue
			}
			all += s.Value[0]
			switch {
			case len(s.Label) == 0 && len(set.Labels) > 0:
				none += s.Value[0]
			case len(s.Label) != len(set.Labels):
				wrong += s.Value[0]
			default:
				for k, v := range set.Labels {
					if len(s.Label[k]) != 1 || s.Label[k][0] != v {
						wrong += s.Value[0]
						break
					}
				}
			}
		}
	}
	t.Logf("%d samples, %d without their labels, %d with wrong ones; %v", all, none, wrong, rec.Summary.Denied)
	if all < 100 || wrong*200 > all || none*5 > all {
		t.Errorf("of %d samples %d have no labels and %d wrong ones", all, none, wrong)
	}
	if rec.Summary.Stacks.Rooted < 0.99 {
		t.Errorf("%.2f %% of goroutine stacks end at their root", 100*rec.Summary.Stacks.Rooted)
	}
}

// The library in a container: user, PID and mount namespaces of its own, no rights on the host.
func TestSessionInNamespaces(t *testing.T) {
	exe := public(t, target.Compile(t, "session", target.Build{Module: true}))
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		target.Need(t, fmt.Errorf("%w: %w", errors.ErrUnsupported, err))
	}
	flags := []string{"--user", "--map-root-user", "--pid", "--fork", "--mount", "--mount-proc"}
	probe := exec.Command(unshare, append(flags, "true")...)
	unprivileged(probe)
	if out, err := probe.CombinedOutput(); err != nil {
		target.Need(t, fmt.Errorf("%w: namespaces: %s", errors.ErrUnsupported, out))
	}
	p, truth := runSession(t, exe, func(c *exec.Cmd) {
		c.Args = append(append(append([]string{"unshare"}, flags...), c.Path), c.Args[1:]...)
		c.Path = unshare
		unprivileged(c)
	}, "-d", "2s")
	if s := truth.Summary; s.EngineWall != "goroutine table" || s.EngineCPU == "none" || s.EngineCPU == "ebpf" {
		t.Errorf("engines %q and %q: %v", s.EngineCPU, s.EngineWall, s.Denied)
	}
	if sums := byKind(p, "wall"); sums["sleep"] == 0 {
		t.Errorf("wall time by label: %v", sums)
	}
}
