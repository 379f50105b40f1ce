package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// When the target becomes another program, the recording goes on with that: each function is the one of the
// program that ran it, and of the second one nothing but a beginning is missing, which is told.
func TestRecordExecs(t *testing.T) {
	target.Need(t, bpf.Probe())
	for engine, b := range map[string]target.Build{"ebpf": {}, "perf": {PIE: true, Strip: true}} {
		t.Run(b.String()+"/"+engine, func(t *testing.T) {
			spin := target.Compile(t, "spin", b)
			x := target.Start(t, target.Compile(t, "execs", b), "-after", "4s", "--", spin, "-n", "1", "-d", "3s")
			s := start(t, nil, "record", "-d", "60s", "--engine", engine, "-p", pid(x))
			if code := s.wait(); code != 0 {
				t.Fatalf("exit code %d: %s", code, s.stderr.String())
			}
			sums := make(map[string]int64)
			for _, sm := range s.profile("mayfly.pb.gz").Sample {
				switch stack := names(sm); {
				case strings.Contains(stack, "main.burn") && strings.Contains(stack, "main.(*worker)"):
					t.Fatalf("a stack of both programs: %s", stack)
				case strings.Contains(stack, "main.burn"):
					sums["first"] += sm.Value[0]
				case strings.Contains(stack, "main.(*worker).descend"):
					if len(sm.Label["job"]) == 0 {
						sums["unlabelled"] += sm.Value[0]
					}
					sums["second"] += sm.Value[0]
				}
			}
			if sums["first"] < 30 || sums["second"] < 30 || sums["unlabelled"] > sums["second"]/5 {
				t.Errorf("%v: %s", sums, s.stderr.String())
			}
			if got := s.stderr.String(); !strings.Contains(got, "of CPU time of another program that the target executed") ||
				!strings.Contains(got, "the target exited") {
				t.Errorf("stderr %q", got)
			}
		})
	}
}

// A program that cannot be recorded ends the recording, and it is said why. What was before is there.
func TestRecordExecsForeign(t *testing.T) {
	target.Need(t, bpf.Probe())
	s := start(t, nil, "record", "--", target.Compile(t, "execs", target.Build{}), "-after", "1s", "--", "/bin/sh", "-c", "sleep 3; exit 7")
	if code := s.wait(); code != 7 {
		t.Fatalf("exit code %d: %s", code, s.stderr.String())
	}
	if !hasFunction(s.profile("mayfly.pb.gz"), "main.burn") {
		t.Error("the first program is not there")
	}
	if got := s.stderr.String(); !strings.Contains(got, "executed another program: ") || !strings.Contains(got, "not a Go") {
		t.Errorf("stderr %q", got)
	}
}

// A command that is no Go program may become one, by execve or by loading it.
func TestRecordBecomesGo(t *testing.T) {
	target.Need(t, bpf.Probe())
	spin := target.Compile(t, "spin", target.Build{PIE: true, Strip: true})
	for _, command := range [][]string{{"env", "A=1"}, {"/lib64/ld-linux-x86-64.so.2"}} {
		if _, err := exec.LookPath(command[0]); err != nil {
			continue // another loader
		}
		s := start(t, nil, append(append([]string{"record", "-o", "x.pb.gz", "--"}, command...), spin, "-n", "1", "-d", "3s")...)
		if code := s.wait(); code != 0 {
			t.Fatalf("%s: exit code %d: %s", command, code, s.stderr.String())
		}
		p := s.profile("x.pb.gz")
		labelled, all := int64(0), int64(0)
		for _, sm := range p.Sample {
			if strings.Contains(names(sm), "main.(*worker).descend") {
				all += sm.Value[0]
				if len(sm.Label["job"]) > 0 {
					labelled += sm.Value[0]
				}
			}
		}
		if all < 20 || labelled < all*9/10 || !strings.Contains(s.stderr.String(), "in which it has become a Go program") {
			t.Errorf("%s: %d of %d samples labelled: %s", command, labelled, all, s.stderr.String())
		}
	}
	s := start(t, nil, "record", "--", "sh", "-c", "true")
	if code := s.wait(); code != 1 {
		t.Errorf("exit code %d", code)
	}
	s.oneLineOf("not a Go program, nor was it seen to become one")
}
