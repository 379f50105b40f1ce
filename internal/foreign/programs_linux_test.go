package foreign

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// programs are the folders of testdata/foreign, and what is known about the time they label.
var programs = []struct {
	name string
	args func(t *testing.T) []string
	env  string // that is "all"

	ownStacks bool // it runs generated code on stacks of its own
}{
	{name: "grpc", env: "GRPC_GO_SERVER_GOROUTINE_LABELS"},
	{name: "pgx", args: postgres},
	{name: "fasthttp"}, {name: "chi"}, {name: "echo"}, {name: "websocket"},
	{name: "digest"}, {name: "wazero", ownStacks: true}, {name: "sonic"}, {name: "routine"},
}

// firstWord is where the counts begin in the page of a program of testdata/foreign (package tally).
const firstWord = 8

// A truth is what a program of testdata/foreign counted.
type truth struct {
	Sets []struct {
		Handler string
		Labels  map[string]string
	}
}

// TestPrograms holds the facts against libraries in small programs.
func TestPrograms(t *testing.T) {
	target.Need(t, bpf.Probe())
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			exe := target.Foreign(t, p.name)
			page := filepath.Join(t.TempDir(), "page")
			args := []string{"-ctl", page}
			if p.args != nil {
				args = append(args, p.args(t)...)
			}
			if p.env != "" {
				t.Setenv(p.env, "all")
			}
			x := target.Start(t, exe, args...)
			var ends []counts
			o := observe(t, x.PID, 2500*time.Millisecond, func() { ends = append(ends, words(t, page)) })
			var tr truth
			x.Truth(&tr)
			f := o.facts(tr.scopes())
			t.Log(f)
			if p.ownStacks {
				f.cut = 0 // below WebAssembly there is the root, and no more
			}
			f.hold(t, o.rec.Summary)
			tr.hold(t, o.rec.Profile, ends[1].minus(ends[0]))
			readable(t, o.rec.Profile)
		})
	}
}

func postgres(t *testing.T) []string {
	dsn, err := target.Postgres(t)
	if err != nil {
		t.Skip(err) // only ever that there is none here
	}
	return []string{"-dsn", dsn}
}

// scopes are the sets of a program: what runs below a handler has the labels of one of its sets.
func (tr truth) scopes() (all []scope) {
	for _, s := range tr.Sets {
		all = append(all, scope{[]string{s.Handler}, s.Labels})
	}
	return all
}

type counts [512]uint64

// words reads the page that a program counts in.
func words(t *testing.T, page string) (c counts) {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for i := range c {
		c[i] = binary.NativeEndian.Uint64(b[8*i:])
	}
	return c
}

func (c counts) minus(before counts) counts {
	for i := range c {
		c[i] -= before[i]
	}
	return c
}

// maxTime is by how much the time under a set's labels may differ from what the program measured, beyond
// four standard errors: of the requests that were counted, each begun or ended between two scans, or of the scans
// that fell on them, if those are fewer. 170 ms of requests of 0.2 ms are 170 scans and samples, 8 % either way.
const maxTime = 0.05

func margin(requests uint64, ns float64) float64 {
	scans := ns * source.DefaultRate / 1e9
	return maxTime + 4*math.Sqrt(max(0.25/float64(max(requests, 1)), 1/max(scans, 1)))
}

// hold compares wall times with what the handlers measured. What is below a handler with its labels is
// no more than that, and what has the labels no less: they are set before it begins and taken off after
// it has ended, and some samples come without a stack.
func (tr truth) hold(t *testing.T, p *profile.Profile, c counts) {
	t.Helper()
	for i, s := range tr.Sets {
		requests, want := c[firstWord+2*i], float64(c[firstWord+2*i+1])
		below, under := times(p, scope{[]string{s.Handler}, s.Labels})
		limit := margin(requests, want)
		line := fmt.Sprintf("%v: %d requests, %.3fs in %s; in the profile below it %+.1f %%, under its labels %+.1f %%", s.Labels, requests,
			want/1e9, s.Handler, 100*(below/want-1), 100*(under/want-1))
		t.Log(line)
		if requests == 0 || below > want*(1+limit) || len(s.Labels) > 0 && under < want*(1-limit) {
			t.Errorf("%s, limit %.1f %%", line, 100*limit)
		}
	}
}

// times are the wall times below the scope's function under its labels, and under its labels alone.
func times(p *profile.Profile, s scope) (below, under float64) {
	for _, x := range p.Sample {
		if !s.labelled(x) {
			continue
		}
		under += float64(x.Value[wall])
		if s.holds(frames(x)) {
			below += float64(x.Value[wall])
		}
	}
	return below, under
}
