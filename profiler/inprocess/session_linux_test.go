package inprocess_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source"
	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler"
	"github.com/mayfly-profiler/mayfly/profiler/inprocess"
	"github.com/mayfly-profiler/mayfly/profiler/summary"
)

// nobody has no rights.
const nobody = 65534

// public copies an executable to a folder that every user can read and write.
func public(t testing.TB, exe string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "mayfly-session")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b, err := os.ReadFile(exe)
	if err == nil {
		err = errors.Join(os.Chmod(dir, 0o777), os.WriteFile(filepath.Join(dir, "session"), b, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "session")
}

// unprivileged takes all rights from a command that root starts.
func unprivileged(c *exec.Cmd) {
	if os.Getuid() == 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
}

func asIs(*exec.Cmd) {}

// sessionTruth is what testdata/session says of itself.
type sessionTruth struct {
	CPU     map[string]int64 `json:"cpu_ns"`
	Wall    map[string]int64 `json:"wall_ns"`
	Process int64            `json:"process_ns"`
	Window  int64            `json:"window_ns"`
	Summary profiler.Summary `json:"summary"`
}

// runSession runs the program to its end.
func runSession(t testing.TB, exe string, rights func(*exec.Cmd), args ...string) (*profile.Profile, *sessionTruth) {
	t.Helper()
	out := filepath.Join(filepath.Dir(exe), fmt.Sprint("out", time.Now().UnixNano()))
	c := exec.CommandContext(t.Context(), exe, append([]string{"-o", out}, args...)...)
	rights(c)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%q: %v\n%s", c.Args, err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	var truth sessionTruth
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &truth); err != nil {
		t.Fatalf("%q: %v", lines, err)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	p, err := profile.ParseData(b)
	if err == nil {
		err = p.CheckValid()
	}
	if err != nil {
		t.Fatal(err)
	}
	return p, &truth
}

// byKind sums a column by the label "kind".
func byKind(p *profile.Profile, column string) map[string]int64 {
	sums := make(map[string]int64)
	for i, st := range p.SampleType {
		for _, s := range p.Sample {
			if st.Type != column {
				break
			}
			kind := ""
			if v := s.Label["kind"]; len(v) > 0 {
				kind = v[0]
			}
			sums[kind] += s.Value[i]
		}
	}
	return sums
}

// Each rung of the ladder is what is left when the rights of the better ones are lost. It yields a
// valid profile that says which one it is and what is missing; and where it claims wall time or CPU time by
// label, they are those that the program counted itself.
func TestEngineLadder(t *testing.T) {
	exe := public(t, target.Compile(t, "session", target.Build{Module: true}))
	for _, tt := range []struct {
		name      string
		rights    func(*exec.Cmd)
		args      []string
		cpu, wall string
		denied    string
		needs     error
	}{
		{"all rights", asIs, nil, "ebpf", "goroutine table", "", bpf.Probe()},
		{"no capabilities", unprivileged, nil, "perf", "goroutine table", "CAP_BPF and CAP_PERFMON", nil},
		{"no perf events", unprivileged, []string{"-deny", "bpf,perf_event_open"}, "runtime", "goroutine table", "perf_event_paranoid", nil},
		{"only the table", unprivileged, []string{"-deny", "bpf,perf_event_open", "-engine", "table"}, "goroutine table",
			"goroutine table", "preempted", nil},
		{"no process_vm_readv", unprivileged, []string{"-deny", "bpf,perf_event_open,process_vm_readv"}, "runtime",
			"goroutine table", "CAP_BPF", nil},
		{"no helper", unprivileged, []string{"-deny", "execve"}, "runtime", "none", "/proc/self/exe: operation not permitted", nil},
		{"no helper, and stops of the world are wanted", unprivileged, []string{"-deny", "execve", "-engine", "fgprof"},
			"none", "fgprof", "states", nil},
		{"CPU: no capabilities", unprivileged, []string{"-mode", "cpu"}, "perf", "none", "CAP_BPF and CAP_PERFMON", nil},
		{"CPU: no perf events", unprivileged, []string{"-mode", "cpu", "-deny", "bpf,perf_event_open"}, "runtime",
			"none", "perf_event_paranoid", nil},
		{"CPU: no helper", unprivileged, []string{"-mode", "cpu", "-deny", "execve"}, "runtime", "none",
			"/proc/self/exe: operation not permitted", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			target.Need(t, tt.needs)
			p, truth := runSession(t, exe, tt.rights, append([]string{"-d", "4s", "-share", "0.5"}, tt.args...)...)
			s := truth.Summary
			if s.EngineCPU != tt.cpu && !(tt.cpu == "perf" && paranoid(t)) || s.EngineWall != tt.wall {
				t.Errorf("engines %q and %q, want %q and %q: %v", s.EngineCPU, s.EngineWall, tt.cpu, tt.wall, s.Denied)
			}
			if denied := strings.Join(s.Denied, "; "); !strings.Contains(denied, tt.denied) {
				t.Errorf("denied %q, want %q", denied, tt.denied)
			}
			if c := strings.Join(p.Comments, "\n"); !strings.Contains(c, "mayfly.engine.cpu="+s.EngineCPU+"\n") ||
				!strings.Contains(c, "mayfly.engine.wall="+s.EngineWall+"\n") {
				t.Errorf("comments %s", c)
			}
			t.Logf("%.0f Hz, table %.0f Hz, %d samples", s.CPU.RateReached, s.Table.Rate, s.CPU.Samples)
			if s.EngineCPU != "none" {
				checkCPU(t, p, truth)
			}
			if s.EngineWall == "goroutine table" {
				checkWall(t, p, truth)
			}
		})
	}
}

