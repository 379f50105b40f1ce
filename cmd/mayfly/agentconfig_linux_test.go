package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// SIGHUP has an agent read its file again: a file that is wrong changes nothing, what only a restart changes is said, the rest is so from
// then on.
func TestAgentReadsAgain(t *testing.T) {
	target.Need(t, bpf.Probe())
	dir := t.TempDir()
	program, config := filepath.Join(dir, "again-target"), filepath.Join(dir, "agent.yaml")
	if err := os.Link(target.Compile(t, "spin", target.Build{}), program); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("every: 1s\nmin-age: 0\ndisk-limit: 1000\nselect: exe=" + program + "\n")
	s := start(t, nil, "agent", "--config", config, "--disk-limit", "3")
	cmd := s.spawn(program)
	says := func(text string) {
		t.Helper()
		s.until(text, func() bool { return strings.Contains(s.stderr.String(), text) })
	}
	again := func(text string) {
		write(text)
		s.cmd.Process.Signal(syscall.SIGHUP)
	}
	folder := filepath.Join(s.cmd.Dir, "mayfly-agent")
	count := func() int { names, _ := filepath.Glob(filepath.Join(folder, "slice-*.pb.gz")); return len(names) }
	s.until("a slice", func() bool { return count() > 0 })
	again("every: 1s\nrade: 97\n")
	says(config + `: line 2: unknown key "rade": keys are the flags of mayfly agent; the settings stay as they are`)
	if strings.Contains(s.stderr.String(), "has ended") {
		t.Error("the recording has ended")
	}
	again("every: 2s\nmin-age: 0\nmetrics: :0\nselect: exe=" + program + "\n")
	says(config + ": metrics: not before the next start\n")
	says(config + ": read again: every\n")
	s.until("a slice of two seconds", func() bool { return s.hasSlice(folder, 1900) })
	again("every: 2s\nmin-age: 0\nselect: exe=none\n")
	says(config + ": read again: select\n")
	s.until("the end", func() bool { return strings.Count(s.stderr.String(), "the recording has ended") == 2 })
	cmd.Process.Kill()
	s.cmd.Process.Signal(syscall.SIGTERM)
	if code := s.wait(); code != codeOK || strings.Count(s.stderr.String(), "mayfly: recording ") != 3 || count() > 3 {
		t.Errorf("exit code %d, %d profiles: %s", code, count(), s.stderr.String())
	}
}

// hasSlice says whether a profile of a folder is at least so many milliseconds long.
func (s *session) hasSlice(folder string, ms int64) bool {
	names, _ := filepath.Glob(filepath.Join(folder, "slice-*.pb.gz"))
	for _, name := range names {
		if b, err := os.ReadFile(name); err == nil {
			if p, err := profile.Parse(bytes.NewReader(b)); err == nil && p.DurationNanos >= ms*1e6 {
				return true
			}
		}
	}
	return false
}
