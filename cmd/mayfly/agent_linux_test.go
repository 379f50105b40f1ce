package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// takers are an OTLP and a Pyroscope server at one address, which may be away for a while.
type takers struct {
	address string
	mu      sync.Mutex
	arrived map[string][]string // texts of requests, by path
}

func newTakers(t *testing.T) *takers {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // nobody listens at first
	return &takers{address: l.Addr().String(), arrived: make(map[string][]string)}
}

func (x *takers) open(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", x.address)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		x.mu.Lock()
		defer x.mu.Unlock()
		x.arrived[r.URL.Path] = append(x.arrived[r.URL.Path], r.URL.Query().Get("name"), string(body))
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

func (x *takers) count(path string) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.arrived[path]) / 2
}

const otlpPath, pyroscopePath = "/v1development/profiles", "/ingest"

// startAgent starts an agent that finds nothing but a copy of the target's program.
func startAgent(t *testing.T, args ...string) (s *session, program string) {
	t.Helper()
	target.Need(t, bpf.Probe())
	program = filepath.Join(t.TempDir(), "agents-target")
	if err := os.Link(target.Compile(t, "spin", target.Build{}), program); err != nil {
		t.Fatal(err)
	}
	s = start(t, nil, append([]string{"agent", "--every", "1s", "--min-age", "0", "--select", "exe=" + program}, args...)...)
	t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() }) // or it goes on when a test has ended
	return s, program
}

func (s *session) spawn(program string, args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(program, args...)
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { stdin.Close(); cmd.Process.Kill(); cmd.Wait() })
	return cmd
}

// Slices of a process that begins later wait while both servers are away, arrive when they are back, in order and each once; the last
// one at SIGTERM.
func TestAgentSends(t *testing.T) {
	x := newTakers(t)
	s, program := startAgent(t, "--otlp", "http://"+x.address, "--pyroscope", "http://"+x.address, "--metrics", ":0")
	s.spawn(program)
	queued := func(kind string) []string {
		names, _ := filepath.Glob(filepath.Join(s.cmd.Dir, "mayfly-agent", "queue-"+kind, "slice-*.push"))
		return names
	}
	s.until("slices that wait", func() bool { return len(queued("otlp")) > 1 && len(queued("pyroscope")) > 1 })
	s.until("servers that are away", func() bool {
		_, text := s.get(t, "/metrics")
		return !strings.Contains(text, `send_errors_total{server="otlp"} 0`) && !strings.Contains(text, `send_errors_total{server="pyroscope"} 0`)
	})
	s.checkMetrics(t)
	x.open(t)
	s.cmd.Process.Signal(syscall.SIGTERM)
	if code := s.wait(); code != codeOK {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	if left := append(queued("otlp"), queued("pyroscope")...); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if a, b := x.count(otlpPath), x.count(pyroscopePath); a < 3 || a != b {
		t.Errorf("%d have arrived at one, %d at the other: %s", a, b, s.stderr.String())
	}
	got := x.arrived[otlpPath]
	if list := texts(t, []byte(got[1])); !slices.Contains(list, program) || !slices.Contains(list, "main.(*worker).work") {
		t.Errorf("%q", list)
	}
	if name := x.arrived[pyroscopePath][0]; !strings.HasPrefix(name, "agents-target") {
		t.Errorf("a profile of %q", name)
	}
}

// get asks an agent for what it serves beside its metrics.
func (s *session) get(t *testing.T, path string) (code int, text string) {
	t.Helper()
	_, rest, ok := strings.Cut(s.stderr.String(), "metrics are at http://127.0.0.1:")
	if !ok {
		t.Fatal(s.stderr.String())
	}
	port, _, _ := strings.Cut(rest, "/")
	resp, err := http.Get("http://127.0.0.1:" + port + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

// checkMetrics holds what an agent says of itself, while its servers are away, to the format and to what is so.
func (s *session) checkMetrics(t *testing.T) {
	t.Helper()
	if code, text := s.get(t, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d %s", code, text)
	}
	if code, text := s.get(t, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "does not take profiles") {
		t.Errorf("/readyz: %d %s", code, text)
	}
	_, text := s.get(t, "/metrics")
	line := regexp.MustCompile(`^(# (HELP mayfly_agent_[a-z_]+ .+\.|TYPE mayfly_agent_([a-z_]+_total counter|[a-z_]+ gauge))|` +
		`mayfly_agent_[a-z_]+(\{server="[a-z]+"\})? [0-9.e+-]+)$`)
	for l := range strings.Lines(text) {
		if !line.MatchString(strings.TrimSuffix(l, "\n")) {
			t.Errorf("%q", l)
		}
	}
	for _, want := range []string{"exec_events [01]", "recorded_processes 1", `send_errors_total{server="otlp"} [1-9]`,
		`queued_profiles{server="pyroscope"} [1-9]`,
		`sent_requests_total{server="otlp"} 0`, "lost_samples_total 0", "profiles_total [1-9]", "samples_total [1-9]"} {
		if !regexp.MustCompile(`(?m)^mayfly_agent_` + want).MatchString(text) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
}

// Without a server slices are files of which the folder has no more than it may: they adjoin, and have all CPU time of the process.
func TestAgentKeepsFiles(t *testing.T) {
	s, program := startAgent(t, "--disk-limit", "3")
	cmd := s.spawn(program)
	all := make(map[string]*profile.Profile)
	s.until("five slices", func() bool {
		names, _ := filepath.Glob(filepath.Join(s.cmd.Dir, "mayfly-agent", "slice-*.pb.gz"))
		for _, name := range names {
			if b, err := os.ReadFile(name); err == nil && all[name] == nil {
				all[name], _ = profile.Parse(bytes.NewReader(b))
			}
		}
		return len(all) >= 5 && len(names) <= 3
	})
	cmd.Process.Kill()
	s.until("the end", func() bool { return strings.Contains(s.stderr.String(), "the recording has ended") })
	s.cmd.Process.Signal(os.Interrupt)
	if code := s.wait(); code != codeOK {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	var list []*profile.Profile
	for _, p := range all {
		list = append(list, p)
	}
	checkAdjoin(t, list)
}

// checkAdjoin fails where some time is in none of the profiles, or in two.
func checkAdjoin(t *testing.T, list []*profile.Profile) {
	t.Helper()
	slices.SortFunc(list, func(a, b *profile.Profile) int { return int(a.TimeNanos - b.TimeNanos) })
	for i, p := range list[1:] {
		if end := list[i].TimeNanos + list[i].DurationNanos; end != p.TimeNanos {
			t.Errorf("slice %d begins %v after the end of the one before", i+1, time.Duration(p.TimeNanos-end))
		}
	}
}