// paranoid says whether this host refuses perf events to users.
func paranoid(t *testing.T) bool {
	b, err := os.ReadFile("/proc/sys/kernel/perf_event_paranoid")
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return n > 2
}

// checkCPU holds the column cpu against the program's clocks: the whole within 5 % (15 % by the
// table, which is looked at when there is a CPU to do so), a kind within
// 5 % of the whole and four standard errors. The table makes no claim by kind: it sees who has a
// thread, not whose thread has a CPU.
func checkCPU(t *testing.T, p *profile.Profile, truth *sessionTruth) {
	t.Helper()
	sums := byKind(p, "cpu")
	var all int64
	for _, ns := range sums {
		all += ns
	}
	whole := 0.05
	if truth.Summary.EngineCPU == "goroutine table" {
		whole = 0.15 // time between two scans, which are missed on a busy machine
	}
	if off := float64(all)/float64(truth.Process) - 1; math.Abs(off) > whole {
		t.Errorf("%.3fs of CPU, the program counted %.3fs: %+.1f %%", float64(all)/1e9, float64(truth.Process)/1e9, 100*off)
	}
	n := truth.Summary.CPU.Samples
	if truth.Summary.EngineCPU == "goroutine table" {
		return
	}
	for _, kind := range []string{"half", "fifth"} {
		got, want := float64(sums[kind])/float64(all), float64(truth.CPU[kind])/float64(truth.Process)
		limit := 0.05 + 4*math.Sqrt(want*(1-want)/float64(max(n, 1))) // four standard errors
		t.Logf("%s: %.1f %% of CPU, truth %.1f %%, limit %.1f %%", kind, 100*got, 100*want, 100*limit)
		if math.Abs(got-want) > limit {
			t.Errorf("%s: %.1f %% of CPU, truth %.1f %%, limit %.1f %%", kind, 100*got, 100*want, 100*limit)
		}
	}
}

// checkWall holds the column wall against the lives of the goroutines, within 3 %.
func checkWall(t *testing.T, p *profile.Profile, truth *sessionTruth) {
	t.Helper()
	sums := byKind(p, "wall")
	for kind, want := range truth.Wall {
		limit := 0.03
		if kind == "task" { // those alive at the border count in the truth when they end: some 6 of 60 ms on each side, half done
			limit += 2 * 6 * 30e6 / float64(want)
		}
		off := float64(sums[kind])/float64(want) - 1
		if math.Abs(off) > limit {
			t.Errorf("%s: %.3fs of wall time, truth %.3fs: %+.1f %%", kind, float64(sums[kind])/1e9, float64(want)/1e9, 100*off)
		}
	}
}

