package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// dumps are the files that a flight recorder has written so far, the oldest first.
func (s *session) dumps() []string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.cmd.Dir, "mayfly-*.pb.gz"))
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// until waits for a condition. The bound is for what hangs.
func (s *session) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.cmd.Process.Kill()
			s.t.Fatalf("waited for %s\n%s", what, s.stderr.String())
		}
	}
}

// checkWindow fails unless the file is a profile of at least that length.
func (s *session) checkWindow(file string, atLeast time.Duration) {
	s.t.Helper()
	f, err := os.Open(file)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	p, err := profile.Parse(f)
	if err != nil {
		s.t.Fatalf("%s: %v", file, err)
	}
	if err := p.CheckValid(); err != nil || len(p.Sample) == 0 || p.DurationNanos < int64(atLeast) {
		s.t.Errorf("%s: %v, %d samples, %v", file, err, len(p.Sample), time.Duration(p.DurationNanos))
	}
}

// Each trigger writes a window; Ctrl-C ends the recorder, and is no error.
func TestRingTriggers(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "server", target.Build{}))
	s := start(t, nil, "record", "-p", pid(x), "--ring", "1s", "--after", "200ms", "--cool-down", "0", "--on", "SIGUSR2", "--ring-files", "1",
		"--on", "http", "--on", "exit")
	var socket string
	s.until("the recording", func() bool {
		if m := regexp.MustCompile(`--unix-socket (\S+) `).FindStringSubmatch(s.stderr.String()); m != nil {
			socket = m[1]
		}
		return socket != "" && regexp.MustCompile(`keeping the last`).MatchString(s.stderr.String())
	})
	time.Sleep(1500 * time.Millisecond) // fill the ring
	s.cmd.Process.Signal(syscall.SIGUSR2)
	s.until("the first dump", func() bool { return len(s.dumps()) == 1 })
	first := s.dumps()[0]
	s.checkWindow(first, time.Second)
	if st, err := os.Stat(socket); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v, want mode 0600", socket, st, err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	answer, err := client.Post("http://localhost/dump", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Errorf("POST /dump: %s", answer.Status)
	}
	s.until("the second dump, for which the first is removed", func() bool { d := s.dumps(); return len(d) == 1 && d[0] != first })
	s.checkWindow(s.dumps()[0], time.Second)
	s.cmd.Process.Signal(os.Interrupt)
	if code := s.wait(); code != codeOK {
		t.Errorf("exit code %d\n%s", code, s.stderr.String())
	}
	if n := len(s.dumps()); n != 1 {
		t.Errorf("%d dumps after Ctrl-C, want 1: it is no trigger", n)
	}
	if _, err := os.Stat(socket); err == nil {
		t.Errorf("%s is left", socket)
	}
}

// A browser's POST, another method and one too many are refused.
func TestRingHTTP(t *testing.T) {
	f := recordFlags{output: "mayfly.pb.gz", ring: ringFlags{before: duration(time.Second), after: duration(time.Second),
		coolDown: duration(time.Hour), limit: 1}}
	e := processEnv()
	e.quiet = true
	fl, err := newFlight(e, &f)
	if err != nil {
		t.Fatal(err)
	}
	server := http.NewServeMux()
	server.HandleFunc("POST /dump", fl.dump)
	for i, tt := range []struct {
		method, host, key, value string
		want                     int
	}{
		{"GET", "localhost", "", "", http.StatusMethodNotAllowed},
		{"POST", "localhost", "Origin", "http://evil.example", http.StatusForbidden},
		{"POST", "127.0.0.1:80", "Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"POST", "evil.example:80", "", "", http.StatusForbidden},
		{"POST", "", "", "", http.StatusForbidden},
		{"POST", "[::1]:6061", "", "", http.StatusAccepted},
		{"POST", "localhost:6061", "", "", http.StatusTooManyRequests},
	} {
		r, _ := http.NewRequest(tt.method, "/dump", nil)
		if r.Host = tt.host; tt.key != "" {
			r.Header.Set(tt.key, tt.value)
		}
		w := &recorded{header: http.Header{}}
		server.ServeHTTP(w, r)
		if w.code != tt.want {
			t.Errorf("request %d: %d, want %d", i, w.code, tt.want)
		}
	}
}

// recorded keeps the code of an answer.
type recorded struct {
	header http.Header
	code   int
}

func (r *recorded) Header() http.Header         { return r.header }
func (r *recorded) Write(b []byte) (int, error) { return len(b), nil }
func (r *recorded) WriteHeader(code int)        { r.code = code }

// A condition writes a timeline again and again; the target's end writes the last one.
func TestRingWhen(t *testing.T) {
	target.Need(t, bpf.Probe())
	x := target.Start(t, target.Compile(t, "capture", target.Build{}))
	s := start(t, func(c *exec.Cmd) { c.Args = append(c.Args, "--json") }, "record", "-p", pid(x), "--ring", "1s",
		"--after", "0", "--cool-down", "0",
		"--when", "count(kind=sleep)>1", "--on", "exit")
	s.until("three dumps", func() bool { return len(s.dumps()) >= 3 })
	x.Kill()
	if code := s.wait(); code != codeOK {
		t.Errorf("exit code %d\n%s", code, s.stderr.String())
	}
	files := s.dumps()
	for _, file := range files {
		s.checkWindow(file, 100*time.Millisecond)
	}
	last := s.profile(filepath.Base(files[len(files)-1]))
	if !hasComment(last, "the target exited") {
		t.Errorf("%s: %q", files[len(files)-1], last.Comments)
	}
	if len(last.Sample) == 0 || last.Sample[0].NumLabel["end_timestamp_ns"] == nil {
		t.Error("no timeline")
	}
}

func hasComment(p *profile.Profile, text string) bool {
	return regexp.MustCompile(regexp.QuoteMeta(text)).MatchString(fmt.Sprint(p.Comments))
}
