package main

import (
	"bytes"
	"fmt"
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

// Where only --select has changed, what is still meant is recorded without a gap: what is no longer meant ends, and what is now begins.
func TestAgentSelectsAgain(t *testing.T) {
	target.Need(t, bpf.Probe())
	var programs []string
	for _, name := range []string{"leaves", "stays", "comes"} {
		programs = append(programs, linked(t, "spin", name))
	}
	config := filepath.Join(t.TempDir(), "agent.yaml")
	write := func(programs []string, more string) {
		t.Helper()
		text := "every: 1s\nmin-age: 0\ndisk-limit: 1000\n" + more + "select:\n- exe=" + strings.Join(programs, "\n- exe=") + "\n"
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(programs[:2], "")
	s := start(t, nil, "agent", "--config", config)
	t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	var pids []int
	for _, program := range programs {
		pids = append(pids, s.spawn(program).Process.Pid)
	}
	dropped, kept, added := pids[0], pids[1], pids[2]
	has := func(pid, more int) func() bool { return func() bool { return len(s.slices(pid)) >= more } }
	s.until("slices of two", func() bool { return has(dropped, 1)() && has(kept, 1)() })
	write(programs[1:], "label-truncate: 64\n")
	before := len(s.slices(kept))
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.until("the end of one", s.said("%d leaves: the recording has ended\n", dropped))
	ended := len(s.slices(dropped))
	s.until("another one, and more of the one that stays", func() bool { return has(added, 2)() && has(kept, before+3)() })
	write(programs[:2], "")
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.until("what was selected at first", has(dropped, ended+2))
	s.until("the end of the other one", s.said("%d comes: the recording has ended\n", added))
	s.cmd.Process.Signal(syscall.SIGTERM)
	if code := s.wait(); code != codeOK || !strings.Contains(s.stderr.String(), ": read again: label-truncate, select\n") {
		t.Errorf("exit code %d: %s", code, s.stderr.String())
	}
	if n := strings.Count(s.stderr.String(), fmt.Sprintf("mayfly: recording %d stays\n", kept)); n != 1 {
		t.Errorf("recorded %d times: %s", n, s.stderr.String())
	}
	checkAdjoin(t, s.slices(kept))
}

// said says whether an agent has printed a line of a process.
func (s *session) said(format string, pid int) func() bool {
	return func() bool { return strings.Contains(s.stderr.String(), fmt.Sprintf(format, pid)) }
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
