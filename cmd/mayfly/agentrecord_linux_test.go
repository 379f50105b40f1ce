package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/pprof/profile"
	"golang.org/x/sys/unix"
)

// post asks an agent for something as a user; -1 is who runs the test.
func (s *session) post(t *testing.T, uid int, path string, header ...string) (code int, body []byte) {
	t.Helper()
	_, rest, _ := strings.Cut(s.stderr.String(), "metrics are at http://")
	address, _, _ := strings.Cut(rest, "/")
	req, err := http.NewRequest(http.MethodPost, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	conn, err := dialAs(uid, address)
	if err != nil {
		t.Fatal(err)
	}
	dial := func(context.Context, string, string) (net.Conn, error) { return conn, nil }
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, body
}

// dialAs opens a connection that is a user's: a socket is of who makes it.
func dialAs(uid int, address string) (net.Conn, error) {
	if uid < 0 {
		return net.Dial("tcp", address)
	}
	type answer struct {
		net.Conn
		error
	}
	done := make(chan answer)
	go func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		if err := unix.Setfsuid(uid); err != nil {
			done <- answer{nil, err}
			return
		}
		c, err := net.Dial("tcp", address)
		done <- answer{c, err}
	}()
	a := <-done
	return a.Conn, a.error
}

// On demand a process that an agent records is recorded at 999 Hz for who may know of it, one at a time, and its ordinary profiles go on.
func TestAgentRecordsOnDemand(t *testing.T) {
	s, program := startAgent(t, "--metrics", ":0", "--disk-limit", "1000", "--select", "cmdline=*record -q -p*")
	cmd := s.spawn(program)
	pid := cmd.Process.Pid
	s.until("a recording", func() bool { return strings.Contains(s.stderr.String(), fmt.Sprintf("recording %d", pid)) })
	var answers [3][]byte // by what came of it
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			code, body := s.post(t, -1, fmt.Sprintf("/record?pid=%d&seconds=2", pid))
			answers[code/200] = body
		})
	}
	s.refuses(t, pid)
	both.Wait()
	if text := string(answers[http.StatusConflict/200]); !strings.Contains(text, "is being recorded for somebody") {
		t.Errorf("of two demands none was refused: %q", text)
	}
	p, err := profile.Parse(bytes.NewReader(answers[http.StatusOK/200]))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(p.Comments, "\n")
	if !strings.Contains(text, "mayfly.rate_asked_hz=999\n") || p.DurationNanos < 19e8 || !slices.ContainsFunc(p.Sample, hasStates) {
		t.Errorf("%d ns, %d samples, %s", p.DurationNanos, len(p.Sample), text)
	}
	names := func() []string {
		n, _ := filepath.Glob(filepath.Join(s.cmd.Dir, "mayfly-agent", fmt.Sprintf("slice-*-%d.pb.gz", pid)))
		return n
	}
	before := len(names())
	s.until("slices after that", func() bool { return len(names()) > before })
	if text := s.stderr.String(); strings.Count(text, "mayfly: recording ") != 2 || strings.Contains(text, "has ended") {
		t.Errorf("the ordinary recording did not go on, or mayfly was recorded: %s", text)
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	if code := s.wait(); code != codeOK {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
}

// hasStates says whether a sample has time that is not on a CPU.
func hasStates(s *profile.Sample) bool {
	return slices.ContainsFunc(s.Value[2:], func(v int64) bool { return v > 0 })
}

// refuses checks who and what is refused.
func (s *session) refuses(t *testing.T, pid int) {
	t.Helper()
	const stranger = 12345
	path := fmt.Sprintf("/record?pid=%d", pid)
	for _, tt := range []struct {
		uid    int
		path   string
		code   int
		header []string
	}{
		{stranger, path, http.StatusForbidden, nil},
		{stranger, "/record?pid=1", http.StatusForbidden, nil},
		{-1, "/record?pid=1", http.StatusNotFound, nil},
		{-1, "/record", http.StatusBadRequest, nil},
		{-1, path + "&seconds=61", http.StatusBadRequest, nil},
		{-1, path + "&seconds=0", http.StatusBadRequest, nil},
		{-1, path, http.StatusForbidden, []string{"Origin", "http://example.com"}},
	} {
		if code, body := s.post(t, tt.uid, tt.path, tt.header...); code != tt.code {
			t.Errorf("user %d, %s %q: %d %s, want %d", tt.uid, tt.path, tt.header, code, body, tt.code)
		}
	}
	if code, _ := s.get(t, path); code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", code)
	}
}
