//go:build kernels

package kernels

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// These run within the machines, as root and with the command in /bin. A line "@NAME: text" is for docs/kernels.md.

func inside(t *testing.T) {
	t.Helper()
	if os.Getenv("MAYFLY_TARGETS") == "" {
		t.Skip(&target.UnavailableError{What: "machine of internal/kernels", Err: errors.New("MAYFLY_TARGETS is not set")})
	}
}

// mayfly runs the command and decodes what it prints as JSON.
func mayfly(t *testing.T, into any, args ...string) {
	t.Helper()
	cmd := exec.Command("mayfly", args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("mayfly %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%v: %q\n%s", err, out, &stderr)
	}
}

// TestInsideDoctor finds the engine that samples by eBPF at work, and lists what the doctor has to say against this kernel.
func TestInsideDoctor(t *testing.T) {
	inside(t)
	var said struct {
		Works bool
		Host  []struct{ Name, Status, Found, Without string }
	}
	mayfly(t, &said, "doctor", "--json")
	var lacks []string
	for _, c := range said.Host {
		t.Logf("%-8s %-27s %s; %s", c.Status, c.Name, c.Found, c.Without)
		if c.Status != "ok" {
			lacks = append(lacks, c.Name+": "+c.Without)
		}
		if c.Name == "engine ebpf" && c.Status != "ok" {
			t.Errorf("%s: %s", c.Name, c.Found)
		}
	}
	if !said.Works {
		t.Error("recording does not work")
	}
	if lacks == nil {
		lacks = []string{"works fully"}
	}
	t.Logf("@doctor: %s", strings.Join(lacks, "; "))
}

// summary is what record --json says.
type summary struct {
	CPU      string  `json:"engine.cpu"`
	Wall     string  `json:"engine.wall"`
	Rate     float64 `json:"rate_reached_hz"`
	Samples  int
	Lost     int
	Rooted   float64 `json:"stacks_rooted"`
	Calls    int
	Denied   []string
	Doubtful int
}

// recorded records a running program, and returns its profile.
func recorded(t *testing.T, pid int, args ...string) (summary, *profile.Profile) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.pb.gz")
	var s summary
	mayfly(t, &s, append([]string{"record", "-p", fmt.Sprint(pid), "-d", "3s", "--json", "-o", file}, args...)...)
	f, err := os.Open(file)
	check(t, err)
	defer f.Close()
	p, err := profile.Parse(f)
	check(t, err)
	if s.CPU != "ebpf" || s.Lost > 0 || s.Rooted < 0.98 {
		t.Errorf("engine %s, %d of %d samples lost, %.3f of the stacks end at their root", s.CPU, s.Lost, s.Samples, s.Rooted)
	}
	return s, p
}

// labelled is how much of the CPU time of a function, callees included, has the label.
func labelled(t *testing.T, p *profile.Profile, function, label string) float64 {
	t.Helper()
	column := slices.IndexFunc(p.SampleType, func(v *profile.ValueType) bool { return v.Type == "cpu" })
	var with, all int64
	for _, s := range p.Sample {
		below := slices.ContainsFunc(s.Location, func(l *profile.Location) bool {
			return slices.ContainsFunc(l.Line, func(l profile.Line) bool { return l.Function.Name == function })
		})
		if !below {
			continue
		}
		all += s.Value[column]
		if len(s.Label[label]) == 1 {
			with += s.Value[column]
		}
	}
	if all == 0 {
		t.Fatalf("no CPU time of %s", function)
	}
	return float64(with) / float64(all)
}

func TestInsideRecord(t *testing.T) {
	inside(t)
	for _, tt := range []struct {
		program, function, label string
		args                     []string
	}{
		{"spin", "main.(*worker).work", "worker", nil},
		{"server", "main.answer", "endpoint", []string{"--timeline", "--exact-requests"}},
	} {
		t.Run(tt.program, func(t *testing.T) {
			x := target.Start(t, target.Compile(t, tt.program, target.Build{}))
			s, p := recorded(t, x.PID, tt.args...)
			share := labelled(t, p, tt.function, tt.label)
			if share < 1 {
				t.Errorf("%.4f of the CPU time of %s has the label %s, want all", share, tt.function, tt.label)
			}
			t.Logf("%d samples, %.0f Hz, %d calls, denied: %q", s.Samples, s.Rate, s.Calls, s.Denied)
			t.Logf("@%s: %.0f", tt.program, s.Rate)
			if tt.args != nil {
				t.Logf("@calls: %d", s.Calls)
				if s.Calls == 0 && s.Denied == nil {
					t.Error("no calls, and no word on why")
				}
			}
		})
	}
}
