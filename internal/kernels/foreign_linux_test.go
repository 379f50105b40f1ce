//go:build kernels

package kernels

import (
	"net"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// TestInsideForeign records programs that others wrote, or wrote the library of, under load: all stacks end at their root, all that
// runs in a goroutine has one, and no label is lost.
func TestInsideForeign(t *testing.T) {
	inside(t)
	for _, tt := range []struct {
		name   string
		start  func(t *testing.T) (pid int)
		labels map[string]string // by function
	}{
		{"fasthttp", fasthttp, map[string]string{"main.orderBody": "path", "main.statusBody": "tenant"}},
		{"nats-server", nats, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, p := recorded(t, tt.start(t), "--goroutines", "--mode", "cpu")
			for function, label := range tt.labels {
				if share := labelled(t, p, function, label); share < 1 {
					t.Errorf("%.4f of the CPU time of %s has the label %s, want all", share, function, label)
				}
			}
			with, without := goroutines(t, p)
			t.Logf("%d samples, %.4f of the stacks end at their root, %d of goroutines, %d of the scheduler", s.Samples, s.Rooted, with, without)
			if with < 50 {
				t.Errorf("%d samples of goroutines", with)
			}
		})
	}
}

// goroutines counts the samples that have a goroutine, and those that have none, which only the scheduler and the thread that
// looks after it may.
func goroutines(t *testing.T, p *profile.Profile) (with, without int64) {
	t.Helper()
	for _, s := range p.Sample {
		names := names(s)
		if len(s.NumLabel["go.id"]) > 0 {
			with += s.Value[0]
			if slices.Contains(names, "[truncated]") {
				t.Logf("%d samples of %q", s.Value[0], names)
			}
			continue
		}
		without += s.Value[0]
		if root := names[len(names)-1]; !slices.Contains([]string{"[scheduler]", "[thread]", "runtime.mstart"}, root) {
			t.Errorf("%d samples without a goroutine: %q", s.Value[0], names)
		}
	}
	return with, without
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

func fasthttp(t *testing.T) int { return target.Start(t, "/bin/fasthttp").PID }

// nats starts a server, and clients that send requests to each other through it.
func nats(t *testing.T) int {
	const addr = "127.0.0.1:4222"
	server := run(t, "nats-server", "-a", "127.0.0.1", "-p", "4222")
	for range 600 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	run(t, "loadnats", "-addr="+addr, "-d=60s")
	time.Sleep(2 * time.Second)
	return server
}

// run starts a program that is killed at the end of the test.
func run(t *testing.T, name string, args ...string) (pid int) {
	cmd := exec.Command(name, args...)
	check(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd.Process.Pid
}