// helpers are the pids of helpers of the process, zombies included.
func helpers(t *testing.T, parent int) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		i := bytes.LastIndexByte(b, ')')
		if err != nil || i < 0 {
			continue
		}
		f := strings.Fields(string(b[i+1:]))
		if len(f) > 1 && f[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// The helper is gone when the program is, however it ends, and does not keep it from ending.
func TestHelperEndsWithProgram(t *testing.T) {
	exe := target.Compile(t, "session", target.Build{Module: true})
	for _, tt := range []struct {
		name string
		args []string
		end  func(x *exec.Cmd, in io.Closer)
		want string
	}{
		{"kill -9", nil, func(x *exec.Cmd, _ io.Closer) { x.Process.Kill() }, "signal: killed"},
		{"panic", []string{"-crash"}, func(_ *exec.Cmd, in io.Closer) { in.Close() }, "exit status 2"},
		{"abort", nil, func(x *exec.Cmd, _ io.Closer) { x.Process.Signal(syscall.SIGABRT) }, "exit status 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := exec.Command(exe, tt.args...)
			in, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			defer c.Process.Kill()
			if _, err := out.Read(make([]byte, 64)); err != nil { // ready
				t.Fatal(err)
			}
			pids := helpers(t, c.Process.Pid)
			if len(pids) != 1 {
				t.Fatalf("children %v, want one helper", pids)
			}
			begin := time.Now()
			tt.end(c, in)
			if err := c.Wait(); err == nil || err.Error() != tt.want {
				t.Errorf("ended with %v, want %s", err, tt.want)
			}
			t.Logf("ended after %v", time.Since(begin))
			for syscall.Kill(pids[0], 0) == nil && !target.Ended(pids[0]) {
				if time.Since(begin) > 10*time.Second {
					t.Fatal("the helper lives on")
				}
				time.Sleep(time.Millisecond)
			}
			t.Logf("helper gone after %v", time.Since(begin))
		})
	}
}

// In a program that keeps all its Ps busy the helper keeps its rate. The bound is loose, for machines
// on which others are busy too; the log has the number.
func TestRateWhileSaturated(t *testing.T) {
	exe := target.Compile(t, "session", target.Build{Module: true})
	_, truth := runSession(t, public(t, exe), asIs, "-d", "4s", "-burners", "4", "-share", "0.5")
	s := truth.Summary
	t.Logf("asked %d Hz, looks at %.0f Hz, %d missed; %.0f samples a CPU-second", s.RateAsked, s.Table.Rate, s.Table.Missed, s.CPU.RateReached)
	if s.Table.Rate < 300 {
		t.Errorf("%.0f scans a second of %d", s.Table.Rate, s.RateAsked)
	}
}

func TestStartRefuses(t *testing.T) {
	for _, tt := range []struct {
		o    inprocess.Options
		want string
	}{
		{inprocess.Options{Mode: "all"}, "not wall or cpu"},
		{inprocess.Options{Rate: -1}, "not between"},
		{inprocess.Options{Rate: source.MaxRate + 1}, "not between"},
		{inprocess.Options{Share: 2}, "overhead 2: not a share"},
		{inprocess.Options{Share: -0.1}, "not a share"},
		{inprocess.Options{Share: math.NaN()}, "not a share"},
		{inprocess.Options{Engine: "magic"}, "not one of ebpf, perf"},
		{inprocess.Options{Engine: profiler.FGProf, Mode: profiler.CPU}, "mode wall"},
	} {
		if s, err := inprocess.Start(tt.o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, %v, want %q", tt.o, s, err, tt.want)
		}
	}
}

// One session at a time, and each leaves neither a process nor a goroutine behind.
func TestOneSession(t *testing.T) {
	for range 2 {
		s, err := inprocess.Start(inprocess.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inprocess.Start(inprocess.Options{}); !errors.Is(err, inprocess.ErrBusy) {
			t.Errorf("second session: %v", err)
		}
		time.Sleep(200 * time.Millisecond)
		rec, err := s.Stop()
		if err != nil || rec.Profile.CheckValid() != nil {
			t.Fatal(err, rec)
		}
		if again, err := s.Stop(); again != rec || err != nil {
			t.Errorf("second Stop: %v", err)
		}
		if rec.Summary.EngineWall == summary.None {
			t.Errorf("%+v", rec.Summary)
		}
		if pids := helpers(t, os.Getpid()); len(pids) > 0 {
			t.Errorf("helpers left: %v", pids)
		}
	}
}
