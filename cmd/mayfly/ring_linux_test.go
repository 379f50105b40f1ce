package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/target"
	"github.com/mayfly-profiler/mayfly/profiler/bpf"
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
	s := start(t, nil, "record", "-p", pid(x), "--ring", "1s", "--after", "200ms", "--cool-down", "0", "--on", "SIGUSR2", "--on", "http=127.0.0.1:0", "--on", "exit")
	var url string
	s.until("the recording", func() bool {
		m := regexp.MustCompile(`http://\S+/dump`).FindString(s.stderr.String())
		url = m
		return m != "" && regexp.MustCompile(`keeping the last`).MatchString(s.stderr.String())
	})
	time.Sleep(1500 * time.Millisecond) // fill the ring
	s.cmd.Process.Signal(syscall.SIGUSR2)
	s.until("the first dump", func() bool { return len(s.dumps()) == 1 })
	answer, err := http.Post(url, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusAccepted {
		t.Errorf("POST /dump: %s", answer.Status)
	}
	s.until("the second dump", func() bool { return len(s.dumps()) == 2 })
	for _, file := range s.dumps() {
		s.checkWindow(file, time.Second)
	}
	s.cmd.Process.Signal(os.Interrupt)
	if code := s.wait(); code != codeOK {
		t.Errorf("exit code %d\n%s", code, s.stderr.String())
	}
	if n := len(s.dumps()); n != 2 {
		t.Errorf("%d dumps after Ctrl-C, want 2: it is no trigger", n)
	}
}

// A browser's POST, another method and one too many are refused.
func TestRingHTTP(t *testing.T) {
	f := recordFlags{output: "mayfly.pb.gz", ring: ringFlags{before: duration(time.Second), after: duration(time.Second), coolDown: duration(time.Hour), limit: 1}}
	e := processEnv()
	e.quiet = true
	fl, err := newFlight(e, &f)
	if err != nil {
		t.Fatal(err)
	}
	server := http.NewServeMux()
	server.HandleFunc("POST /dump", fl.dump)
	for i, tt := range []struct {
		method, origin string
		want           int
	}{
		{"GET", "", http.StatusMethodNotAllowed},
		{"POST", "http://evil.example", http.StatusForbidden},
		{"POST", "", http.StatusAccepted},
		{"POST", "", http.StatusTooManyRequests},
	} {
		r, _ := http.NewRequest(tt.method, "/dump", nil)
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
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
	s := start(t, func(c *exec.Cmd) { c.Args = append(c.Args, "--json") }, "record", "-p", pid(x), "--ring", "1s", "--after", "0", "--cool-down", "0",
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
