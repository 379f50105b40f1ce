package main

import (
	"context"
	"flag"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/proc"
	"github.com/mayfly-profiler/mayfly/internal/source/perf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

var agentProcesses = flag.Int("agent.processes", 2, "processes that come and go beside an agent in TestAgentForgets")

// openFiles is how many files a process has open.
func openFiles(t *testing.T, pid int) int {
	t.Helper()
	names, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// begins are when a finder has seen processes, of which it has none recorded.
type begins struct {
	mu sync.Mutex
	at map[int]time.Time
}

func (b *begins) emit(ev event) error {
	if ev.note != "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.at[ev.pid]; !ok {
		b.at[ev.pid] = time.Now()
	}
	return errEnough
}

// of waits until a process was seen.
func (b *begins) of(t *testing.T, pid int) time.Time {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		b.mu.Lock()
		at, ok := b.at[pid]
		b.mu.Unlock()
		if ok {
			return at
		}
	}
	t.Fatalf("process %d was not seen", pid)
	return time.Time{}
}

// finderOf returns a finder that is to hear of processes of a copy of spin.
func finderOf(t *testing.T, grown time.Duration, seen *begins) (f *finder, exe string) {
	t.Helper()
	x, err := perf.OpenExecs()
	target.Need(t, err)
	x.Close()
	exe = filepath.Join(t.TempDir(), "hears-target")
	if err := os.Link(target.Compile(t, "spin", target.Build{}), exe); err != nil {
		t.Fatal(err)
	}
	f = newFinder(newFleet(&env{getenv: func(string) string { return "1" }}, fleetOptions{execs: true, grown: grown,
		chosen: func(p *proc.Process, _ string) bool {
			if p.ExePath() != exe {
				return false
			}
			if v, _, err := p.Variable("HEARS"); len(p.Cmdline()) != 3 || v != "1" {
				t.Errorf("inspected with arguments %q and HEARS=%q, %v", p.Cmdline(), v, err)
			}
			return true
		}}, seen.emit))
	f.rare = time.Hour
	return f, exe
}

// live runs a program until the returned function is called.
func live(t *testing.T, exe string) (pid int, end func()) {
	t.Helper()
	cmd := exec.Command(exe, "-n", "1")
	cmd.Env = append(os.Environ(), "HEARS=1")
	stdin, err := cmd.StdinPipe() // it ends when this does
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, func() { stdin.Close(); cmd.Wait() }
}

// Processes are seen when they begin, and not before they have their arguments and their environment: nobody searches for them. All files
// of the events are closed in the end.
func TestFinderHears(t *testing.T) {
	files := openFiles(t, os.Getpid())
	seen := begins{at: make(map[int]time.Time)}
	f, exe := finderOf(t, 0, &seen)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.run(ctx) }()
	for end := time.Now().Add(patience); !f.fleet.hears.Load() && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	var late []time.Duration
	for range 100 {
		begun := time.Now()
		pid, end := live(t, exe)
		late = append(late, seen.of(t, pid).Sub(begun))
		end()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	slices.Sort(late)
	t.Logf("seen after %v, %v, %v of 100 (median, 99th, slowest)", late[50], late[98], late[99])
	if n := openFiles(t, os.Getpid()); n > files {
		t.Errorf("%d files are open, %d were", n, files)
	}
}

// What is not old enough is not even inspected: most of it never will be.
func TestFinderWaits(t *testing.T) {
	f, exe := finderOf(t, time.Hour, &begins{})
	ctx, cancel := context.WithCancel(t.Context())
	if err := f.listen(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		_, end := live(t, exe)
		for until := time.Now().Add(patience); int(f.grows.Load()) <= i && time.Now().Before(until); time.Sleep(time.Millisecond) {
		}
		end()
	}
	cancel()
	f.wg.Wait()
	if n := f.grows.Load(); n < 10 || len(f.begun) > 0 {
		t.Errorf("%d wait, and %d are to be inspected", n, len(f.begun))
	}
}

// metrics is what an agent serves.
func (s *session) metrics(t *testing.T) string {
	t.Helper()
	_, rest, _ := strings.Cut(s.stderr.String(), "metrics are at ")
	url, _, _ := strings.Cut(rest, "\n")
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Processes that come and go beside an agent are in what it writes, and leave nothing behind: with none of them nothing more is open
// than before the first.
func TestAgentForgets(t *testing.T) {
	s, program := startAgent(t, "--disk-limit", "1000", "--metrics", ":0")
	s.until("metrics", func() bool { return strings.Contains(s.stderr.String(), "metrics are at http://") })
	s.until("events of execve", func() bool {
		return strings.Contains(s.stderr.String(), "are searched for") || strings.Contains(s.metrics(t), "\nmayfly_agent_exec_events 1\n")
	})
	files := openFiles(t, s.cmd.Process.Pid) // the first search may go on, with a file more
	slicesOf := func(pid int) []string {
		names, _ := filepath.Glob(filepath.Join(s.cmd.Dir, "mayfly-agent", "slice-*-"+strconv.Itoa(pid)+".pb.gz"))
		return names
	}
	for range *agentProcesses {
		cmd := s.spawn(program)
		pid := cmd.Process.Pid
		s.until("a slice", func() bool { return len(slicesOf(pid)) > 0 })
		cmd.Process.Kill()
		cmd.Wait()
		s.until("the end", func() bool {
			return strings.Contains(s.stderr.String(), strconv.Itoa(pid)+" agents-target: the recording has ended")
		})
	}
	s.until("what was open before", func() bool { return openFiles(t, s.cmd.Process.Pid) <= files })
	s.cmd.Process.Signal(syscall.SIGTERM)
	if code := s.wait(); code != codeOK {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
}
