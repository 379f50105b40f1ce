package inprocess_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/target"
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

// A program that records itself is not held up by memory of its own that its helper cannot read.
func TestSessionEndsWhenMemoryBlocks(t *testing.T) {
	exe := target.Compile(t, "session", target.Build{Module: true})
	x := target.Start(t, target.Compile(t, "blocked", target.Build{}), "-after", "0s", "-burn")
	if strings.HasPrefix(x.Ready, "ready errno") { // the kernel does not allow it
		target.Need(t, errors.ErrUnsupported)
	}
	x.Kill()
	done := make(chan *sessionTruth, 1)
	go func() { // runSession ends the program with the test
		_, truth := runSession(t, exe, asIs, "-d", "3s", "-block")
		done <- truth
	}()
	select {
	case truth := <-done:
		if denied := strings.Join(truth.Summary.Denied, "\n"); !strings.Contains(denied, "the target's memory cannot be read") {
			t.Errorf("denied is %q", denied)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
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
