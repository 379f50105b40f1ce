package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-profiler/mayfly/internal/source/bpf"
	"github.com/mayfly-profiler/mayfly/internal/target"
)

// Every command that looks at a process ends, although that has a page which nobody can read, and says so.
func TestCommandsEndWhenMemoryBlocks(t *testing.T) {
	target.Need(t, bpf.Probe())
	for _, args := range [][]string{
		{"record", "-d", "2s"},
		{"report", "-d", "2s", "--slo", "p99<800ms"},
		{"compare", "-d", "2s"},
		{"top", "--plain"},
		{"top", "--once"},
		{"dump"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			x := target.Start(t, target.Compile(t, "blocked", target.Build{}), "-after", "500ms", "-burn")
			if strings.HasPrefix(x.Ready, "ready errno") {
				target.Need(t, fmt.Errorf("userfaultfd: %s: %w", x.Ready, errors.ErrUnsupported))
			}
			if args[0] == "dump" {
				time.Sleep(time.Second)
			}
			s := start(t, nil, append(args, "-p", pid(x))...)
			begin := time.Now()
			code := s.wait()
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
			if tables := strings.Count(s.stdout.String(), "(total)"); args[len(args)-1] == "--once" && tables != 1 {
				t.Errorf("%d tables", tables)
			}
			if text := s.stderr.String() + s.stdout.String(); !strings.Contains(text, "cannot be read") {
				t.Errorf("exit code %d: %s", code, text)
			}
		})
	}
}
