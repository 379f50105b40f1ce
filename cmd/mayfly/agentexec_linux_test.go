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

	"github.com/mayfly-profiler/mayfly/internal/target"
)

// linked is a program of testdata under a name of the test's own.
func linked(t *testing.T, program, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.Link(target.Compile(t, program, target.Build{}), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// slices are the profiles of a process that an agent has in its folder.
func (s *session) slices(pid int) (all []*profile.Profile) {
	s.t.Helper()
	names, _ := filepath.Glob(filepath.Join(s.cmd.Dir, "mayfly-agent", fmt.Sprintf("slice-*-%d.pb.gz", pid)))
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		p, err := profile.Parse(bytes.NewReader(b))
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

const ofFirst, ofSecond = "main.burn", "main.(*worker).work"

// checkPrograms fails where a slice of a process has a function of a program that its mapping is not of. It returns in how many slices
// functions of the first program are, and of the second.
func (s *session) checkPrograms(pid int, first, second string) (firsts, seconds int) {
	s.t.Helper()
	for _, p := range s.slices(pid) {
		file, one, two := p.Mapping[0].File, hasFunction(p, ofFirst), hasFunction(p, ofSecond)
		if one && file != first || two && file != second {
			s.t.Errorf("a slice of %s has functions of the first program: %v, of the second: %v", file, one, two)
		}
		if one {
			firsts++
		}
		if two {
			seconds++
		}
	}
	return firsts, seconds
}

// A recorded process that executes another program is judged anew: it is recorded as that if it is one of those that are meant, with its
// name, and no longer at all if it is not, Go or not. Each slice is of one program.
func TestAgentJudgesExecs(t *testing.T) {
	s, first := startAgent(t, "--select", "name=second", "--metrics", ":0")
	execs, second, other := linked(t, "execs", "execs"), linked(t, "spin", "second"), linked(t, "spin", "other")
	if err := os.Rename(execs, first); err != nil { // instead of spin
		t.Fatal(err)
	}
	for _, next := range [][]string{{second, "-n", "1"}, {other, "-n", "1"}, {"/bin/sleep", "60"}} {
		cmd := s.spawn(first, append([]string{"-after", "2500ms", "--"}, next...)...)
		pid := cmd.Process.Pid
		s.until("the first program's recording", s.said("recording %d agents-target\n", pid))
		s.until("its end", s.said("%d agents-target: the recording has ended", pid))
		if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("%s has ended: %v", next, err)
		}
		if next[0] == second {
			s.until("the second program's recording", s.said("recording %d second\n", pid))
			s.until("a slice of it", func() bool { _, n := s.checkPrograms(pid, first, second); return n > 1 })
		}
		if firsts, seconds := s.checkPrograms(pid, first, second); firsts == 0 || seconds > 0 && next[0] != second {
			t.Errorf("%s: %d slices of the first program, %d of the second", next, firsts, seconds)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
	s.until("that nothing is recorded", func() bool { return strings.Contains(s.metrics(t), "\nmayfly_agent_recorded_processes 0\n") })
}

// A program that is none of those that are meant, and executes one.
func TestAgentFindsExecs(t *testing.T) {
	s, first := startAgent(t)
	cmd := s.spawn(linked(t, "execs", "execs"), "-after", "1s", "--", first, "-n", "1")
	s.until("slices", func() bool { _, n := s.checkPrograms(cmd.Process.Pid, "", first); return n > 1 })
}
